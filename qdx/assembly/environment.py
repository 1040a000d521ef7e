"""What a run's bits depend on beside its config: device, instruction set, library versions."""

from __future__ import annotations

import platform

from qdx.assembly.config import Config
from qdx.core.host import instructions, versions
from qdx.core.protocols import Task
from qdx.core.types import Json

LIBRARIES = ("qdx", "numpy", "scipy", "warp-lang", "ribs", "scikit-learn", "torch", "esig")


def environment(config: Config, task: Task) -> Json:
    """Device, processor and versions, as every manifest records them."""
    parts = (task, config.observer.parameters)  # stepped tasks name their engines, as do signatures
    libraries = LIBRARIES + tuple(name for part in parts for name in getattr(part, "libraries", ()))
    device = getattr(config.executor.parameters, "device", "cpu")
    return {
        "device": device,
        "machine": platform.machine(),
        "instructions": list(instructions()),
        "versions": {"python": platform.python_version(), **versions(libraries)},
    }


def differences(then: Json, now: Json) -> list[str]:
    """What differs between two environments, a phrase each."""
    flat_then = {**then, **then.get("versions", {})}
    flat_now = {**now, **now.get("versions", {})}
    return [
        f"{key}: {flat_then.get(key)} → {flat_now.get(key)}"
        for key in sorted(flat_then.keys() | flat_now.keys())
        if key != "versions" and flat_then.get(key) != flat_now.get(key)
    ]

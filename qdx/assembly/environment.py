"""What a run's bits depend on beside its config: device, instruction set, library versions."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from qdx.assembly.config import Config
from qdx.core.protocols import Task
from qdx.core.types import Json

LIBRARIES = ("qdx", "numpy", "scipy", "warp-lang", "ribs", "scikit-learn", "torch", "esig")
EXTENSIONS = ("avx", "avx2", "fma", "avx512f", "asimd", "sve")


def environment(config: Config, task: Task) -> Json:
    """Device, processor and versions, as every manifest records them."""
    parts = (task, config.observer.parameters)  # stepped tasks name their engines, as do signatures
    libraries = LIBRARIES + tuple(name for part in parts for name in getattr(part, "libraries", ()))
    device = getattr(config.executor.parameters, "device", "cpu")
    return {
        "device": device,
        "machine": platform.machine(),
        "instructions": list(_instructions()),
        "versions": {"python": platform.python_version(), **_versions(libraries)},
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


@functools.cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _instructions() -> tuple[str, ...]:
    """Vector extensions of the processor, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return ()
    words = set(cpuinfo.read_text().split())
    return tuple(name for name in EXTENSIONS if name in words)

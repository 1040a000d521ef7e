"""What the bits of an episode depend on beside its config: processor and library versions."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

EXTENSIONS = ("avx", "avx2", "fma", "avx512f", "asimd", "sve")
SIMULATORS = ("qdx", "numpy", "warp-lang", "torch", "mujoco", "gymnasium")  # what episodes use


@functools.cache
def instructions() -> tuple[str, ...]:
    """Vector extensions of the processor, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return ()
    words = set(cpuinfo.read_text().split())
    return tuple(name for name in EXTENSIONS if name in words)


@functools.cache
def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Those that are installed."""
    found = {}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def host() -> tuple[str, ...]:
    """This machine, a phrase for each thing that the bits of an episode depend on."""
    libraries = [f"{name} {number}" for name, number in versions(SIMULATORS).items()]
    return (platform.machine(), *instructions(), *libraries)

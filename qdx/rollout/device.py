"""Devices by name, and Warp opened without its banner."""

from __future__ import annotations

import functools
import os

import warp as wp

from qdx.core.errors import ConfigError


def check_device(device: str) -> None:
    """Open Warp, and refuse a device that this machine does not have.

    Raises:
        ConfigError: Unknown or absent device.
    """
    open_warp()
    known = [str(d) for d in wp.get_devices()]
    if device not in known and not (device == "cuda" and wp.is_cuda_available()):
        raise ConfigError(
            f"executor.device: expected one of {', '.join(known)}, got {device!r}. "
            "CUDA devices appear when Warp finds an NVIDIA driver."
        )


@functools.cache
def open_warp() -> None:
    """Initialise Warp once per process, quietly.

    On a machine without an NVIDIA driver Warp's library writes a warning to file descriptor 2
    which no setting holds back; a laptop user has no use for it.
    """
    wp.config.log_level = wp.LOG_WARNING
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        wp.init()  # type: ignore[no-untyped-call]
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)

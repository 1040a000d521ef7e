"""Devices by name."""

from __future__ import annotations

import warp as wp

from qdx.core.errors import ConfigError


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have.

    Raises:
        ConfigError: Unknown or absent device.
    """
    known = [str(d) for d in wp.get_devices()]
    if device not in known and not (device == "cuda" and wp.is_cuda_available()):
        raise ConfigError(
            f"device: expected one of {', '.join(known)}, got {device!r}. "
            "CUDA devices appear when Warp finds an NVIDIA driver."
        )

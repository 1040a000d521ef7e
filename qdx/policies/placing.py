"""Host arrays on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy import ndarray as Array


def on_device(array: Array, dtype: Any, device: str) -> Any:
    """A contiguous NumPy array as a Warp array: on the CPU the same memory, elsewhere a copy.

    A shard of 20 short episodes takes milliseconds, and copying small arrays the usual way a
    tenth of that.

    Args:
        array: Its last axis is the vector's where `dtype` is a vector.
        dtype: A Warp scalar or vector type.
        device: cpu, cuda, cuda:1, …
    """
    array = np.ascontiguousarray(array)
    if device != "cpu":
        return wp.array(array, dtype=dtype, device=device)
    shape = array.shape[: array.ndim - len(getattr(dtype, "_shape_", ()))]
    view: Any = wp.array(
        ptr=array.__array_interface__["data"][0], dtype=dtype, shape=shape, device=device
    )
    view.owner = array  # the memory lives as long as the view
    return view

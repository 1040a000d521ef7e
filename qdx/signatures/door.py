"""Paths as they come in: arrays to tensors, checks, ragged lengths, time channel, basepoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from numpy import ndarray as Array
from torch import Tensor

from qdx.core.errors import ConfigError, ShapeError


def as_paths(paths: Any) -> Float64[Tensor, "B T C"]:
    """An array or tensor of paths as float64, on its own device, detached.

    Raises:
        ShapeError: Not (B, T, C), or a path without samples or channels.
        ConfigError: Not real numbers.
    """
    tensor = paths.detach() if isinstance(paths, Tensor) else _from_numpy(np.asarray(paths))
    if tensor.dtype in (torch.bool, torch.complex64, torch.complex128):
        raise ConfigError(f"paths: expected real numbers, got {tensor.dtype}.")
    if tensor.ndim != 3 or 0 in tensor.shape[1:]:
        raise ShapeError(
            "paths: expected (B, T, C), a batch of paths with at least one sample and channel, got "
            f"{tuple(tensor.shape)}. A single path goes as paths[None]."
        )
    return tensor.to(torch.float64)


def _from_numpy(array: Array) -> Tensor:
    if array.dtype.kind not in "fiu":
        raise ConfigError(f"paths: expected real numbers, got an array of {array.dtype}.")
    plain = np.ascontiguousarray(array, np.float64)
    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def as_lengths(lengths: Any, paths: Float64[Tensor, "B T C"]) -> Int64[Tensor, " B"] | None:
    """Live samples of each path, on the paths' device; None where all are alive.

    Raises:
        ShapeError: Not one per path.
        ConfigError: No integers from 1 to T.
    """
    if lengths is None:
        return None
    n, longest = paths.shape[:2]
    given = lengths if isinstance(lengths, Tensor) else torch.from_numpy(np.array(lengths))
    if given.shape != (n,):
        raise ShapeError(f"lengths: expected one per path, ({n},), got {tuple(given.shape)}.")
    if given.is_floating_point() or given.is_complex():
        raise ConfigError(f"lengths: expected integers, got {given.dtype}.")
    given = given.to(paths.device, torch.int64)
    if n and (int(given.min()) < 1 or int(given.max()) > longest):
        raise ConfigError(
            f"lengths: expected 1 to {longest} samples, the size of `paths`, got "
            f"{int(given.min())} to {int(given.max())}."
        )
    return given


def frozen(
    paths: Float64[Tensor, "B T C"], lengths: Int64[Tensor, " B"] | None
) -> Float64[Tensor, "B T C"]:
    """Paths that stand still at their last live sample.

    Raises:
        ConfigError: A live sample that is not finite.
    """
    if lengths is not None:
        at = torch.arange(paths.shape[1], device=paths.device).minimum(lengths[:, None] - 1)
        paths = torch.take_along_dim(paths, at[:, :, None], dim=1)
    if not bool(torch.isfinite(paths.sum())):  # one pass; what spoils a sum is looked for only then
        spoilt = torch.nonzero(~torch.isfinite(paths))
        if len(spoilt):
            row, sample, channel = (int(i) for i in spoilt[0])
            raise ConfigError(
                f"paths: expected finite numbers, got {float(paths[row, sample, channel])} in path "
                f"{row}, sample {sample}, channel {channel}. Mend or drop that path."
            )
    return paths


def with_time(
    paths: Float64[Tensor, "B T C"], lengths: Int64[Tensor, " B"] | None
) -> Float64[Tensor, "B T C+1"]:
    """Paths with time as their last channel: 0 at the first sample, 1 at the last one of `paths`.

    Time stops with the path, so it ends at 1 only for a path of full length: STAX code,
    linspace(0, length, n) / longest length.
    """
    n, longest = paths.shape[:2]
    at = torch.arange(longest, device=paths.device).expand(n, longest)
    if lengths is not None:
        at = at.minimum(lengths[:, None] - 1)
    clock = at.to(torch.float64) / max(longest - 1, 1)
    return torch.cat([paths, clock[:, :, None]], dim=2)


def with_basepoint(paths: Float64[Tensor, "B T C"]) -> Float64[Tensor, "B T+1 C"]:
    """Paths that come from the origin, so that where they start counts."""
    return torch.cat([torch.zeros_like(paths[:, :1]), paths], dim=1)

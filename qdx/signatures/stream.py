"""Signatures of paths that are still growing; of the paths only the last points are kept."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from qdx.core.errors import ConfigError, ShapeError
from qdx.signatures import basis, door, horner
from qdx.signatures.logarithm import flat, logarithm
from qdx.signatures.threads import one_thread


@final
class Stream:
    """Paths side by side, each extended as its samples come.

        stream = Stream(64, channels=2, depth=3)
        while …:
            stream.extend(points)              # (64, S, 2): the next S samples of each path
        stream.signature()                     # (64, 14)

    The bits are those of `signature(…, time=False, backend="torch")` of the whole paths, however
    they were cut. Time, if it is wanted, is a channel of the samples. Memory is one signature a
    path, and two more of its levels below the last.
    """

    def __init__(self, n_paths: int, channels: int, depth: int, *, device: str = "cpu") -> None:
        """Paths that have no sample yet.

        Args:
            n_paths: B.
            channels: C.
            depth: N.
            device: As torch names it.

        Raises:
            ConfigError: A number below 1.
        """
        numbers = {"n_paths": n_paths, "channels": channels, "depth": depth}
        for name, number in numbers.items():
            if number < 1:
                raise ConfigError(f"{name}: expected an integer ≥ 1, got {number}.")
        place = torch.device(device)
        self._shape = (n_paths, channels)
        self._depth = depth
        self._fold = horner.Fold(horner.padded(n_paths), channels, depth, place)
        self._last = torch.zeros((n_paths, 1, channels), dtype=torch.float64, device=place)
        self._begun = torch.zeros(n_paths, dtype=torch.bool, device=place)

    @one_thread()
    def extend(self, points: Any, lengths: Any = None) -> None:
        """Each path goes on by some samples.

        Args:
            points: (B, S, C), array or tensor.
            lengths: (B,) how many of its samples each path has, 1 to S; all where not given.

        Raises:
            ShapeError: Other paths or channels than before.
            ConfigError: Samples that are not finite.
        """
        given = door.as_paths(points).to(self._last.device)
        if (given.shape[0], given.shape[2]) != self._shape:
            n, channels = self._shape
            raise ShapeError(f"points: expected ({n}, S, {channels}), got {tuple(given.shape)}.")
        still = door.frozen(given, door.as_lengths(lengths, given))
        before = torch.where(self._begun[:, None, None], self._last, still[:, :1])
        with torch.inference_mode():
            whole = torch.cat([before, still], dim=1)
            self._fold.extend(horner.increments(whole, horner.padded(len(whole))))
        self._last = still[:, -1:].clone()
        self._begun[:] = True

    def restart(self, rows: Any) -> None:
        """Some paths begin anew, by index or mask: their next sample is their first."""
        at = torch.as_tensor(rows, device=self._last.device)
        chosen = torch.arange(self._shape[0], device=self._last.device)[at]
        with torch.inference_mode():
            self._fold.restart(chosen)
        self._begun[chosen] = False

    def signature(self, *, log: bool = False) -> Any:
        """(B, D) float64 so far: zeros before a path has moved. A NumPy array."""
        levels = self._fold.levels()
        with torch.inference_mode():
            numbers = flat(logarithm(levels) if log else levels)
        if log:
            numbers = numbers[basis.lyndon_places(self._shape[1], self._depth)]
        found: Tensor = numbers.T[: self._shape[0]]
        return found.contiguous().cpu().numpy()

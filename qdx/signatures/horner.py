"""Signatures in torch, one step of all paths at a time.

The signature of a piecewise linear path grows by one segment with Chen's identity (K.-T. Chen,
"Integration of paths, geometric invariants and a generalized Baker-Hausdorff formula", Annals of
Mathematics 65, 1957),

    S ← S ⊗ exp(Δ),    exp(Δ) = 1 + Δ + Δ⊗Δ/2! + …

and the new level k by Horner's rule (P. Kidger, T. Lyons, "Signatory: differentiable computations
of the signature and logsignature transforms, on both CPU and GPU", ICLR 2021: there called fused
multiply-exponentiate),

    S_k ← S_k + (S_{k-1} + … (S_2 + (S_1 + Δ/k) ⊗ Δ/(k-1)) ⊗ Δ/(k-2) …) ⊗ Δ

which never writes exp(Δ) down. After i factors the chains of all levels k ≥ i have the size of
level i, and the finished one of k = i is the new level itself. So they are kept in one array, and

    H_1[k] = S_1 + Δ/k;    H_{i+1}[k] = S_{i+1} + H_i[k] ⊗ Δ/(k-i);    S_i ← H_i[i]

is one fused multiply-add for each i: N calls of torch a step.

Paths run along the last axis, and a chunk of them is small enough that the last level stays in
cache. Every operation is elementwise, so a path has the same bits in any company, chunk and number
of threads; a step that does not move, Δ = 0, changes nothing at all.
"""

from __future__ import annotations

from typing import Final, final

import torch
from jaxtyping import Float64
from torch import Tensor

LANES: Final = 16  # rows of a chunk are a multiple, so that vector loops leave no rest
CACHED: Final = 2**17  # numbers of the last level of a chunk on a CPU: 1 MiB, a core's share of L2
RESIDENT: Final = 2**25  # likewise on a GPU, where only memory limits them: 256 MiB
MOST_ROWS: Final = 4096  # on a CPU, so that what a chunk copies of its paths stays small too
STEPS: Final = 64  # increments scaled at a time


@final
class Fold:
    """Signatures of a chunk of paths so far, paths along the last axis."""

    def __init__(self, rows: int, channels: int, depth: int, device: torch.device) -> None:
        """Paths that have not moved.

        Args:
            rows: A multiple of `LANES`.
            channels: C.
            depth: N.
            device: Where.
        """
        self._depth = depth

        def empty(n: int, level: int) -> Tensor:
            shape = (n, channels ** (level - 1), channels, rows)
            return torch.zeros(shape, dtype=torch.float64, device=device)

        # H_1 … H_{N-1}, now and after the next step; of H_N only S_N is needed, and grows in place
        now, then = (
            [empty(depth - level + 1, level) for level in range(1, depth)] for _ in range(2)
        )
        self._last = empty(1, depth)[0]
        self._chains = now
        self._steps = _Step(now, then), _Step(then, now)
        self._divisors = torch.arange(1, depth + 1, dtype=torch.float64, device=device)

    def extend(self, increments: Float64[Tensor, "T C B"]) -> None:
        """Each path goes on by some segments."""
        for some in torch.split(increments, STEPS):
            scaled = some[:, None] / self._divisors[:, None, None]  # (T, N, C, B): Δ/1 … Δ/N
            for deltas in scaled:
                self._step(deltas)

    def _step(self, deltas: Float64[Tensor, "N C B"]) -> None:
        if self._depth == 1:
            self._last.add_(deltas)
            return
        step, other = self._steps
        torch.add(step.first, deltas, out=step.first_chains)
        for level, chains, n, grown in step.grow:
            torch.addcmul(level, chains, deltas[:n, None], out=grown)
        self._last.addcmul_(step.last_chain, deltas[0])
        self._steps = other, step
        self._chains = step.after

    def levels(self) -> list[Float64[Tensor, "_ B"]]:
        """Level 1, 2, … N; the first axis holds the words of that length, alphabetically."""
        return [*(chains[0].flatten(0, 1) for chains in self._chains), self._last.flatten(0, 1)]

    def restart(self, rows: Tensor) -> None:
        """Some paths begin anew."""
        for array in (*self._steps[0].after, *self._steps[1].after, self._last):
            array[..., rows] = 0.0


@final
class _Step:
    """The views that one step reads and writes, made once: from `before` into `after`."""

    def __init__(self, before: list[Tensor], after: list[Tensor]) -> None:
        self.after = after
        if not after:
            return
        self.first, self.first_chains = before[0][0, 0], after[0][:, 0]
        # Chain k of H_i, k > i, is a factor of chain k of H_{i+1}; the finished chain goes first.
        self.grow = [
            (before[i][0], after[i - 1][1:].flatten(1, 2)[:, :, None], len(after[i]), after[i])
            for i in range(1, len(after))
        ]
        self.last_chain = after[-1][1].flatten(0, 1)[:, None]


def rows_of_chunk(n: int, channels: int, depth: int, device: torch.device) -> int:
    """How many of n paths are worked on at a time: equal chunks, none too large."""
    on_cpu = device.type == "cpu"
    most = max(LANES, (CACHED if on_cpu else RESIDENT) // int(channels**depth))
    most = min(most, MOST_ROWS) if on_cpu else most
    n_chunks = max(1, -(-n // most))
    return padded(-(-n // n_chunks))


def padded(rows: int) -> int:
    """The next multiple of `LANES`, at least one of them."""
    return max(1, -(-rows // LANES)) * LANES


def increments(paths: Float64[Tensor, "B T C"], rows: int) -> Float64[Tensor, "T-1 C R"]:
    """Steps of some paths, paths last, with paths that do not move up to `rows`."""
    n, length, channels = paths.shape
    points = torch.zeros((length, channels, rows), dtype=torch.float64, device=paths.device)
    points[:, :, :n] = paths.permute(1, 2, 0)
    return points[1:] - points[:-1]

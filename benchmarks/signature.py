"""Signatures of batches of paths beside the esig loop, on one core, float64.

esig takes one path a call. It is timed on some of the rows and scaled to all of them, with its
sample times mended, since two of the four shapes make it raise otherwise. `torch` and `fast` are
`qdx.signature` with its two backends, checks of the input included; `pysiglib` is the library
called directly. Each figure is processor time, the least of the rounds.

Why `fast` is not quite `pysiglib`, measured with both taking turns: the search for numbers that are
not finite reads all paths once (1 to 6 % of the time, most where depth is small for the length),
and pysiglib itself takes 1 to 11 % longer over a tensor than over a NumPy array that owns its
memory. To hand it arrays instead does not help: one that shares a tensor's memory is no owner, so
pysiglib clones it, at 0.83 to 0.93 in all. Nothing else costs: without a time channel or a
basepoint no path is copied, float64 is not converted, levels are not scaled.

What bounds torch: a step of a path costs sum (N - k + 1) C^k fused multiply-adds over the levels
k ≤ N, more than six for each byte of the path, so memory is no bound. Each is done by an
elementwise operation of torch that reads its arrays from cache and writes them back. So two floors
stand beside the rate reached: that of one such operation alone, on arrays that stay in cache as
ours do, and that of a matrix product, which keeps its numbers in registers.
Run: `python -m benchmarks signature`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from time import process_time
from typing import NamedTuple

import numpy as np
import torch

import qdx
from benchmarks.timing import side_by_side
from qdx.signatures import guarded_esig
from qdx.signatures.horner import CACHED
from qdx.signatures.threads import one_thread

ROUNDS = 7


class Shape(NamedTuple):
    """A batch; on `rows` of it esig is timed, and torch is wanted `wanted` times as fast."""

    paths: int
    samples: int
    channels: int
    depth: int
    rows: int
    wanted: int


SHAPES = (
    Shape(1_000, 100, 3, 4, rows=100, wanted=20),
    Shape(10_000, 50, 2, 5, rows=300, wanted=20),
    Shape(1_000, 500, 6, 3, rows=40, wanted=10),
    Shape(200, 1_000, 10, 3, rows=20, wanted=10),
)


def rows() -> list[dict[str, float]]:
    """A row per shape: seconds of each, and how far the numbers differ."""
    with one_thread():
        return [_compare(shape) for shape in SHAPES]


def _compare(shape: Shape) -> dict[str, float]:
    size = (shape.paths, shape.samples, shape.channels)
    paths = np.random.default_rng(0).normal(size=size).cumsum(axis=1) / np.sqrt(shape.samples)
    some, depth = paths[: shape.rows], shape.depth
    contestants: dict[str, Callable[[], object]] = {
        "esig": lambda: guarded_esig.signatures(some, depth),
        "torch": lambda: qdx.signature(paths, depth, time=False, backend="torch"),
    }
    if find_spec("pysiglib"):
        import pysiglib

        contestants["fast"] = lambda: qdx.signature(paths, depth, time=False, backend="pysiglib")
        contestants["pysiglib"] = lambda: pysiglib.sig(paths, depth)
    seconds = side_by_side(contestants, ROUNDS, take=min, clock=process_time)
    seconds["esig"] *= shape.paths / shape.rows
    ours = qdx.signature(some, depth, time=False, backend="torch")
    difference = np.abs(ours - guarded_esig.signatures(some, depth)).max()
    return seconds | {"difference": float(difference), "multiply_adds": multiply_adds(shape)}


def multiply_adds(shape: Shape) -> float:
    """Fused multiply-adds of a batch by Horner's rule."""
    levels = range(2, shape.depth + 1)
    step = sum((shape.depth - k + 1) * shape.channels**k for k in levels)
    return float(step * shape.paths * (shape.samples - 1))


def floors() -> dict[str, float]:
    """Multiply-adds a second on one core, of an elementwise operation and of a matrix product."""
    lanes = 1024
    total = torch.zeros((CACHED // lanes // 4, 4, lanes), dtype=torch.float64)
    left, right = total[:, :1].clone(), total[0].clone()
    a = torch.ones((512, 512), dtype=torch.float64)
    repeats = 50

    def elementwise() -> None:
        for _ in range(repeats):
            total.addcmul_(left, right)

    with one_thread():
        both = {"elementwise": elementwise, "product": lambda: a @ a}
        made = side_by_side(both, ROUNDS, take=min, clock=process_time)
    return {
        "elementwise": repeats * total.numel() / made["elementwise"],
        "product": 512**3 / made["product"],
    }


def table() -> list[str]:
    """The rows as lines."""
    floor, lines = floors(), []
    for shape, row in zip(SHAPES, rows(), strict=True):
        size = f"({shape.paths}, {shape.samples}, {shape.channels}) depth {shape.depth}"
        lines.append(
            f"{size:<24}torch {row['esig'] / row['torch']:5.1f}x esig (wanted {shape.wanted}x; "
            f"{1e3 * row['torch']:.1f} and {1e3 * row['esig']:.0f} ms, esig on {shape.rows} rows "
            f"and scaled; largest difference {row['difference']:.0e})"
        )
        if "fast" in row:
            lines.append(
                f"{'':<24}fast  {row['esig'] / row['fast']:5.1f}x esig, "
                f"{row['pysiglib'] / row['fast']:.2f}x pysiglib ({1e3 * row['fast']:.1f} ms)"
            )
        rate = row["multiply_adds"] / row["torch"]
        lines.append(
            f"{'':<24}torch does {rate / 1e9:.1f} G multiply-adds/s: "
            f"{100 * rate / floor['elementwise']:.0f} % of its elementwise operation in cache "
            f"({floor['elementwise'] / 1e9:.1f} G/s), {100 * rate / floor['product']:.0f} % of a "
            f"matrix product ({floor['product'] / 1e9:.0f} G/s)"
        )
    return lines

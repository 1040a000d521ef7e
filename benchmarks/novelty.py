"""Novelty of 100 newcomers, then their entry, at 100 000 rows: `Neighbours` beside pyribs' archive.

Both get the same float32 values, one after the other in each round, on one thread. pyribs keeps
them in float64 and lets all in (`novelty_threshold=-1`). Run: `python -m benchmarks novelty`.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray as Array
from ribs.archives import ProximityArchive
from threadpoolctl import threadpool_limits

from qdx.archives.neighbours import Neighbours, novelty

ROWS, NEWCOMERS, ROUNDS, NEIGHBOURS = 100_000, 100, 40, 15


def rows() -> list[dict[str, float]]:
    """A row per dimension: seconds of each over all rounds, their ratio, and how novelties differ.

    `ratio` compares the sums, the building of trees included; `median_ratio` the median rounds.
    """
    with threadpool_limits(1):
        return [_compare(dimension) for dimension in (2, 10)]


def _compare(dimension: int) -> dict[str, float]:
    rng = np.random.default_rng(dimension)
    stored = rng.random((ROWS, dimension), dtype=np.float32)
    ours, theirs = Neighbours(dimension), _proximity(dimension)
    ours.add(np.arange(ROWS), stored)
    _enter_theirs(theirs, stored)
    seconds, difference = np.zeros((ROUNDS, 2)), 0.0
    for turn in range(ROUNDS):  # interleaved, so that the load of the machine falls on both
        newcomers = rng.random((NEWCOMERS, dimension), dtype=np.float32)
        start = perf_counter()
        here = novelty(ours.query(newcomers, NEIGHBOURS)[0])
        ours.add(np.arange(NEWCOMERS) + len(ours), newcomers)
        between = perf_counter()
        there = _enter_theirs(theirs, newcomers)
        seconds[turn] = between - start, perf_counter() - between
        difference = max(difference, float(np.abs(here - there).max()))
    (here_s, there_s), (here_median, there_median) = seconds.sum(0), np.median(seconds, axis=0)
    return {
        "dimension": dimension,
        "qdx_ms": 1e3 * float(here_s) / ROUNDS,
        "pyribs_ms": 1e3 * float(there_s) / ROUNDS,
        "ratio": float(there_s / here_s),
        "median_ratio": float(there_median / here_median),
        "difference": difference,
    }


def _proximity(dimension: int) -> ProximityArchive:
    return ProximityArchive(
        solution_dim=1,
        measure_dim=dimension,
        k_neighbors=NEIGHBOURS,
        novelty_threshold=-1.0,
        initial_capacity=2 * ROWS,
        dtype=np.float64,
    )


def _enter_theirs(archive: ProximityArchive, points: Float32[Array, "N D"]) -> Float64[Array, " N"]:
    """What pyribs' `add` does in one call: score against the archive, let in, build the tree."""
    info = archive.add(np.zeros((len(points), 1)), np.zeros(len(points)), points.astype(np.float64))
    return np.asarray(info["novelty"], np.float64)


def table() -> list[str]:
    """The rows as lines."""
    wanted = {2: 10, 10: 2}
    return [
        f"novelty + add, {row['dimension']:2.0f}-D, 100 000 rows   {row['ratio']:6.1f}x"
        f"   pyribs ({row['qdx_ms']:.1f} and {row['pyribs_ms']:.1f} ms per 100; wanted "
        f"{wanted[int(row['dimension'])]}x; largest difference {row['difference']:.0e})"
        for row in rows()
    ]

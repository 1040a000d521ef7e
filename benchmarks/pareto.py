"""Survivors of 300 by fronts and crowding: `pareto.best` beside the same in plain Python.

300 points are P u O of Novelty Search. Three shapes: at random; in one front; and a chain, in which
every point is a front of its own. Run: `python -m benchmarks pareto`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy import ndarray as Array

from benchmarks.timing import side_by_side
from qdx.searchers.pareto import best

POINTS, SURVIVORS, ROUNDS = 300, 100, 5
LIMIT_MS = 5.0  # of a generation that takes some hundred

Point = tuple[float, float]


def plain_best(points: list[Point], n: int) -> list[int]:
    """NSGA-II's survivors, a comparison at a time."""
    left, chosen = list(range(len(points))), list[int]()
    while len(chosen) < n:
        front = [
            i
            for i in left
            if not any(
                points[j][0] >= points[i][0]
                and points[j][1] >= points[i][1]
                and points[j] != points[i]
                for j in left
            )
        ]
        if len(front) > n - len(chosen):
            crowding = plain_crowding([points[i] for i in front])
            order = sorted(range(len(front)), key=lambda k: (-crowding[k], k))
            front = [front[k] for k in order[: n - len(chosen)]]
        chosen += front
        left = [i for i in left if i not in front]
    return sorted(chosen)


def plain_crowding(points: list[Point]) -> list[float]:
    total = [0.0] * len(points)
    for k in (0, 1):
        order = sorted(range(len(points)), key=lambda i: points[i][k])
        span = points[order[-1]][k] - points[order[0]][k]
        total[order[0]] = total[order[-1]] = math.inf
        for before, here, after in zip(order, order[1:], order[2:], strict=False):
            total[here] += (points[after][k] - points[before][k]) / span
    return total


def shapes() -> dict[str, Array]:
    steps = np.arange(float(POINTS))
    return {
        "at random": np.random.default_rng(0).random((POINTS, 2)),
        "one front": np.column_stack([steps, -steps]),
        "a chain": np.column_stack([steps, steps]),
    }


def table() -> list[str]:
    lines = []
    for name, points in shapes().items():
        plain = [(float(x), float(y)) for x, y in points]
        if plain_best(plain, SURVIVORS) != best(points, SURVIVORS).tolist():
            raise AssertionError(f"the two disagree on {name}")
        seconds = side_by_side(
            {
                "qdx": lambda points=points: best(points, SURVIVORS),
                "plain": lambda plain=plain: plain_best(plain, SURVIVORS),
            },
            ROUNDS,
            take=min,
        )
        lines.append(
            f"{SURVIVORS} of {POINTS}, {name:<10} {seconds['plain'] / seconds['qdx']:8.0f}x   "
            f"plain Python ({1e3 * seconds['qdx']:.2f} and {1e3 * seconds['plain']:.0f} ms; wanted "
            f"under {LIMIT_MS:.0f} ms)"
        )
    return lines

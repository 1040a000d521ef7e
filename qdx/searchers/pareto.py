"""Non-dominated sorting and crowding, all objectives maximised.

Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE TEVC 6(2), 2002, sections III-A and III-B. Written as array programs: 300 points take about a
millisecond.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array


def fronts(objectives: Float64[Array, "B K"]) -> Int64[Array, " B"]:
    """Rank of each point: 0 for the non-dominated, 1 for those without the zeros, and so on.

    A point dominates another when it is nowhere worse and somewhere better; equal points share a
    front.

    Args:
        objectives: Values to maximise; -inf allowed, NaN not.
    """
    better = objectives[:, None, :] >= objectives[None, :, :]
    nowhere_worse: Array = np.all(better, axis=2)
    dominates = nowhere_worse & ~nowhere_worse.T
    n_dominators = dominates.sum(axis=0)
    ranks = np.full(len(objectives), -1, np.int64)
    rank = 0
    while (ranks < 0).any():
        front = (n_dominators == 0) & (ranks < 0)
        ranks[front] = rank
        n_dominators -= dominates[front].sum(axis=0)
        rank += 1
    return ranks


def crowding(objectives: Float64[Array, "B K"]) -> Float64[Array, " B"]:
    """Crowding distance within one front: the normalised size of the box between neighbours.

    Extreme points of any objective get +inf. An objective on which all points agree adds nothing.

    Args:
        objectives: The points of one front, finite.
    """
    n = len(objectives)
    distance = np.zeros(n)
    for values in objectives.T:
        order = np.argsort(values, kind="stable")
        span = values[order[-1]] - values[order[0]]
        if span == 0:
            continue
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / span
    return distance


def best(objectives: Float64[Array, "B K"], n: int) -> Int64[Array, " n"]:
    """Rows of the n survivors: whole fronts, the last one by crowding; ties to the earlier row.

    Args:
        objectives: Values to maximise; rows with -inf are only taken last.
        n: Survivors wanted, at most B.
    """
    ranks = fronts(objectives)
    chosen: list[int] = []
    for rank in range(int(ranks.max()) + 1 if len(ranks) else 0):
        front = np.flatnonzero(ranks == rank)
        room = n - len(chosen)
        if len(front) > room:
            finite = np.where(np.isfinite(objectives[front]), objectives[front], 0.0)
            order = np.lexsort((front, -crowding(finite)))
            front = front[order[:room]]
        chosen.extend(front.tolist())
        if len(chosen) == n:
            break
    return np.sort(np.array(chosen, np.int64))

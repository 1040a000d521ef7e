"""Non-dominated sorting and crowding, all objectives maximised.

Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE TEVC 6(2), 2002, sections III-A and III-B. Written as array programs: 300 points take about a
millisecond.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

LARGEST = np.finfo(np.float64).max / 4  # spans of it are finite


def fronts(objectives: Float64[Array, "B K"]) -> Int64[Array, " B"]:
    """Rank of each point: 0 for the non-dominated, 1 for those without the zeros, and so on.

    A point dominates another when it is nowhere worse and somewhere better; equal points share a
    front.

    Args:
        objectives: Values to maximise; -inf allowed, NaN not.
    """
    nowhere_worse = np.ones((len(objectives), len(objectives)), bool)
    for values in objectives.T:
        nowhere_worse &= values[:, None] >= values
    dominates = nowhere_worse & ~nowhere_worse.T
    n_dominators = dominates.sum(axis=0)
    ranks = np.full(len(objectives), -1, np.int64)
    rank = 0
    while len(front := np.flatnonzero(n_dominators == 0)):
        ranks[front] = rank
        n_dominators -= dominates[front].sum(axis=0)
        n_dominators[front] = -1  # done
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
        objectives: Values to maximise; rows with -inf are taken after all others, front by front.
        n: Survivors wanted, at most B.
    """
    lost: Array = (objectives == -np.inf).any(axis=1)
    ranks = np.zeros(len(objectives), np.int64)
    ranks[~lost] = fronts(objectives[~lost])
    ranks[lost] = fronts(objectives[lost]) + len(objectives)
    order = np.argsort(ranks, kind="stable")
    if n <= 0 or n >= len(order):
        return np.sort(order[:n])
    last = ranks[order[n - 1]]
    chosen, front = np.flatnonzero(ranks < last), np.flatnonzero(ranks == last)
    room = n - len(chosen)
    if len(front) > room and not lost[front[0]]:
        bounded = np.minimum(objectives[front], LARGEST)  # +inf: nobody is there to compare with
        front = front[np.argsort(-crowding(bounded), kind="stable")]
    return np.sort(np.concatenate([chosen, front[:room]]))

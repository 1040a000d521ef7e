"""The nearest of a population among themselves, and of two sets together."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from qdx.archives.neighbours import Neighbours
from qdx.archives.neighbours_places import NOBODY, ranked, root_of_squares


def among(
    ids: Int64[Array, " B"], points: Float32[Array, "B D"], k: int
) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
    """The k nearest others of each point of one population, as `Neighbours.query` gives them.

    A tree for one batch of queries pays up to 4-D: 1.0 against 1.6 ms for 300 points in 2-D, 1.5
    either way in 6-D; and half of that again where no two distances tie.
    """
    low = points.shape[1] <= 4
    answer = _untied(ids, points, k) if low and k + 1 < len(ids) else None
    if answer is not None:
        return answer
    population = Neighbours(points.shape[1], method="tree" if low else "brute")
    population.add(ids, points)
    return population.query(points, k, exclude=ids)


def _untied(
    ids: Int64[Array, " B"], points: Float32[Array, "B D"], k: int
) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]] | None:
    """The same where each point lies alone and no distance comes within rounding of the next.

    Then the tree's own order is exact, as `qdx.archives.neighbours.climb` argues.
    """
    where = points.astype(np.float64)
    tree = cKDTree(where, leafsize=16, compact_nodes=False, balanced_tree=False)
    answer = tree.query(where, k=k + 2)  # itself, k others, and the one after them
    rough, members = np.asarray(answer[0]), np.asarray(answer[1], np.int64)
    if not (rough[:, :-1] < rough[:, 1:] * (1 - 1e-9)).all():
        return None
    others = members[:, 1 : k + 1]
    return root_of_squares(where[:, None, :] - where.take(others, axis=0)), ids.take(others)


def merge(
    first: tuple[Float64[Array, "B K1"], Int64[Array, "B K1"]],
    second: tuple[Float64[Array, "B K2"], Int64[Array, "B K2"]],
    k: int,
) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
    """The K = min(k, K1 + K2) best of two neighbour lists, such as population and archive.

    Args:
        first: Distances and ids; +inf and -1 where there is none.
        second: Likewise. An id found in both counts once, at its smaller distance.
        k: Neighbours wanted, 1 ≤ k.

    Returns:
        Distances, ascending, and ids, ties by id; +inf and -1 where there are no more.
    """
    distances = np.concatenate([first[0], second[0]], axis=1)
    ids = np.concatenate([first[1], second[1]], axis=1)
    distances[ids < 0], ids[ids < 0] = np.inf, NOBODY
    by_id = np.sort(ids, axis=1)
    again = (by_id[:, 1:] == by_id[:, :-1]) & (by_id[:, 1:] < NOBODY)
    if again.any():
        rows = np.flatnonzero(again.any(axis=1))
        order = np.lexsort((distances[rows], ids[rows]), axis=1)
        names, gaps = (np.take_along_axis(table[rows], order, 1) for table in (ids, distances))
        repeated = np.zeros(names.shape, np.bool_)
        repeated[:, 1:] = names[:, 1:] == names[:, :-1]
        ids[rows] = np.where(repeated, NOBODY, names)
        distances[rows] = np.where(repeated, np.inf, gaps)
    distances, ids = ranked(distances, ids, k)
    return distances, np.where(ids == NOBODY, -1, ids)

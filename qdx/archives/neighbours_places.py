"""Distinct points, the ids found at each, and the exact distances and ranks among them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.archives.neighbours_scan import GONE, rectangle
from qdx.core.errors import ConfigError

WIDE = 64  # coordinates beyond which they are looked at one by one
ROOM = 1 << 24  # coordinates of (query, place) pairs that are held at a time, 128 MB
NOBODY = np.iinfo(np.int64).max  # sorts after every id; shown as -1


@final
class Places:
    """Distinct points, and the ids found at each."""

    def __init__(self, dimension: int) -> None:
        self.dimension, self.n, self.n_empty = dimension, 0, 0
        self.points = np.empty((0, dimension), np.float32)
        self.squares = np.empty(0, np.float64)  # squared norms, or GONE
        self.counts = np.empty(0, np.int64)
        self.first = np.empty(0, np.int64)  # the smallest id
        self.of_id: dict[int, int] = {}
        self._of_point: dict[bytes, int] = {}
        self._crowds: dict[int, list[int]] = {}  # ids in order, where there are several

    def add(self, ids: Int64[Array, " N"], points: Float32[Array, "N D"]) -> None:
        """Lets points in; ConfigError, and nothing done, where an id is negative or not new."""
        names = ids.tolist()
        wrong = [i for i, times in Counter(names).items() if i < 0 or times > 1 or i in self.of_id]
        if wrong:
            raise ConfigError(
                f"ids: expected new ids ≥ 0, each once, got {wrong[:5]}. Remove the old ones first."
            )
        points = np.ascontiguousarray(points + np.float32(0))  # -0.0 and 0.0 are one place
        keys = points.view(f"V{4 * self.dimension}")[:, 0].tolist()
        of_point = self._of_point
        where = np.array([of_point.setdefault(key, len(of_point)) for key in keys], np.int64)
        self._grow(len(of_point))
        before = self.counts[where]
        self.n_empty -= len(np.unique(where[(before == 0) & (where < self.n)]))  # come back
        self.n = len(of_point)
        self.points[where] = points
        self.squares[where] = np.einsum("nd,nd->n", points, points, dtype=np.float64)
        np.add.at(self.counts, where, 1)
        self.of_id.update(zip(names, where.tolist(), strict=True))
        alone = self.counts[where] == 1
        self.first[where[alone]] = ids[alone]
        for row in np.flatnonzero(~alone).tolist():  # few, or many at few places
            self._join(int(where[row]), names[row], is_first=bool(before[row] == 0))

    def _grow(self, n: int) -> None:
        if n <= len(self.counts):
            return
        rows = max(n, 2 * len(self.counts)) - len(self.counts)
        self.points = np.concatenate([self.points, np.zeros((rows, self.dimension), np.float32)])
        self.squares = np.concatenate([self.squares, np.full(rows, GONE)])
        self.counts = np.concatenate([self.counts, np.zeros(rows, np.int64)])
        self.first = np.concatenate([self.first, np.full(rows, NOBODY)])

    def _join(self, place: int, name: int, *, is_first: bool) -> None:
        crowd = self._crowds.setdefault(place, [] if is_first else [int(self.first[place])])
        insort(crowd, name)
        self.first[place] = crowd[0]

    def remove(self, ids: Int64[Array, " N"]) -> None:
        """Takes points out; KeyError, and nothing done, where an id is unknown or given twice."""
        names = ids.tolist()
        unknown = [i for i, times in Counter(names).items() if times > 1 or i not in self.of_id]
        if unknown:
            raise KeyError(
                f"ids: expected stored ids, each once, got {unknown[:5]}. Removed before?"
            )
        for name in names:  # a dict is asked id by id
            place = self.of_id.pop(name)
            self.counts[place] -= 1
            crowd = self._crowds.get(place)
            if crowd is None:
                self.squares[place] = GONE
                self.n_empty += 1
                continue
            del crowd[bisect_left(crowd, name)]
            self.first[place] = crowd[0]
            if len(crowd) == 1:
                del self._crowds[place]

    def contents(self) -> tuple[Int64[Array, " N"], Float32[Array, "N D"]]:
        """All ids and their points."""
        ids = np.fromiter(self.of_id.keys(), np.int64, len(self.of_id))
        where = np.fromiter(self.of_id.values(), np.int64, len(self.of_id))
        return ids, self.points[where]

    def distances(
        self, queries: Float64[Array, "B D"], members: Int64[Array, "B C"]
    ) -> Float64[Array, "B C"]:
        """Distance to each place, +inf where there is none or nobody is left."""
        points = self.points
        if self.dimension > WIDE:
            points, queries = varying(points[: self.n], queries)
        step = max(1, ROOM // max(1, members.shape[1] * points.shape[1]))
        total = np.empty(members.shape)
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            gaps = points.take(members[rows], axis=0).astype(np.float64)
            np.subtract(queries[rows, None, :], gaps, out=gaps)
            total[rows] = root_of_squares(gaps)
        absent = members < 0
        if self.n_empty:
            absent |= self.counts.take(members) == 0
        total[absent] = np.inf
        return total

    def nearest(
        self, distances: Float64[Array, "B C"], members: Int64[Array, "B C"], k: int
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        """The k nearest points at the places of each row: distances and ids."""
        if distances.shape[1] > 2 * k:  # a partition is cheaper than a sort
            near = distances <= np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
            counts = near.sum(axis=1)
            members = rectangle(members[near], counts, -1)
            distances = rectangle(distances[near], counts, np.inf)
        if self._crowds and (self.counts.take(members) > 1).any():
            return ranked(*self._residents(distances, members, k), k)
        return ranked(distances, np.where(np.isinf(distances), NOBODY, self.first.take(members)), k)

    def _residents(
        self, distances: Float64[Array, "B C"], members: Int64[Array, "B C"], k: int
    ) -> tuple[Float64[Array, "B R"], Int64[Array, "B R"]]:
        """The smallest k ids of each place which has fewer than k points strictly nearer."""
        order = np.argsort(distances, axis=1)
        distances = np.take_along_axis(distances, order, 1)
        members = np.take_along_axis(members, order, 1)
        counts = np.where(np.isinf(distances), 0, np.minimum(self.counts[members], k))
        nearer = np.cumsum(counts, axis=1) - counts
        nearer[:, 1:][distances[:, 1:] == distances[:, :-1]] = 0  # tied with the one before…
        nearer = np.maximum.accumulate(nearer, axis=1)  # …so it has as many nearer
        counts[nearer >= k] = 0
        places, repeats, totals = members.ravel(), counts.ravel(), counts.sum(axis=1)
        rank = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        flat = np.repeat(places, repeats)
        ids = self.first[flat]
        crowded, which = np.unique(flat[rank > 0], return_inverse=True)
        roll = np.full((len(crowded), k), NOBODY)
        for row, place in enumerate(crowded.tolist()):  # crowds are lists of unequal length
            crowd = self._crowds[place][:k]
            roll[row, : len(crowd)] = crowd
        ids[rank > 0] = roll[which, rank[rank > 0]]
        filled = np.arange(totals.max()) < totals[:, None]
        all_ids, all_distances = np.full(filled.shape, NOBODY), np.full(filled.shape, np.inf)
        all_ids[filled], all_distances[filled] = ids, np.repeat(distances.ravel(), repeats)
        return all_distances, all_ids


def varying(
    points: Float32[Array, "N D"], queries: Float64[Array, "B D"]
) -> tuple[Float32[Array, "N V"], Float64[Array, "B V"]]:
    """The coordinates in which anything differs: the others add 0 to every distance, exactly.

    Frames before one background are alike in most of their pixels.
    """
    first = points[:1]
    differs = (points != first).any(axis=0) | (queries != first).any(axis=0)
    differs[0] |= not differs.any()
    return points[:, differs], queries[:, differs]


def root_of_squares(gaps: Float64[Array, "B C D"]) -> Float64[Array, "B C"]:
    """Distances from the differences of coordinates, which are overwritten.

    Squares are added coordinate by coordinate: each step is rounded as IEEE 754 has it, so a
    distance has the same bits on every machine and in every batch.
    """
    np.multiply(gaps, gaps, out=gaps)
    squares = np.moveaxis(gaps, 2, 0)
    if len(squares) > WIDE:
        squares = np.ascontiguousarray(squares)  # a coordinate of all pairs lies together
    total: Float64[Array, "B C"] = squares[0].copy()
    for square in squares[1:]:
        total += square
    np.sqrt(total, out=total)
    return total


def ranked(
    distances: Float64[Array, "B C"], ids: Int64[Array, "B C"], k: int
) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
    """The first k of each row by distance, then id."""
    if not (distances[:, 1:] > distances[:, :-1]).all():
        order = np.argsort(distances, axis=1, kind="stable")  # quick on runs already in order
        order += np.arange(len(order))[:, None] * order.shape[1]
        distances, ids = distances.ravel().take(order), ids.ravel().take(order)
        tied = (distances[:, 1:] == distances[:, :-1]) & (ids[:, 1:] < ids[:, :-1])
        if tied.any():
            rows = np.flatnonzero(tied.any(axis=1))
            order = np.lexsort((ids[rows], distances[rows]), axis=1)  # distances are in order
            ids[rows] = np.take_along_axis(ids[rows], order, 1)
    return distances[:, :k], ids[:, :k]

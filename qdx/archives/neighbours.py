"""Exact k nearest neighbours of a growing set of points: what every novelty score rests on.

Novelty is the mean distance to the k nearest others (Lehman & Stanley, 2011, "Abandoning
Objectives: Evolution Through the Search for Novelty Alone", Evolutionary Computation 19(2), eq. 1).

A search only proposes candidates: all places that may, within its rounding error, be as near as the
k-th. Their distances are then computed in float64, in one fixed order of additions, and ties go to
the smaller id. So KD-tree, matrix product and torch give the same bits, whatever the order of
insertion, the batch or the threads. Points that coincide share one *place*: a thousand robots that
never move cost what one does.
"""

from __future__ import annotations

import importlib
from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array
from scipy.spatial import cKDTree

from qdx.archives.neighbours_places import Places
from qdx.archives.neighbours_scan import Scan, scan
from qdx.core.errors import ConfigError, ShapeError

Members = Int64[Array, "B C"]  # rows of places, -1 for none

METHODS = ("auto", "tree", "brute", "torch")
BATCH = 384  # queries per pass
FEW = 2048  # (query, place) pairs whose distances are computed sooner than a scan is set up


# ms for 300 queries, k = 15, by tree / by scan (EPYC with AVX-512, 1 thread, scipy 1.17):
#           uniform points, the worst for a tree        a 3-D surface folded into D
#   D \ n     1 000        10 000        100 000          1 000       10 000      100 000
#   2       0.6 / 1.5     0.7 / 3.7     0.9 / 23        0.6 / 1.5   0.7 / 3.7    0.8 / 22
#   4       0.9 / 1.6     1.3 / 4.1     1.7 / 24        0.8 / 1.6   1.0 / 4.2    1.4 / 24
#   8       2.3 / 1.8     5.3 / 5.3      12 / 32        1.0 / 1.8   1.6 / 5.1    2.3 / 31
#   10      2.9 / 1.9      13 / 5.7      32 / 34        1.2 / 2.0   1.9 / 6.0    2.9 / 34
#   12      3.0 / 2.1      23 / 6.1      74 / 39        1.3 / 2.2   2.2 / 6.3    3.5 / 39
#   16      3.4 / 2.5      36 / 7.4     417 / 44        1.6 / 2.3   2.8 / 7.3    4.5 / 44
#   39      5.9 / 3.7      68 / 15     2293 / 84        3.4 / 3.8   6.4 / 16      24 / 96
# Descriptors lie between the two, so up to 12-D the tree is taken where at worst it loses little.
TREE_ROWS = {8: 1_000, 12: 32_768}  # the smallest set worth a tree, up to a dimension
PATIENCE = 150  # (query, place) pairs scanned in the time it takes to plant one place, 0.13 µs


def suits_tree(dimension: int, n: int) -> bool:
    """Whether a KD-tree is to be preferred to a scan."""
    return any(dimension <= limit and n >= rows for limit, rows in TREE_ROWS.items())


def climb(tree: cKDTree, queries: Float64[Array, "B D"], k: int, places: Places) -> Members:
    """Candidates from the tree: more are fetched while the k-th may tie with the last one fetched.

    The tree's distances err by some (D + depth) eps, far below the 1e-9 allowed for here.
    """
    width = min(k + 1, tree.n)
    table, rows = fetch(tree, queries, (k, width), places)
    while len(rows) and width < tree.n:
        width = min(2 * width, tree.n)
        members, unclear = fetch(tree, queries[rows], (k, width), places)
        wider = ((0, 0), (0, members.shape[1] - table.shape[1]))
        table = np.pad(table, wider, constant_values=-1)
        table[rows] = members
        rows = rows[unclear]
    return table


def fetch(
    tree: cKDTree, queries: Float64[Array, "B D"], widths: tuple[int, int], places: Places
) -> tuple[Members, Int64[Array, " U"]]:
    """The nearest (k, width)[1] places of each query, and the rows whose k-th is not yet clear."""
    k, width = widths
    answer = tree.query(queries, k=max(width, 2))  # a table, where k = 1 would give a column
    distances, members = np.asarray(answer[0]), np.asarray(answer[1], np.int64)
    below = distances[:, -1:] * (1 - 1e-9)
    if places.n_empty:
        there = places.counts.take(members, mode="clip") > 0
        clear = ((distances < below) & there).sum(axis=1) >= k
    else:
        clear = distances[:, min(k, width) - 1] < below[:, 0]
    if width < 2:
        members[members == tree.n] = -1  # what scipy answers for none
    return members, np.flatnonzero(~clear)


@final
class Neighbours:
    """Exact k-NN over a growing set of points, each with an id.

    Args:
        dimension: Coordinates of a point, 1 ≤ dimension.
        device: Where candidates are searched: "cpu" needs no torch, any other device is torch's.
        method: "tree", "brute" (numpy), "torch", or "auto": by dimension, size and device.
    """

    def __init__(self, dimension: int, *, device: str = "cpu", method: str = "auto") -> None:
        if method not in METHODS:
            raise ConfigError(f"method: expected one of {METHODS}, got {method!r}. Use 'auto'.")
        if dimension < 1:
            raise ConfigError(f"dimension: expected an integer ≥ 1, got {dimension}. 2 is usual.")
        self._method = "torch" if method == "auto" and device != "cpu" else method
        self._device = device
        self._settle(Places(dimension))

    def _settle(self, places: Places) -> None:
        self._places = places
        self._tree: cKDTree | None = None
        self._scanned = 0  # (query, place) pairs since the tree was built
        self._scan: Scan = torch_scan(self._device) if self._method == "torch" else scan

    def __len__(self) -> int:
        return len(self._places.of_id)

    def add(self, ids: Int64[Array, " N"], points: Float32[Array, "N D"]) -> None:
        """Lets points in.

        Args:
            ids: New ones, ≥ 0, each once.
            points: Finite; kept as float32.

        Raises:
            ConfigError: An id or a point is refused; then none is added.
        """
        _check(points, self._places.dimension)
        self._places.add(ids, points)

    def remove(self, ids: Int64[Array, " N"]) -> None:
        """Takes points out; KeyError, and nothing done, where an id is unknown or given twice."""
        self._places.remove(ids)
        if self._places.n_empty > max(64, self._places.n // 4):  # empty places slow every search
            self.replace(*self._places.contents())

    def replace(self, ids: Int64[Array, " N"], points: Float32[Array, "N D"]) -> None:
        """Puts new contents for the old, as after a space moved; the dimension may change."""
        _check(points, points.shape[1])
        places = Places(points.shape[1])
        places.add(ids, points)
        self._settle(places)

    def query(
        self, points: Float32[Array, "B D"], k: int, *, exclude: Int64[Array, " B"] | None = None
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        """The K = min(k, size) nearest of each point, by distance, then id.

        Args:
            points: Where to look from.
            k: Neighbours wanted, 1 ≤ k.
            exclude: For each point the id that is no neighbour of it, its own as a rule; -1: none.

        Returns:
            Distances, ascending, and ids. A row with fewer than K neighbours ends in +inf and -1.

        Raises:
            ConfigError: k < 1, or a point is not finite or not of this space.
        """
        _check(points, self._places.dimension)
        if k < 1:
            raise ConfigError(f"k: expected an integer ≥ 1, got {k}. 15 is usual for novelty.")
        shown, wanted = min(k, len(self)), min(k + (exclude is not None), len(self))
        if shown == 0 or len(points) == 0:
            return np.full((len(points), shown), np.inf), np.full((len(points), shown), -1)
        queries = points.astype(np.float64)
        self._plant(len(queries))
        passes = [
            self._pass(queries[start : start + BATCH], wanted)
            for start in range(0, len(queries), BATCH)
        ]
        distances, ids = (np.concatenate(column) for column in zip(*passes, strict=True))
        if exclude is None:
            return distances, ids
        return _without(exclude, distances, ids, shown)

    def _plant(self, n_queries: int) -> None:
        """Builds the tree once scans outside it have cost as much as building it (rent or buy)."""
        n, grown = self._places.n, self._grown
        if self._method == "auto" and not suits_tree(self._places.dimension, n):
            return
        if self._method not in ("auto", "tree") or n == grown:
            return
        self._scanned += n_queries * (n - grown)
        if self._scanned < PATIENCE * n and (grown or self._method == "auto"):
            return
        # Coinciding points share a place, so midpoint splits cannot degenerate; unbalanced and
        # uncompacted the tree is built 2.2 times faster and answers as fast (10⁵ points, D ≤ 10).
        points = self._places.points[:n].astype(np.float64)
        self._tree = cKDTree(points, leafsize=32, compact_nodes=False, balanced_tree=False)
        self._scanned = 0

    @property
    def _grown(self) -> int:
        return self._tree.n if self._tree is not None else 0

    def _pass(
        self, queries: Float64[Array, "B D"], wanted: int
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        places, grown = self._places, self._grown
        k = min(wanted, places.n - places.n_empty)
        members = np.empty((len(queries), 0), np.int64)
        if self._tree is not None:
            members = climb(self._tree, queries, k, places)
        distances = places.distances(queries, members)
        if grown < places.n:
            bound = np.full(len(queries), np.inf)
            if members.shape[1] >= k:
                bound = distances[:, :k].max(axis=1) ** 2  # k places, the nearest but for ties
            more = self._outside(queries, k, bound)
            members = np.concatenate([members, more], axis=1)
            distances = np.concatenate([distances, places.distances(queries, more)], axis=1)
        return places.nearest(distances, members, wanted)

    def _outside(
        self, queries: Float64[Array, "B D"], k: int, bound: Float64[Array, " B"]
    ) -> Int64[Array, "B C"]:
        """Candidates that no tree holds yet."""
        places, grown = self._places, self._grown
        outside = slice(grown, places.n)
        if len(queries) * (places.n - grown) <= FEW and self._method != "torch":
            return np.tile(np.arange(grown, places.n), (len(queries), 1))
        more = self._scan(places.points[outside], places.squares[outside], queries, k, bound)
        more[more >= 0] += grown
        return more


def _without(
    exclude: Int64[Array, " B"], distances: Float64[Array, "B W"], ids: Int64[Array, "B W"], k: int
) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
    """The first k of each row but the excluded id: those after it move up by one."""
    rows, place = np.nonzero(ids == exclude[:, None])
    if len(rows) == 0:
        return distances[:, :k], ids[:, :k]
    columns = np.arange(k)
    rest = columns + (columns >= place[:, None])
    tables = []
    for table, none in ((distances, np.inf), (ids, -1)):
        moved = np.concatenate([table[rows], np.full((len(rows), 1), none, table.dtype)], axis=1)
        table = table[:, :k].copy()
        table[rows] = np.take_along_axis(moved, rest, 1)
        tables.append(table)
    return tables[0], tables[1]


def torch_scan(device: str) -> Scan:
    """The scan on a device of torch; torch is imported here, and only when it is wanted."""
    on_device: Scan = importlib.import_module("qdx.archives.neighbours_torch").TorchScan(device)
    return on_device


def _check(points: Float32[Array, "N D"], dimension: int) -> None:
    if points.shape[1] != dimension:
        raise ShapeError(
            f"points: expected (N, {dimension}) to match the space, got {points.shape}. "
            "Use replace() after a space moved."
        )
    if not np.isfinite(points).all():
        raise ConfigError(
            "points: expected finite coordinates, got NaN or inf. Leave failed rows out."
        )


def novelty(distances: Float64[Array, "B K"]) -> Float64[Array, " B"]:
    """Mean distance to the neighbours found, the sparseness ρ(x) of Lehman & Stanley (2011, eq. 1).

    Args:
        distances: To the k nearest others; +inf where there is none.

    Returns:
        Novelty, in the unit of the distances; +inf for a point with no neighbour at all.
    """
    total, found = np.zeros(len(distances)), np.isfinite(distances)
    for column in np.where(found, distances, 0.0).T:  # one order of additions, whatever the layout
        total += column
    n_found = found.sum(axis=1)
    means = np.full(len(distances), np.inf)
    np.divide(total, n_found, out=means, where=n_found > 0)
    return means

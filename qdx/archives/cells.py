"""Cell archives on pyribs: a grid (Mouret & Clune 2015) or a centroidal Voronoi tessellation.

Vassiliades, Chatzilygeroudis & Mouret, "Using centroidal Voronoi tessellations to scale up the
multidimensional archive of phenotypic elites algorithm", IEEE TEVC 22(4), 2018. This file
translates the words: genes → solution, descriptors → measures, fitness → objective. What pyribs
stores is an id; everything an id stands for lives in the record store, and every statistic is
computed from contents.

pyribs clips measures outside its ranges into edge cells without a word, and one NaN rejects a
batch; here rows outside are counted and reported (or refused, by option), and failed rows never
reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray as Array
from ribs.archives import CVTArchive, GridArchive, k_means_centroids
from threadpoolctl import threadpool_limits

from qdx.archives.members import Members
from qdx.archives.neighbours import Neighbours
from qdx.archives.parameters import CvtParameters, GridParameters, Outside
from qdx.core.errors import ConfigError, QdxError
from qdx.core.protocols import Describe, MemberChanges
from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Json, State, Status, Verdict

Bounds = Sequence[tuple[float, float]]
MOST_CELLS = 4_000_000  # a grid allocates them all


@final
class Cells:
    """One elite per cell: the fittest, the first of equals."""

    def __init__(
        self, cells: GridArchive | CVTArchive, records: Records, *, outside: Outside, seed: int
    ) -> None:
        """An empty pyribs archive with an `id` field."""
        self._cells = cells
        self._records = records
        self._policy = outside
        self._seed = seed
        self._members = Members(records)
        self._elite = np.full(cells.cells, -1, np.int64)
        self._fitness = np.zeros(cells.cells, np.float64)
        self._n_outside = 0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, evaluations: Evaluations) -> Verdict:
        descriptors, fitness = evaluations.described.descriptors, evaluations.outcomes.fitness
        inside = self._within(descriptors)
        finite = np.isfinite(descriptors).all(axis=1) & np.isfinite(fitness)
        failed = evaluations.outcomes.failed | ~finite
        self._n_outside += int((~inside & ~failed).sum())
        offered = ~failed if self._policy == "clip" else ~failed & inside
        status = np.full(len(evaluations), Status.REFUSED, np.int8)
        rows = np.flatnonzero(offered)
        if len(rows):
            ids = evaluations.genomes.ids[rows]
            status[rows] = self._insert(ids, fitness[rows], descriptors[rows])
        return Verdict(status, np.full(len(evaluations), np.nan))

    def remove(self, ids: Int64[Array, " R"]) -> None:
        self._members.remove(ids)
        self._rebuild(self._members.ids())

    def redescribe(self, describe: Describe) -> None:
        ids = self._members.ids()
        descriptors = describe(ids).descriptors
        fitness = self._records.column("fitness", ids)
        kept, inside = np.isfinite(descriptors).all(axis=1), self._within(descriptors)
        self._n_outside += int((kept & ~inside).sum())
        if self._policy == "refuse":
            kept &= inside
        order = np.lexsort((ids, -fitness))  # the fittest first, then the oldest
        order = order[kept[order]]
        self._empty()
        self._members.remove(ids)
        if len(order):
            self._insert(ids[order], fitness[order], descriptors[order])

    def members(self) -> Int64[Array, " N"]:
        """Ids in cell order."""
        return self._elite[self._elite >= 0]

    def cells_of(self, descriptors: Float32[Array, "B D"]) -> Int64[Array, " B"]:
        """Index of the cell each descriptor falls into."""
        return np.asarray(self._cells.index_of(descriptors.astype(np.float64)), np.int64)

    def parents(self, n: int, *, key: int) -> Int64[Array, " n"]:
        ids = self.members()
        return ids[draw(self._seed, "parents", key).integers(len(ids), size=n)]

    def neighbours(
        self,
        descriptors: Float32[Array, "B D"],
        k: int,
        *,
        exclude: Int64[Array, " B"] | None = None,
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        index = Neighbours(descriptors.shape[1], method="brute")
        ids = self.members()
        index.add(ids, self._records.descriptors(ids))
        return index.query(descriptors, k, exclude=exclude)

    def report(self) -> Json:
        return {
            "size": len(self),
            "outside": self._n_outside,
            "fitness_sum": float(self._fitness.sum()),
        }

    def state(self) -> State:
        return State({}, {"outside": self._n_outside})

    def restore(self, state: State) -> None:
        self._n_outside = state.json["outside"]

    def load(self, ids: Int64[Array, " N"]) -> None:
        self._rebuild(ids)
        if (self._elite >= 0).sum() != len(ids):
            raise QdxError(
                "archives.cells: members share cells, so the cells are not those of the run. "
                "Resume with the library versions its manifest names."
            )
        self._members.load(ids)

    def changes(self) -> MemberChanges:
        return self._members.changes()

    def committed(self) -> None:
        self._members.committed()

    def _within(self, descriptors: Float32[Array, "B D"]) -> Bool[Array, " B"]:
        low, high = self._cells.lower_bounds, self._cells.upper_bounds
        return np.asarray(((descriptors >= low) & (descriptors <= high)).all(axis=1))

    def _insert(
        self,
        ids: Int64[Array, " R"],
        fitness: Float32[Array, " R"],
        descriptors: Float32[Array, "R D"],
    ) -> Array:
        """Offer rows to pyribs, then bring the members in line with what it kept.

        pyribs judges each row against the archive as it was before the batch. A row whose cell a
        batch mate took is refused here, so that as many rows are new as the archive grows.
        """
        points = descriptors.astype(np.float64)
        info = self._cells.add(np.zeros(len(ids)), fitness.astype(np.float64), points, id=ids)
        _, kept = self._cells.retrieve(points)
        cells, first = np.unique(kept["index"], return_index=True)
        before, now = self._elite[cells], kept["id"][first]
        changed = before != now
        self._elite[cells] = now
        self._fitness[cells] = kept["objective"][first]
        evicted = before[changed]
        self._members.remove(evicted[evicted >= 0])
        self._members.add(now[changed])
        return np.where(kept["id"] == ids, info["status"], Status.REFUSED).astype(np.int8)

    def _empty(self) -> None:
        self._cells.clear()
        self._elite[:] = -1
        self._fitness[:] = 0.0

    def _rebuild(self, ids: Int64[Array, " N"]) -> None:
        """Contents from scratch; members have distinct cells, so order does not matter."""
        self._empty()
        if len(ids):
            points = self._records.descriptors(ids)
            fitness = self._records.column("fitness", ids).astype(np.float64)
            self._cells.add(np.zeros(len(ids)), fitness, points.astype(np.float64), id=ids)
            cells = self.cells_of(points)
            self._elite[cells] = ids
            self._fitness[cells] = fitness


def grid(parameters: GridParameters, records: Records, *, bounds: Bounds, seed: int) -> Cells:
    """An empty grid archive.

    Raises:
        ConfigError: Bounds that do not fit, or more cells than memory should hold.
    """
    ranges = parameters.bounds or tuple(bounds)
    check_bounds(ranges, len(bounds))
    if parameters.bins ** len(ranges) > MOST_CELLS:
        raise ConfigError(
            f"archives.cells.bins: expected at most {MOST_CELLS:,} cells in all, got "
            f"{parameters.bins} to the power of {len(ranges)}. Use fewer bins, or kind cvt."
        )
    cells = GridArchive(
        solution_dim=(),
        dims=[parameters.bins] * len(ranges),
        ranges=ranges,
        extra_fields={"id": ((), np.int64)},
    )
    return Cells(cells, records, outside=parameters.outside, seed=seed)


def cvt(parameters: CvtParameters, records: Records, *, bounds: Bounds, seed: int) -> Cells:
    """An empty CVT archive; its centroids follow from the seed."""
    ranges = parameters.bounds or tuple(bounds)
    check_bounds(ranges, len(bounds))
    key = int(draw(seed, "centroids").integers(2**31))
    if parameters.samples < parameters.cells:
        raise ConfigError(
            f"archives.cells.samples: expected at least one per cell, {parameters.cells}, got "
            f"{parameters.samples}."
        )
    with threadpool_limits(1):  # k-means sums in another order on another number of cores
        centroids, _ = k_means_centroids(
            centroids=parameters.cells, ranges=ranges, samples=parameters.samples, seed=key
        )
    cells = CVTArchive(
        solution_dim=(), centroids=centroids, ranges=ranges, extra_fields={"id": ((), np.int64)}
    )
    return Cells(cells, records, outside=parameters.outside, seed=seed)


def check_bounds(ranges: Bounds, dimension: int) -> None:
    """Refuse bounds that do not fit the descriptor.

    Raises:
        ConfigError: Wrong number of dimensions, or low not below high.
    """
    if len(ranges) != dimension:
        raise ConfigError(
            f"archives.cells.bounds: expected (low, high) for {dimension} descriptor dimensions, "
            f"got {len(ranges)}."
        )
    for low, high in ranges:
        if not (np.isfinite([low, high]).all() and low < high):
            raise ConfigError(
                f"archives.cells.bounds: expected finite low < high for each of {dimension} "
                f"descriptor dimensions, got ({low}, {high}). A descriptor without natural bounds "
                "needs them in the config, or an unstructured archive."
            )

"""Cell archives on pyribs: a grid (Mouret & Clune 2015) or a centroidal Voronoi tessellation.

Vassiliades, Chatzilygeroudis & Mouret, "Using centroidal Voronoi tessellations to scale up the
multidimensional archive of phenotypic elites algorithm", IEEE TEVC 22(4), 2018. This file
translates the words: descriptors → measures. pyribs lays out the cells and says which one a
descriptor falls into. Who holds a cell is decided here, because pyribs knows one rule for ties only
and forgets nobody; everything an id stands for lives in the record store, and every statistic is
computed from contents.

A soft archive (Fontaine & Nikolaidis, "Covariance matrix adaptation MAP-Annealing", GECCO 2023)
asks a newcomer to beat not the elite of a cell but its threshold t, which follows slowly:
t <- (1 - α) t + α f for each fitness f that passes it. Several of a batch move it by their mean, as
in the paper's batch rule, and the fittest of them takes the cell. Thresholds begin anew when the
behaviour space moves.

pyribs clips measures outside its ranges into edge cells without a word, and one NaN rejects a
batch; here rows outside are counted and reported (or refused, by option), and failed rows never
reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int64
from numpy import ndarray as Array
from ribs.archives import CVTArchive, GridArchive, k_means_centroids
from threadpoolctl import threadpool_limits

from qdx.archives.members import Members
from qdx.archives.parameters import (
    CellsParameters,
    CvtParameters,
    GridParameters,
    SoftParameters,
)
from qdx.core.errors import ConfigError, QdxError
from qdx.core.protocols import Describe, MemberChanges
from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Json, State, Status, Verdict

Bounds = Sequence[tuple[float, float]]
MOST_CELLS = 4_000_000  # a grid allocates them all


@final
class Cells:
    """One elite per cell: the fittest, and of equals the first or, by option, the last.

    In a soft archive, the last to pass the cell's threshold, and of a batch the fittest.
    """

    def __init__(
        self,
        parameters: CellsParameters,
        cells: GridArchive | CVTArchive,
        records: Records,
        *,
        seed: int,
    ) -> None:
        """Empty cells; the pyribs archive is their layout and stays empty."""
        self._p = parameters
        self._cells = cells
        self._records = records
        self._seed = seed
        self._members = Members(records)
        self._elite = np.full(cells.cells, -1, np.int64)
        self._fitness = np.zeros(cells.cells, np.float64)
        self._soft = parameters if isinstance(parameters, SoftParameters) else None
        self._floor = -np.inf if self._soft is None else self._soft.threshold_min
        self._threshold = np.full(cells.cells, self._floor, np.float64)  # to be beaten
        self._n_outside = 0

    def __len__(self) -> int:
        return len(self._members)

    def add(self, evaluations: Evaluations) -> Verdict:
        descriptors, fitness = evaluations.described.descriptors, evaluations.outcomes.fitness
        inside = self._within(descriptors)
        finite = np.isfinite(descriptors).all(axis=1) & np.isfinite(fitness)
        failed = evaluations.outcomes.failed | ~finite
        self._n_outside += int((~inside & ~failed).sum())
        offered = ~failed if self._p.outside == "clip" else ~failed & inside
        status = np.full(len(evaluations), Status.REFUSED, np.int8)
        unknown = np.full(len(evaluations), np.nan)
        improvement = unknown.copy()
        rows = np.flatnonzero(offered)
        if len(rows):
            ids = evaluations.genomes.ids[rows]
            cells = self.cells_of(descriptors[rows])
            improvement[rows] = fitness[rows] - self._threshold[cells]
            status[rows] = self._insert(ids, fitness[rows], cells)
        return Verdict(status, unknown, improvement)

    def remove(self, ids: Int64[Array, " R"]) -> None:
        self._members.remove(ids)
        self._empty(np.isin(self._elite, ids))

    def redescribe(self, describe: Describe) -> None:
        ids = np.sort(self._members.ids())  # as they came
        descriptors = describe(ids).descriptors
        fitness = self._records.column("fitness", ids)
        kept, inside = np.isfinite(descriptors).all(axis=1), self._within(descriptors)
        self._n_outside += int((kept & ~inside).sum())
        if self._p.outside == "refuse":
            kept &= inside
        self._empty(np.ones(len(self._elite), bool))
        self._members.remove(ids)
        if kept.any():
            self._insert(ids[kept], fitness[kept], self.cells_of(descriptors[kept]))

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
        return self._members.neighbours(descriptors, k, exclude=exclude)

    def report(self) -> Json:
        return {
            "size": len(self),
            "outside": self._n_outside,
            "fitness_sum": float(self._fitness.sum()),
        }

    def state(self) -> State:
        arrays = {} if self._soft is None else {"thresholds": self._threshold.copy()}
        return State(arrays, {"outside": self._n_outside})

    def restore(self, state: State) -> None:
        self._n_outside = state.json["outside"]
        if self._soft is not None:
            self._threshold = state.arrays["thresholds"].copy()

    def load(self, ids: Int64[Array, " N"]) -> None:
        if len(ids):
            cells = self.cells_of(self._records.descriptors(ids))
            self._elite[cells] = ids
            self._fitness[cells] = self._threshold[cells] = self._records.column("fitness", ids)
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
        self, ids: Int64[Array, " R"], fitness: Float32[Array, " R"], cells: Int64[Array, " R"]
    ) -> Int8[Array, " R"]:
        """Offer finite rows: elites end as if the rows had come one after the other.

        Each row is judged against the archive as it was before the batch, and a row whose cell a
        batch mate took is refused, so that as many rows are new as the archive grows.
        """
        bar = self._threshold[cells]
        passes = fitness >= bar if self._p.ties == "replace" else fitness > bar
        passing = np.flatnonzero(passes & (self._elite[cells] != ids))
        turn = passing if self._p.ties == "keep" else -passing
        order = passing[np.lexsort((turn, -fitness[passing], cells[passing]))]
        taken, first = np.unique(cells[order], return_index=True)  # of each cell the winner
        rows, rivals = order[first], self._elite[taken]
        self._members.remove(rivals[rivals >= 0])
        self._members.add(ids[rows])
        self._elite[taken], self._fitness[taken] = ids[rows], fitness[rows]
        self._raise_thresholds(cells[passing], fitness[passing].astype(np.float64))
        status = np.full(len(ids), Status.REFUSED, np.int8)
        status[rows] = np.where(rivals < 0, Status.NEW, Status.IMPROVED)
        return status

    def _raise_thresholds(self, cells: Int64[Array, " R"], fitness: Float64[Array, " R"]) -> None:
        """What the next row has to beat, after rows that beat what was there."""
        if self._soft is None:
            self._threshold[cells] = self._fitness[cells]
            return
        cells, cell, count = np.unique(cells, return_inverse=True, return_counts=True)
        mean = np.bincount(cell, fitness, len(cells)) / count
        kept = (1 - self._soft.learning_rate) ** count
        self._threshold[cells] = kept * self._threshold[cells] + (1 - kept) * mean

    def _empty(self, cells: Bool[Array, " C"]) -> None:
        self._elite[cells] = -1
        self._fitness[cells] = 0.0
        self._threshold[cells] = self._floor


def grid(parameters: GridParameters, records: Records, *, bounds: Bounds, seed: int) -> Cells:
    """An empty grid archive.

    Raises:
        ConfigError: Bounds that do not fit, or more cells than memory should hold.
    """
    ranges = parameters.bounds or tuple(bounds)
    check_bounds(ranges, len(bounds))
    if parameters.bins ** len(ranges) > MOST_CELLS:
        raise ConfigError(
            f"bins: expected at most {MOST_CELLS:,} cells in all, got "
            f"{parameters.bins} to the power of {len(ranges)}. Use fewer bins, or kind cvt."
        )
    cells = GridArchive(
        solution_dim=(),
        dims=[parameters.bins] * len(ranges),
        ranges=ranges,
    )
    return Cells(parameters, cells, records, seed=seed)


def cvt(parameters: CvtParameters, records: Records, *, bounds: Bounds, seed: int) -> Cells:
    """An empty CVT archive; its centroids follow from the seed."""
    ranges = parameters.bounds or tuple(bounds)
    check_bounds(ranges, len(bounds))
    key = int(draw(seed, "centroids").integers(2**31))
    if parameters.samples < parameters.cells:
        raise ConfigError(
            f"samples: expected at least one per cell, {parameters.cells}, got "
            f"{parameters.samples}."
        )
    with threadpool_limits(1):  # k-means sums in another order on another number of cores
        centroids, _ = k_means_centroids(
            centroids=parameters.cells, ranges=ranges, samples=parameters.samples, seed=key
        )
    cells = CVTArchive(solution_dim=(), centroids=centroids, ranges=ranges)
    return Cells(parameters, cells, records, seed=seed)


def check_bounds(ranges: Bounds, dimension: int) -> None:
    """Refuse bounds that do not fit the descriptor.

    Raises:
        ConfigError: Wrong number of dimensions, or low not below high.
    """
    if len(ranges) != dimension:
        raise ConfigError(
            f"bounds: expected (low, high) for {dimension} descriptor dimensions, "
            f"got {len(ranges)}."
        )
    for low, high in ranges:
        if not (np.isfinite([low, high]).all() and low < high):
            raise ConfigError(
                f"bounds: expected finite low < high for each of {dimension} "
                f"descriptor dimensions, got ({low}, {high}). A descriptor without natural bounds "
                "needs them in the config, or an unstructured archive."
            )

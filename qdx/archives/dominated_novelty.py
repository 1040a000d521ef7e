"""A bounded archive without cells, in which everybody competes with whoever is fitter and near.

Bahlous-Boldi, Faldor, Grillotti, Janmohamed, Coiffard, Spector & Cully, "Dominated novelty search:
rethinking local competition in quality-diversity", GECCO 2025. The competition fitness of an
individual is its mean distance to the k nearest that are fitter, +inf where nobody is. The archive
keeps the `capacity` highest of members and newcomers.

The paper compares with the strictly fitter. The authors' code (QDax) also with the equally fit, and
so does this archive unless told otherwise: where most rewards are 0 the strict rule has nobody to
compare with and keeps whoever came first. Of equal scores the older individual stays.
"""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array
from scipy.spatial.distance import cdist

from qdx.archives.members import Members
from qdx.archives.parameters import DominatedNoveltyParameters, Rivals
from qdx.core.protocols import Describe, MemberChanges
from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Json, State, Status, Verdict

BLOCK = 1 << 20  # pairs compared at a time


@final
class DominatedNovelty:
    """The individuals that are far from everybody better."""

    def __init__(
        self, parameters: DominatedNoveltyParameters, records: Records, *, seed: int
    ) -> None:
        """Empty."""
        self._p = parameters
        self._records = records
        self._seed = seed
        self._members = Members(records)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, evaluations: Evaluations) -> Verdict:
        ids, points = evaluations.genomes.ids, evaluations.described.descriptors
        fitness = evaluations.outcomes.fitness
        usable = np.isfinite(points).all(axis=1) & np.isfinite(fitness)
        usable &= ~evaluations.outcomes.failed
        rows = np.array([r for r in np.flatnonzero(usable) if int(ids[r]) not in self._members])
        status = np.full(len(ids), Status.REFUSED, np.int8)
        scores = np.full(len(ids), np.nan)
        if len(rows):
            scores[rows], kept = self._compete(ids[rows], points[rows], fitness[rows])
            status[rows[kept]] = Status.NEW
        return Verdict(status, scores)

    def remove(self, ids: Int64[Array, " R"]) -> None:
        self._members.remove(ids)

    def redescribe(self, describe: Describe) -> None:
        ids = self._members.ids()
        lost = ~np.isfinite(describe(ids).descriptors).all(axis=1)
        self._members.remove(ids[lost])

    def members(self) -> Int64[Array, " N"]:
        return self._members.ids()

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
        return {"size": len(self)}

    def state(self) -> State:
        return State({}, {})

    def restore(self, state: State) -> None:
        pass  # nothing but its members

    def load(self, ids: Int64[Array, " N"]) -> None:
        self._members.load(ids)

    def changes(self) -> MemberChanges:
        return self._members.changes()

    def committed(self) -> None:
        self._members.committed()

    def _compete(
        self,
        ids: Int64[Array, " R"],
        points: Float32[Array, "R D"],
        fitness: Float32[Array, " R"],
    ) -> tuple[Float64[Array, " R"], Array]:
        """Scores of newcomers among members and newcomers, and which of them stay."""
        there = self._members.ids()
        everybody = np.concatenate([there, ids])
        if len(there):
            points = np.concatenate([self._records.descriptors(there), points])
            fitness = np.concatenate([self._records.column("fitness", there), fitness])
        scores = dominated_novelty(points, fitness, self._p.neighbours, rivals=self._p.rivals)
        kept = np.zeros(len(everybody), bool)
        kept[np.lexsort((everybody, -scores))[: self._p.capacity]] = True
        self._members.remove(there[~kept[: len(there)]])
        new = kept[len(there) :]
        self._members.add(ids[new])
        return scores[len(there) :], new


def dominated_novelty(
    descriptors: Float32[Array, "B D"],
    fitness: Float32[Array, " B"],
    k: int,
    *,
    rivals: Rivals = "as_fit",
) -> Float64[Array, " B"]:
    """The competition fitness of each individual among all of them (section 4.2).

    Args:
        descriptors: Points, finite.
        fitness: Of each, finite.
        k: Rivals averaged over; with fewer, all of them.
        rivals: Who an individual is compared with: the fitter, or also the equally fit.

    Returns:
        Mean distance to the k nearest rivals, in descriptor units; +inf without any.
    """
    points = descriptors.astype(np.float64)
    scores = np.empty(len(points))
    step = max(1, BLOCK // max(len(points), 1))
    for start in range(0, len(points), step):  # blocks of rows bound the memory
        rows = np.arange(start, min(start + step, len(points)))
        gaps = cdist(points[rows], points)
        own = fitness[rows, None]
        gaps[fitness < own if rivals == "as_fit" else fitness <= own] = np.inf
        gaps[np.arange(len(rows)), rows] = np.inf
        nearest = _smallest(gaps, k)
        count = np.isfinite(nearest).sum(axis=1)
        total = np.where(np.isfinite(nearest), nearest, 0.0).sum(axis=1)
        scores[rows] = np.where(count > 0, total / np.maximum(count, 1), np.inf)
    return scores


def _smallest(gaps: Float64[Array, "R B"], k: int) -> Float64[Array, "R K"]:
    """The k smallest of each row, ascending; overwrites `gaps`.

    np.sort(gaps)[:, :k]; for a few of a thousand, k passes are many times faster than a partition.
    """
    at = np.arange(len(gaps))
    found = []
    for _ in range(min(k, gaps.shape[1])):
        least = gaps.argmin(axis=1)
        found.append(gaps[at, least])
        gaps[at, least] = np.inf
    return np.stack(found, axis=1)

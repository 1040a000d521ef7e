"""The unstructured novelty archive: whoever is admitted stays, and novelty is measured against all.

Lehman & Stanley (2011), section 3: novelty is the mean distance to the k nearest others. Which rows
are admitted is the searcher's business (`lambda` random ones in SERENE and STAX).
"""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.archives.members import Members
from qdx.archives.neighbours import Neighbours, novelty
from qdx.archives.parameters import NoveltyParameters
from qdx.core.protocols import Describe, MemberChanges
from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Json, State, Status, Verdict


@final
class Novelty:
    """Grows without bound; every admitted row that did not fail is new."""

    def __init__(
        self,
        parameters: NoveltyParameters,
        records: Records,
        *,
        dimension: int,
        seed: int,
        device: str = "cpu",
    ) -> None:
        """An empty archive over a record store; `device` is where neighbours are searched."""
        self._k = parameters.neighbours
        self._records = records
        self._seed = seed
        self._members = Members(records)
        self._index = Neighbours(dimension, device=device, method=parameters.method)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, evaluations: Evaluations) -> Verdict:
        ids, points = evaluations.genomes.ids, evaluations.described.descriptors
        failed = evaluations.outcomes.failed | ~np.isfinite(points).all(axis=1)
        failed = failed | np.array([i in self._members for i in ids.tolist()], bool)
        scores = np.full(len(ids), np.nan)
        kept = np.flatnonzero(~failed)
        scores[kept] = novelty(self._index.query(points[kept], self._k)[0])
        self._members.add(ids[kept])
        self._index.add(ids[kept], points[kept])
        status = np.where(failed, Status.REFUSED, Status.NEW).astype(np.int8)
        return Verdict(status, scores)

    def remove(self, ids: Int64[Array, " R"]) -> None:
        self._members.remove(ids)
        self._index.remove(ids)

    def redescribe(self, describe: Describe) -> None:
        ids = self._members.ids()
        self._index.replace(ids, describe(ids).descriptors)

    def members(self) -> Int64[Array, " N"]:
        return self._members.ids()

    def parents(self, n: int, *, key: int) -> Int64[Array, " n"]:
        rng = draw(self._seed, "parents", key)
        return self.members()[rng.integers(len(self), size=n)]

    def neighbours(
        self,
        descriptors: Float32[Array, "B D"],
        k: int,
        *,
        exclude: Int64[Array, " B"] | None = None,
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        return self._index.query(descriptors, k, exclude=exclude)

    def report(self) -> Json:
        return {"size": len(self)}

    def state(self) -> State:
        return State({}, {})

    def restore(self, state: State) -> None:
        pass

    def load(self, ids: Int64[Array, " N"]) -> None:
        self._members.load(ids)
        if len(ids):
            self._index.replace(ids, self._records.descriptors(ids))

    def changes(self) -> MemberChanges:
        return self._members.changes()

    def committed(self) -> None:
        self._members.committed()

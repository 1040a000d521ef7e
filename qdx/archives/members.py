"""The ids an archive holds, in order, and what changed since the last commit."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.archives.neighbours import Neighbours
from qdx.core.errors import QdxError
from qdx.core.protocols import MemberChanges
from qdx.core.records import Records


@final
class Members:
    """An ordered set of ids, each holding one reference in the record store."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._ids: dict[int, None] = {}
        self._fresh: dict[int, None] = {}
        self._gone: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._ids

    def ids(self) -> Int64[Array, " N"]:
        """All of them, oldest first."""
        return np.fromiter(self._ids, np.int64, len(self._ids))

    def add(self, ids: Int64[Array, " A"]) -> None:
        """Append ids that are not members yet."""
        self._records.hold(ids)
        fresh = dict.fromkeys(ids.tolist())
        self._ids.update(fresh)
        self._fresh.update(fresh)

    def remove(self, ids: Int64[Array, " R"]) -> None:
        """Forget members.

        Raises:
            QdxError: An id that is no member, or one given twice.
        """
        unknown = [i for i in ids.tolist() if i not in self._ids]
        if unknown or len(np.unique(ids)) < len(ids):
            raise QdxError(
                f"archive: expected ids of members to remove, each once, got {unknown[:5] or ids}."
            )
        self._records.release(ids)
        for id_ in ids.tolist():
            del self._ids[id_]
            if id_ in self._fresh:
                del self._fresh[id_]
            else:
                self._gone[id_] = None

    def neighbours(
        self,
        descriptors: Float32[Array, "B D"],
        k: int,
        *,
        exclude: Int64[Array, " B"] | None = None,
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        """The nearest of them, by one scan over all: for archives that are seldom asked."""
        index = Neighbours(descriptors.shape[1], method="brute")
        ids = self.ids()
        index.add(ids, self._records.descriptors(ids))
        return index.query(descriptors, k, exclude=exclude)

    def load(self, ids: Int64[Array, " N"]) -> None:
        """The members of a commit."""
        self.add(ids)
        self.committed()

    def changes(self) -> MemberChanges:
        """Since `committed` was last called."""
        added = np.fromiter(self._fresh, np.int64, len(self._fresh))
        return MemberChanges(added, np.fromiter(self._gone, np.int64, len(self._gone)))

    def committed(self) -> None:
        """What `changes` gave is safe."""
        self._fresh.clear()
        self._gone.clear()

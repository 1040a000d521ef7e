"""What novelty is measured against while an exploiting chunk lasts.

Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty search and emitters",
GECCO 2021 (SERENE), section 3.2. R is frozen when a chunk begins, before its bootstraps. Nobody's
novelty is carried from one R into the next: whoever is compared is measured in the same R.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.archives.neighbours import Neighbours, novelty
from qdx.searchers.setting import Setting

ARCHIVES = ("novelty", "rewarding")  # A_N and A_R, which only grow, oldest member first


@final
class FrozenReference:
    """R = P u O u A_N u A_R, as they were when the chunk began.

    Attributes:
        sizes: How many of A_N and of A_R belong to R; with P and O, all that a commit needs.
    """

    def __init__(
        self, setting: Setting, neighbours: int, pool: Callable[[], Int64[Array, " B"]]
    ) -> None:
        """Nothing is frozen yet.

        Args:
            setting: The searcher's.
            neighbours: k of the novelty.
            pool: P u O, which stay the same while a chunk exploits.
        """
        self._setting = setting
        self._records = setting.records
        self._k = neighbours
        self._pool = pool
        self.sizes: list[int] = [0, 0]
        self._index: Neighbours | None = None  # made when first needed

    def freeze(self) -> None:
        """R is what there is now."""
        self.sizes = [len(self._setting.archives[name]) for name in ARCHIVES]
        self.forget()

    def forget(self) -> None:
        """The space moved, or the chunk is over: descriptors are read again when next needed."""
        self._index = None

    def novelty(self, ids: Int64[Array, " B"]) -> Float64[Array, " B"]:
        """With regard to R without oneself; NaN for failed individuals."""
        self._index = self._index or self._indexed()
        scores = np.full(len(ids), np.nan)
        alive = ~self._records.column("failed", ids)
        points = self._records.descriptors(ids[alive])
        scores[alive] = novelty(self._index.query(points, self._k, exclude=ids[alive])[0])
        return scores

    def _indexed(self) -> Neighbours:
        archives = [self._setting.archives[name] for name in ARCHIVES]
        kept = [a.members()[:size] for a, size in zip(archives, self.sizes, strict=True)]
        ids = np.unique(np.concatenate([self._pool(), *kept]))
        ids = ids[~self._records.column("failed", ids)]
        points = self._records.descriptors(ids)
        index = Neighbours(points.shape[1])
        index.add(ids, points)
        return index

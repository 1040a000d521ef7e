"""When a search learns its behaviour space, and from whom.

The schedule of the STAX code (Paolo et al., Evolutionary Computation 32(3), 2024): exploration is
counted in chunks; the first training comes after one chunk, and each wait is a chunk longer than
the one before: trainings after chunks 1, 3, 6, 10, …
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.records import Records
from qdx.core.types import Json


@dataclass(frozen=True)
class LessonParameters:
    """STAX's schedule is the default.

    Attributes:
        chunk: K, evaluations of a turn of exploring.
        interval: Chunks before the first training.
        growth: Chunks that each wait is longer than the last; 0 for regular trainings.
    """

    chunk: Annotated[int, Ge(1)] = 1000
    interval: Annotated[int, Ge(1)] = 1
    growth: Annotated[int, Ge(0)] = 1


@final
class Lessons:
    """Counts chunks of exploration."""

    def __init__(self, parameters: LessonParameters) -> None:
        """A first wait of `interval` chunks."""
        self._growth = parameters.growth
        self._interval = parameters.interval
        self._waited = 0
        self.given = 0

    def chunk_over(self) -> bool:
        """One more chunk has been explored; says whether it is time to learn."""
        self._waited += 1
        if self._waited < self._interval:
            return False
        self._waited, self._interval = 0, self._interval + self._growth
        self.given += 1
        return True

    def state(self) -> Json:
        """For a commit."""
        return {"interval": self._interval, "waited": self._waited, "given": self.given}

    def restore(self, state: Json) -> None:
        """The inverse of `state`."""
        self._interval, self._waited = state["interval"], state["waited"]
        self.given = state["given"]


def pupils(records: Records, *groups: Int64[Array, " _"]) -> Int64[Array, " L"]:
    """Everybody of some groups, once, but who failed: what a training learns from."""
    ids = np.unique(np.concatenate(groups))
    return ids[~records.column("failed", ids)] if len(ids) else ids

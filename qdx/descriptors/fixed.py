"""Behaviour spaces that never move."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray as Array

from qdx.core.protocols import Bounds, Observations
from qdx.core.types import Described, Json, State

Place = Callable[[Observations], Float32[Array, "B D"]]


@final
class Fixed:
    """A space that never moves: a function of what is seen."""

    has_surprise = False

    def __init__(self, place: Place, bounds: Bounds) -> None:
        """What gives a point for each row, and the range of each of its numbers."""
        self._place = place
        self._bounds = bounds

    def dimension(self) -> int:
        return len(self._bounds)

    def bounds(self) -> Bounds:
        return self._bounds

    def describe(self, observations: Observations, failed: Bool[Array, " B"]) -> Described:
        alive = np.flatnonzero(~failed)
        descriptors = np.full((len(failed), self.dimension()), np.nan, np.float32)
        if len(alive):
            seen = {name: values[alive] for name, values in observations.items()}
            descriptors[alive] = self._place(seen)
        return Described(descriptors, None, space=0)

    def learn(self, observations: Observations) -> Json | None:
        return None

    def state(self) -> State:
        return State({}, {})

    def restore(self, state: State) -> None:
        pass

"""The descriptor that learns nothing: an observation as it is, flattened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

from qdx.core.protocols import Observations
from qdx.core.types import Described, State


@dataclass(frozen=True)
class IdentityParameters:
    """No parameters: the descriptor is what the observer keeps."""


@final
class Identity:
    """Behaviour space = observation space; its version never changes."""

    Parameters = IdentityParameters

    def __init__(self, parameters: IdentityParameters, *, observation: str, dimension: int) -> None:
        """An observation by name, of a known flattened size."""
        self._observation = observation
        self._dimension = dimension

    def dimension(self) -> int:
        return self._dimension

    def describe(self, observations: Observations, failed: Bool[Array, " B"]) -> Described:
        values = observations[self._observation]
        points = values.reshape(len(values), self._dimension).astype(np.float32)
        return Described(np.where(failed[:, None], np.float32(np.nan), points), None, space=0)

    def learn(self, observations: Observations) -> None:
        raise NotImplementedError("identity: a space of observations has nothing to learn")

    def state(self) -> State:
        return State({}, {})

    def restore(self, state: State) -> None:
        pass

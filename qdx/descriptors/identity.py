"""The descriptor that learns nothing: an observation as it is, flattened."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

from qdx.core.protocols import Bounds, Observations
from qdx.core.types import Described, Json, State
from qdx.descriptors.parameters import IdentityParameters
from qdx.descriptors.setting import DescriptorSetting


@final
class Identity:
    """Behaviour space = observation space; its version never changes."""

    has_surprise = False

    def __init__(self, parameters: IdentityParameters, *, observation: str, bounds: Bounds) -> None:
        """An observation by name, with the range of each number of it."""
        self._observation = observation
        self._bounds = bounds

    def dimension(self) -> int:
        return len(self._bounds)

    def bounds(self) -> Bounds:
        return self._bounds

    def describe(self, observations: Observations, failed: Bool[Array, " B"]) -> Described:
        values = observations[self._observation]
        points = values.reshape(len(values), self.dimension()).astype(np.float32)
        return Described(np.where(failed[:, None], np.float32(np.nan), points), None, space=0)

    def learn(self, observations: Observations) -> Json | None:
        return None

    def state(self) -> State:
        return State({}, {})

    def restore(self, state: State) -> None:
        pass


def build(parameters: IdentityParameters, setting: DescriptorSetting) -> Identity:
    """The observation of a campaign."""
    return Identity(parameters, observation=setting.observation, bounds=setting.bounds)

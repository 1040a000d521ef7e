"""The identity descriptor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from qdx.descriptors.fixed import Fixed
from qdx.descriptors.identity import identity
from qdx.descriptors.parameters import IdentityParameters
from qdx.descriptors.setting import DescriptorSetting
from tests.conformance.descriptor import DescriptorConformance
from tests.conformance.making import equal


class TestIdentity(DescriptorConformance):
    @pytest.fixture(params=["final", "path"])
    def build(self, request: pytest.FixtureRequest) -> Callable[[], Fixed]:
        dimension = {"final": 2, "path": 10}[request.param]
        setting = DescriptorSetting(request.param, ((0.0, 1.0),) * dimension)
        return partial(identity, IdentityParameters(), setting)

    @pytest.fixture
    def observations(self) -> dict[str, Any]:
        path = np.random.default_rng(0).random((12, 5, 2)).astype(np.float32)
        return {"final": path[:, -1], "path": path}

    def test_the_point_is_the_observation(self, descriptor: Any, observations: Any) -> None:
        points = descriptor.describe(observations, np.zeros(12, bool)).descriptors
        name = {2: "final", 10: "path"}[descriptor.dimension()]
        assert equal(points, observations[name].reshape(12, -1))

    def test_the_space_never_moves(self, descriptor: Any, observations: Any) -> None:
        assert descriptor.describe(observations, np.zeros(12, bool)).space == 0
        assert descriptor.learn(observations) is None

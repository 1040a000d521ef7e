"""Behaviour spaces to compare with: genes, noise, pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from qdx.core.errors import ConfigError
from qdx.descriptors.baselines import genome, pixels, random
from qdx.descriptors.fixed import Fixed
from qdx.descriptors.parameters import GenomeParameters, PixelsParameters, RandomParameters
from qdx.descriptors.setting import DescriptorSetting
from qdx.rollout.drawing import Drawing
from qdx.tasks.point import Point
from tests.conformance.descriptor import DescriptorConformance
from tests.conformance.making import equal

NONE_FAILED = np.zeros(12, bool)
DRAW = Drawing(Point(), 16)
SETTING = DescriptorSetting(
    "frames", ((-np.inf, np.inf),) * 6, n_samples=3, n_genes=4, seed=1, frame_size=16, draw=DRAW
)


def seen() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "frames": rng.uniform(-1, 1, (12, 3, 2)).astype(np.float32),
        "genes": rng.uniform(-5, 5, (12, 4)).astype(np.float32),
        "id": np.arange(12) + (3 << 40),
    }


class BaselineConformance(DescriptorConformance):
    @pytest.fixture
    def observations(self) -> dict[str, Any]:
        return seen()

    def test_the_space_never_moves(self, descriptor: Any, observations: Any) -> None:
        assert descriptor.learn(observations) is None
        assert descriptor.describe(observations, NONE_FAILED).space == 0


class TestGenome(BaselineConformance):
    @pytest.fixture
    def build(self) -> Callable[[], Fixed]:
        return partial(genome, GenomeParameters(), SETTING)

    def test_the_point_is_the_genome(self, descriptor: Any, observations: Any) -> None:
        points = descriptor.describe(observations, NONE_FAILED).descriptors
        assert equal(points, observations["genes"])


class TestRandom(BaselineConformance):
    @pytest.fixture
    def build(self) -> Callable[[], Fixed]:
        return partial(random, RandomParameters(), SETTING)

    def test_points_are_uniform_and_differ(self, descriptor: Any) -> None:
        many = {"id": np.arange(2000)}
        points = descriptor.describe(many, np.zeros(2000, bool)).descriptors
        assert points.shape == (2000, 10)
        assert len(np.unique(points, axis=0)) == 2000
        np.testing.assert_allclose(points.mean(axis=0), 0.5, atol=0.03)
        np.testing.assert_allclose(points.std(axis=0), 12**-0.5, atol=0.02)

    def test_another_seed_draws_others(self, descriptor: Any, observations: Any) -> None:
        other = random(RandomParameters(), DescriptorSetting("frames", (), seed=2))
        assert not equal(
            descriptor.describe(observations, NONE_FAILED).descriptors,
            other.describe(observations, NONE_FAILED).descriptors,
        )


class TestPixels(BaselineConformance):
    @pytest.fixture(params=["sketches", "frames"])
    def kept(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def build(self) -> Callable[[], Fixed]:
        return partial(pixels, PixelsParameters(), SETTING)

    @pytest.fixture
    def observations(self, kept: str) -> dict[str, Any]:
        sketches = seen()["frames"]
        return {"frames": sketches if kept == "sketches" else DRAW(sketches)}

    def test_the_point_is_every_frame(self, descriptor: Any, observations: Any) -> None:
        points = descriptor.describe(observations, NONE_FAILED).descriptors
        assert equal(np.rint(points * 255).astype(np.uint8), DRAW(seen()["frames"]).reshape(12, -1))

    def test_other_observations_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"pixels: expected observer frames, got 'final'"):
            pixels(PixelsParameters(), DescriptorSetting("final", ()))

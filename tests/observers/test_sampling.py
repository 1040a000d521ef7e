"""Observers that keep samples of the measures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.observers.sampling import Checkpoints, Final, Path
from tests.conformance.making import equal
from tests.conformance.observer import ObserverConformance

horizons = st.integers(1, 3000)


class SamplingConformance(ObserverConformance):
    def test_the_last_sample_is_the_end(self, observer: Any, horizon: int) -> None:
        assert observer.steps(horizon)[-1] == horizon

    def test_samples_travel_as_they_are(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        values = observer.observations(samples, lengths, facts)[self.name]
        assert equal(values.reshape(7, -1), samples.reshape(7, -1))

    def test_bounds_are_the_tasks_at_each_sample(self, observer: Any, facts: TaskFacts) -> None:
        assert observer.bounds(facts) == facts.bounds * len(observer.steps(facts.horizon))


class TestFinal(SamplingConformance):
    name = "final"

    @pytest.fixture
    def observer(self) -> Final:
        return Final()


class TestCheckpoints(SamplingConformance):
    name = "checkpoints"

    @pytest.fixture(params=[1, 5, 7, 50])
    def observer(self, request: pytest.FixtureRequest) -> Checkpoints:
        return Checkpoints(request.param)


class TestPath(SamplingConformance):
    name = "path"

    @pytest.fixture(params=[1, 7, 20, 5000])
    def observer(self, request: pytest.FixtureRequest) -> Path:
        return Path(request.param)


@given(samples=st.integers(1, 100), steps_each=st.floats(1, 30))
def test_checkpoints_are_those_of_the_stax_code(samples: int, steps_each: float) -> None:
    """o at indices int(linspace(0, n - 1, s + 1))[1:] of a path of n = horizon + 1 states."""
    horizon = int(samples * steps_each)
    expected = [int(x) for x in np.linspace(0, horizon, samples + 1)][1:]
    assert Checkpoints(samples).steps(horizon).tolist() == expected


@given(samples=st.integers(1, 100), horizon=st.integers(1, 100))
def test_checkpoints_ascend_or_are_refused(samples: int, horizon: int) -> None:
    try:
        steps = Checkpoints(samples).steps(horizon)
    except ConfigError:
        assert samples > horizon
    else:
        assert steps[0] > 0
        assert (np.diff(steps) > 0).all()


@given(stride=st.integers(1, 100), horizon=horizons)
def test_a_path_has_every_stride_and_the_end(stride: int, horizon: int) -> None:
    expected = sorted({*range(0, horizon, stride), horizon})
    assert Path(stride).steps(horizon).tolist() == expected

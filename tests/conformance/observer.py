"""What every observer must do."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from tests.conformance.making import equal

HORIZONS = [50, 100, 500, 2000]


class ObserverConformance:
    """Subclass in the observer's own test module; say how it is built, and its name in a config."""

    name: str

    @pytest.fixture
    def observer(self) -> Any:
        raise NotImplementedError

    @pytest.fixture(params=HORIZONS)
    def horizon(self, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    @pytest.fixture
    def samples(self, observer: Any, horizon: int) -> Any:
        """(7, S, 3) measures as a rollout hands them over."""
        shape = (7, len(observer.steps(horizon)), 3)
        return np.random.default_rng(0).random(shape).astype(np.float32)

    def test_samples_at_ascending_steps_of_the_episode(self, observer: Any, horizon: int) -> None:
        steps = observer.steps(horizon)
        assert len(steps) > 0
        assert (np.diff(steps) > 0).all()
        assert 0 <= steps[0] <= steps[-1] <= horizon

    def test_the_plan_is_always_the_same(self, observer: Any, horizon: int) -> None:
        assert equal(observer.steps(horizon), observer.steps(horizon))

    def test_what_travels_is_what_the_config_calls_it(self, observer: Any, samples: Any) -> None:
        assert self.name in observer.observations(samples)

    def test_what_travels_has_a_number_per_sample_and_measure(
        self, observer: Any, samples: Any
    ) -> None:
        values = observer.observations(samples)[self.name]
        assert values.reshape(7, -1).shape == (7, samples[0].size)

    @pytest.mark.parametrize("rows", [[], [4], [6, 1, 1]])
    def test_a_row_does_not_depend_on_the_rows_around_it(
        self, observer: Any, samples: Any, rows: list[int]
    ) -> None:
        at = np.array(rows, np.int64)
        whole = observer.observations(samples)
        assert equal(dict(observer.observations(samples[at])), {k: v[at] for k, v in whole.items()})

    def test_samples_are_left_alone(self, observer: Any, samples: Any) -> None:
        before = samples.copy()
        observer.observations(samples)
        assert equal(samples, before)

    def test_travels_to_other_processes(self, observer: Any, horizon: int) -> None:
        again = pickle.loads(pickle.dumps(observer))
        assert again == observer
        assert hash(again) == hash(observer)
        assert equal(again.steps(horizon), observer.steps(horizon))

"""What every observer must do."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from qdx.core.task_facts import TaskFacts
from tests.conformance.making import equal

HORIZONS = [50, 100, 500, 2000]


def facts_of(horizon: int) -> TaskFacts:
    """A task with three measures of different ranges."""
    return TaskFacts(
        name="anywhere",
        summary="",
        observation=("o",),
        action=("a",),
        horizon=horizon,
        measures=("x", "y", "z"),
        bounds=((0.0, 1.0), (-1.0, 1.0), (-3.0, 2.0)),
        bins=(5, 5, 5),
        goals=(),
        hidden=(5, 2),
        source="",
    )


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
    def facts(self, horizon: int) -> TaskFacts:
        return facts_of(horizon)

    @pytest.fixture
    def lengths(self, horizon: int) -> Any:
        """Steps alive: full episodes, short ones and the shortest."""
        return np.array([horizon, 1, horizon // 2, horizon, 7, horizon - 1, 33], np.int32)

    @pytest.fixture
    def samples(self, observer: Any, horizon: int, lengths: Any) -> Any:
        """(7, S, 3) measures as a rollout hands them over: the last state repeats after the end."""
        path = np.random.default_rng(0).random((7, horizon + 1, 3)).astype(np.float32)
        at = np.minimum(observer.steps(horizon), lengths[:, None])
        return np.take_along_axis(path, at[..., None], axis=1)

    def test_samples_at_ascending_steps_of_the_episode(self, observer: Any, horizon: int) -> None:
        steps = observer.steps(horizon)
        assert len(steps) > 0
        assert (np.diff(steps) > 0).all()
        assert 0 <= steps[0] <= steps[-1] <= horizon

    def test_the_plan_is_always_the_same(self, observer: Any, horizon: int) -> None:
        assert equal(observer.steps(horizon), observer.steps(horizon))

    def test_what_travels_is_what_the_config_calls_it(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        assert self.name in observer.observations(samples, lengths, facts)

    def test_has_bounds_for_each_number_that_travels(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        bounds = observer.bounds(facts)
        values = observer.observations(samples, lengths, facts)[self.name]
        assert values.dtype == np.float32
        assert values.reshape(7, -1).shape == (7, len(bounds))
        assert all(low < high for low, high in bounds)

    @pytest.mark.parametrize("rows", [[], [4], [6, 1, 1], [5, 4, 3, 2, 1, 0]])
    def test_a_row_does_not_depend_on_the_rows_around_it(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts, rows: list[int]
    ) -> None:
        at = np.array(rows, np.int64)
        whole = observer.observations(samples, lengths, facts)
        part = observer.observations(samples[at], lengths[at], facts)
        assert equal(dict(part), {k: v[at] for k, v in whole.items()})

    def test_a_failed_row_spoils_no_other(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        others = np.array([0, 1, 2, 4, 5, 6])
        whole = observer.observations(samples, lengths, facts)
        spoilt = samples.copy()
        spoilt[3, len(samples[0]) // 2 :] = np.nan
        part = observer.observations(spoilt, lengths, facts)
        assert equal(
            {k: v[others] for k, v in part.items()}, {k: v[others] for k, v in whole.items()}
        )

    def test_samples_are_left_alone(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        before = samples.copy()
        observer.observations(samples, lengths, facts)
        assert equal(samples, before)

    def test_travels_to_other_processes(self, observer: Any, horizon: int) -> None:
        again = pickle.loads(pickle.dumps(observer))
        assert again == observer
        assert hash(again) == hash(observer)
        assert equal(again.steps(horizon), observer.steps(horizon))

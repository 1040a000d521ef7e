"""The observer of frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.observers.frames import Frames
from tests.conformance.making import equal
from tests.conformance.observer import ObserverConformance, facts_of


class TestFrames(ObserverConformance):
    name = "frames"

    @pytest.fixture(params=[1, 5, 49])
    def observer(self, request: pytest.FixtureRequest) -> Frames:
        return Frames(request.param)

    @pytest.fixture
    def facts(self, horizon: int) -> TaskFacts:
        return replace(facts_of(horizon), sketch=("x", "y", "angle"))

    def test_the_last_frame_is_the_end(self, observer: Any, horizon: int) -> None:
        assert observer.steps(horizon)[-1] == horizon

    def test_frames_that_cannot_be_drawn_again_travel_as_they_are(
        self, observer: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        n = len(observer.steps(facts.horizon))
        frames = np.arange(7 * n * 16 * 16 * 3, dtype=np.uint8).reshape(7, n, 16, 16, 3)
        assert equal(observer.observations(frames, lengths, facts)["frames"], frames)


@given(samples=st.integers(1, 60), horizon=st.integers(1, 3000))
def test_frames_are_those_of_the_stax_code(samples: int, horizon: int) -> None:
    """Rendered after step t where t is in ceil(linspace(0, T - 1, s + 1))[1:], t counted from 0."""
    if samples > max(horizon - 1, 1):
        with pytest.raises(ConfigError, match=r"observer\.samples"):
            Frames(samples).steps(horizon)
        return
    wanted = set(np.ceil(np.linspace(0, horizon - 1, samples + 1))[1:].tolist())
    assert Frames(samples).steps(horizon).tolist() == [t + 1 for t in range(horizon) if t in wanted]


def test_a_task_without_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected a task that draws frames, got 'anywhere'"):
        Frames().bounds(facts_of(50))

"""When to learn, and from whom."""

from __future__ import annotations

import numpy as np
import pytest

from qdx.core.records import Records
from qdx.searchers.lessons import LessonParameters, Lessons, pupils
from tests.conformance.making import cloud


def due(n: int, **keys: int) -> list[int]:
    lessons = Lessons(LessonParameters(**keys))
    return [chunk for chunk in range(1, n + 1) if lessons.chunk_over()]


def test_trainings_follow_the_triangular_numbers() -> None:
    assert due(30) == [1, 3, 6, 10, 15, 21, 28]


def test_half_of_500_000_evaluations_hold_as_many_trainings_as_the_papers() -> None:
    """250 chunks of exploration in STAX, 500 in TAXONS."""
    assert len(due(250)) == 21
    assert len(due(500)) == 31


def test_without_growth_trainings_are_regular() -> None:
    assert due(10, interval=3, growth=0) == [3, 6, 9]


@pytest.mark.parametrize("chunks", range(8))
def test_goes_on_from_its_state(chunks: int) -> None:
    whole, cut = Lessons(LessonParameters()), Lessons(LessonParameters())
    for _ in range(chunks):
        whole.chunk_over()
    cut.restore(whole.state())
    assert [whole.chunk_over() for _ in range(9)] == [cut.chunk_over() for _ in range(9)]
    assert whole.state() == cut.state()


def test_pupils_are_taught_once_and_failures_never() -> None:
    records = Records()
    records.add(cloud(10, failed=[3, 4]))
    found = pupils(records, np.array([7, 3, 2]), np.array([2, 4, 9]), np.zeros(0, np.int64))
    assert found.tolist() == [2, 7, 9]
    assert len(pupils(records, np.zeros(0, np.int64))) == 0

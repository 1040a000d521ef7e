"""The running count against one made at the end from everything that happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.task_facts import Goal, TaskFacts
from qdx.core.types import Evaluations, Purpose
from qdx.metrics.tally import Tally
from tests.conformance.making import equal, evaluations, travelled

FACTS = TaskFacts(
    name="square",
    summary="A square.",
    observation=("x",),
    action=("u",),
    horizon=9,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(4, 3),
    goals=(Goal("left", (0.1, 0.5), 0.1), Goal("right", (0.9, 0.5), 0.1)),
    hidden=(5, 2),
    source="this test",
)

rows = st.tuples(
    st.integers(-1, 8),  # eighths of x: below 0 is outside
    st.integers(0, 6),  # sixths of y
    st.sampled_from([0.0, 0.25, 1.0, -2.0]),
    st.integers(-1, 1),  # area
    st.sampled_from(list(Purpose)),
    st.booleans() | st.just(False),
)
Rows = list[tuple[int, int, float, int, Purpose, bool]]
histories = st.lists(st.lists(rows, max_size=8), max_size=5)


def batch_of(given_rows: Rows) -> Evaluations:
    points = np.array([(x / 8, y / 6) for x, y, *_ in given_rows]).reshape(-1, 2)
    failed = [i for i, row in enumerate(given_rows) if row[5]]
    area = np.array([row[3] for row in given_rows], np.int8)
    made = evaluations(points, [row[2] for row in given_rows], failed=failed, area=area)
    purpose = np.array([row[4] for row in given_rows], np.int32)
    return replace(made, genomes=replace(made.genomes, purpose=purpose))


def counted(history: list[Rows]) -> Tally:
    tally = Tally(FACTS)
    for generation in history:
        tally.count(batch_of(generation))
    return tally


def where(row: Any) -> int:
    """Cell of a 4 x 3 grid, -1 outside."""
    x, y = row[0], row[1]
    return -1 if x < 0 else 3 * min(x // 2, 3) + min(y // 2, 2)


def sound(history: list[Rows]) -> Rows:
    """All rows that did not fail."""
    return [row for generation in history for row in generation if not row[5]]


@given(history=histories)
def test_counts_are_those_of_all_evaluations(history: list[Rows]) -> None:
    told, good = counted(history).metrics(), sound(history)
    n = sum(map(len, history))
    assert told["generation"] == len(history)
    assert told["evaluations"] == n
    assert told["failed"] == n - len(good)
    assert told["truth_outside"] == sum(where(row) < 0 for row in good)
    assert told["best_fitness"] == max((row[2] for row in good), default=None)


@given(history=histories)
def test_coverage_is_that_of_all_evaluations(history: list[Rows]) -> None:
    told, good = counted(history).metrics(), sound(history)
    explored = {where(row) for row in good if row[4] == Purpose.SEARCH} - {-1}
    assert told["coverage"] == len(explored) / 12
    assert told["coverage_all"] == len({where(row) for row in good} - {-1}) / 12


@given(history=histories)
def test_qd_score_is_the_sum_of_the_best_of_each_cell(history: list[Rows]) -> None:
    best: dict[int, float] = {}
    for row in sound(history):
        if where(row) >= 0:
            best[where(row)] = max(best.get(where(row), -np.inf), row[2])
    assert counted(history).metrics()["qd_score"] == pytest.approx(sum(best.values()))


@given(history=histories)
def test_rewards_are_counted_by_area(history: list[Rows]) -> None:
    told, good = counted(history).metrics(), sound(history)
    for area in (0, 1):
        rewards = [row[2] for row in good if row[3] == area]
        assert told["rewarded"][area] == len(rewards)
        assert told["best_by_area"][area] == max([0.0, *rewards])


@given(history=histories)
def test_visits_are_counted_by_cell(history: list[Rows]) -> None:
    visits = counted(history).state().arrays["visits_all"]
    cells = [where(row) for row in sound(history)]
    assert visits.tolist() == [cells.count(cell) for cell in range(12)]


@given(history=histories, cut=st.integers(0, 5))
def test_goes_on_from_its_state(history: list[Rows], cut: int) -> None:
    again = Tally(FACTS)
    again.restore(travelled(counted(history[:cut]).state()))
    for generation in history[cut:]:
        again.count(batch_of(generation))
    assert again.metrics() == counted(history).metrics()
    assert equal(again.state(), counted(history).state())


def test_a_state_is_a_photograph() -> None:
    tally = Tally(FACTS)
    photograph = tally.state()
    before = travelled(photograph)
    tally.count(batch_of([(1, 1, 1.0, 0, Purpose.SEARCH, False)]))
    assert equal(photograph, before)


def test_what_was_restored_is_not_shared() -> None:
    tally, again = Tally(FACTS), Tally(FACTS)
    photograph = tally.state()
    again.restore(photograph)
    again.count(batch_of([(1, 1, 1.0, 0, Purpose.SEARCH, False)]))
    assert not photograph.arrays["visits"].any()
    assert tally.evaluations == 0


def test_a_generation_that_failed_is_counted_all_the_same() -> None:
    tally = Tally(FACTS)
    tally.count(batch_of([(1, 1, 1.0, 0, Purpose.SEARCH, True)] * 3))
    assert (tally.generation, tally.evaluations) == (1, 3)
    assert tally.metrics()["best_fitness"] is None

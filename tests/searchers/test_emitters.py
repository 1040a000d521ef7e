"""Emitters: the rules of SERENE, section 3.2, by their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.searchers.emitters import (
    Emitter,
    emitters_of,
    improvement,
    state_of,
    survivors,
)
from qdx.searchers.schedules import Schedule

ROWS = st.lists(
    st.lists(st.integers(0, 9).map(float), min_size=6, max_size=6), min_size=3, max_size=30
)


@given(ROWS)
def test_improvement_is_the_gain_of_the_last_three_steps_over_the_first_three(rows):
    first = [v for row in rows[:3] for v in row]
    last = [v for row in rows[-3:] for v in row]
    assert improvement(rows) == pytest.approx(max(sum(last) / 18 - sum(first) / 18, 0))


@given(st.lists(st.integers(0, 3).map(float), min_size=18, max_size=18))
def test_survivors_are_the_best_and_of_equals_the_oldest(scores):
    ids = np.arange(100, 118)[None]
    kept = survivors(np.array([scores]), ids)[0]
    by_hand = sorted(range(18), key=lambda i: (-scores[i], i))[:6]
    assert kept.tolist() == sorted(by_hand)


def test_emitters_come_back_from_their_arrays():
    rng = np.random.default_rng(0)
    made = [
        Emitter(
            ancestor=i,
            sigma=0.1 * i,
            population=np.arange(6 * min(i, 1)) + i,
            values=rng.random((i, 6)).tolist(),
            n_steps=i,
            most_novel=i,
            buffer=list(range(i)),
        )
        for i in range(4)
    ]
    back = emitters_of(state_of(made))
    for one, other in zip(made, back, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(vars(other)[name], value)


def test_alternation_explores_again_while_there_is_nothing_to_exploit():
    schedule, rng = Schedule("alternating"), np.random.default_rng(0)
    turns = [
        schedule.choose(rng, spent=0.0, can_exploit=c) for c in (False, False, True, True, True)
    ]
    assert turns == ["explore", "explore", "exploit", "explore", "exploit"]


def test_time_sampling_turns_from_exploring_to_exploiting():
    schedule, rng = Schedule("time_sampling"), np.random.default_rng(0)
    for spent in (0.1, 0.9):
        turns = [schedule.choose(rng, spent=spent, can_exploit=True) for _ in range(400)]
        assert turns.count("exploit") / 400 == pytest.approx(spent, abs=0.06)


def test_the_bandit_pulls_the_arm_that_pays():
    schedule, rng = Schedule("bandit"), np.random.default_rng(0)
    turns = []
    for _ in range(200):
        turns.append(schedule.choose(rng, spent=0.0, can_exploit=True))
        schedule.reward(3)  # more candidates than before: exploiting is paid, exploring charged
    assert turns.count("exploit") > 150

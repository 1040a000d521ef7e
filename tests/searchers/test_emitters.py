"""Emitters: the rules of SERENE, section 3.2, by their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.encodings.direct import Direct
from qdx.searchers.emitters import (
    Emitter,
    choose,
    emitters_of,
    improvement,
    state_of,
    survivors,
)
from qdx.searchers.evolution_strategies import EvolutionStrategy
from qdx.searchers.schedules import Schedule
from qdx.searchers.stagnation import Stagnation
from tests.conformance.making import equal, evaluations

ROWS = st.lists(
    st.lists(st.integers(0, 9).map(float), min_size=6, max_size=6), min_size=3, max_size=30
)


@given(ROWS)
def test_improvement_is_the_gain_of_the_last_three_steps_over_the_first_three(rows):
    first = [v for row in rows[:3] for v in row]
    last = [v for row in rows[-3:] for v in row]
    assert improvement(rows[:3], rows) == pytest.approx(max(sum(last) / 18 - sum(first) / 18, 0))


@given(st.lists(st.integers(0, 3).map(float), min_size=18, max_size=18))
def test_survivors_are_the_best_and_of_equals_the_oldest(scores):
    ids = np.arange(100, 118)[None]
    kept = survivors(np.array([scores]), ids)[0]
    by_hand = sorted(range(18), key=lambda i: (-scores[i], i))[:6]
    assert kept.tolist() == sorted(by_hand)


@given(ROWS, st.integers(0, 5))
def test_failed_members_have_no_part_in_the_improvement(rows, n_failed):
    """As if they were not there, whatever 0 would be among the rewards."""
    rows = [[v - 20 for v in row] for row in rows]
    spoilt = [[*row[: 6 - n_failed], *[np.nan] * n_failed] for row in rows]
    there = [row[: 6 - n_failed] for row in rows]
    gain = np.mean(there[-3:]) - np.mean(there[:3])
    assert improvement(spoilt[:3], spoilt) == pytest.approx(max(gain, 0))


@pytest.mark.parametrize("failed", [0, 1])
def test_where_nobody_is_left_to_compare_there_is_no_improvement(failed):
    rows = [[[1.0] * 6] * 3, [[5.0] * 6] * 3]
    rows[failed] = [[np.nan] * 6] * 3
    assert improvement(rows[0], rows[1]) == 0


def test_emitters_come_back_from_their_arrays():
    rng = np.random.default_rng(0)
    made = [
        Emitter(
            ancestor=i,
            sigma=0.1 * i,
            population=np.arange(6 * min(i, 1)) + i,
            reference=rng.random((min(i, 3), 6)).tolist(),
            values=rng.random((i, 6)).tolist(),
            n_steps=i,
            most_novel=i,
            buffer=list(range(i)),
        )
        for i in range(4)
    ]
    for e in made[1:3]:
        e.strategy = strategy(e)
        for step in range(e.ancestor):
            samples = e.strategy.ask(draw(0, "test", step))
            e.strategy.tell(samples[:, :1])
    back = emitters_of(state_of(made), strategy)
    for one, other in zip(made, back, strict=True):
        for name, value in vars(one).items():
            if name == "strategy" and value is not None:
                assert equal(other.strategy.arrays(), value.arrays())
            else:
                np.testing.assert_array_equal(vars(other)[name], value)


def strategy(emitter):
    return EvolutionStrategy(np.ones(3, np.float32), emitter.sigma, Direct(3), population=6)


def settled(rows):
    """An emitter after steps with these rewards, one value a step."""
    records, made = Records(), Emitter(ancestor=0, sigma=1.0)
    for step, value in enumerate(rows):
        batch = evaluations(np.zeros((6, 2)), [value] * 6, first_id=6 * step)
        records.add(batch)
        made.settle(batch.genomes.ids, records, Stagnation("paper", 3, 6))
    return made


def test_an_emitter_remembers_no_reward_of_a_member_that_failed():
    records, made = Records(), Emitter(ancestor=0, sigma=1.0)
    batch = evaluations(np.zeros((6, 2)), [-3.0] * 6, failed=[1, 4])
    records.add(batch)
    made.settle(batch.genomes.ids, records, Stagnation("paper", 3, 6))
    np.testing.assert_array_equal(made.values, [[-3, np.nan, -3, -3, np.nan, -3]])


@pytest.mark.parametrize(("local", "gains"), [(False, (6, 7)), (True, (6, 1))])
def test_improvement_is_measured_from_the_beginning_or_from_the_last_look(local, gains):
    made = settled([1, 1, 1, 5, 7, 9])
    made.look_back(local=local)
    first = made.improvement
    made.values += [[8.0] * 6] * 3
    made.look_back(local=local)
    assert (first, made.improvement) == gains


def test_rewards_of_the_last_window_are_kept_and_the_first_three_as_reference():
    made = settled(range(150))
    assert [row[0] for row in made.values] == list(range(20, 150))  # W = 130
    assert [row[0] for row in made.reference] == [0, 1, 2]


def test_whoever_is_chosen_is_of_the_first_fronts():
    ranks, counts = np.array([2, 0, 1, 0, 0, 1]), np.zeros(6, int)
    for seed in range(300):
        chosen = choose(ranks, 4, np.random.default_rng(seed))
        assert chosen == sorted(set(chosen))
        counts[chosen] += 1
    assert counts[[1, 3, 4]].tolist() == [300] * 3
    assert counts[0] == 0
    assert counts[[2, 5]] == pytest.approx(150, abs=40)
    assert choose(ranks, 9, np.random.default_rng(0)) == list(range(6))


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

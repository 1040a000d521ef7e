"""What every task must do, with its own kind of policy or another, whichever rollout runs it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from qdx.assembly.config import load
from qdx.assembly.tables import resolve, row
from qdx.core.types import Genomes, Outcomes, take
from qdx.observers.sampling import Path
from tests.conformance.making import equal, genomes


class Played:
    """Episodes of a task, run once."""

    def __init__(self, task: Any, build: Callable[..., Any], n: int, policy: str) -> None:
        self.task, self.n = task, n
        section = {"kind": policy or task.facts.policy}
        named = {"task": "point", "policy": section, "searcher": "random_search", "budget": 1}
        parameters = load(named).policy.parameters
        self.policy = resolve(row("policy", section["kind"]).build)(parameters, task.facts)
        self.observer = Path(max(1, task.facts.horizon // 10))
        self.rollout = build(task, self.policy, self.observer)

    @cached_property
    def genomes(self) -> Genomes:
        """Genes of the papers' size, so that policies differ much."""
        batch = genomes(self.n, n_genes=self.policy.n_genes)
        rng = np.random.default_rng(0)
        batch.genes[:] = np.clip(2 * rng.standard_normal(batch.genes.shape), -5, 5)
        return batch

    @cached_property
    def outcomes(self) -> Outcomes:
        """What came of them."""
        return self.rollout(self.genomes)


PLAYED: dict[str, Played] = {}


class TaskConformance:
    """Subclass and say how the task is built; the subclasses beside this one say what runs it.

    Attributes:
        n_episodes: Episodes that are run.
        policy: Kind of policy; empty for the task's own.
        different: Share of episodes whose ends differ, at least.
        spread: How far from the scenery's start episodes may begin, in units of the measures.
        is_sparse: Reward comes from goals alone.
        is_bounded: Measures never leave their bounds.
        has_ceiling: Geometry says how much can be covered.
    """

    n_episodes = 200
    policy = ""
    different = 0.25
    spread = 1e-6
    is_sparse = True
    is_bounded = True
    has_ceiling = True

    @pytest.fixture
    def task(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def build(self) -> Callable[..., Any]:
        """The rollout's class, called with task, policy and observer."""
        raise NotImplementedError

    @pytest.fixture
    def played(self, task: Any, build: Callable[..., Any]) -> Played:
        """The episodes of a task, the same for all tests."""
        key = f"{build} {task!r} {self.n_episodes} {self.policy}"
        if key not in PLAYED:
            PLAYED[key] = Played(task, build, self.n_episodes, self.policy)
        return PLAYED[key]

    def test_axes_have_one_name_each(self, task: Any) -> None:
        facts = task.facts
        for names in (facts.observation, facts.action, facts.measures):
            assert len(set(names)) == len(names) > 0

    def test_every_measure_has_bounds_and_bins(self, task: Any) -> None:
        facts = task.facts
        assert len(facts.bounds) == len(facts.bins) == len(facts.measures)
        assert all(low < high for low, high in facts.bounds)
        assert all(bins >= 1 for bins in facts.bins)
        assert equal(np.stack([facts.low, facts.high], 1), np.array(facts.bounds, np.float32))

    def test_says_what_it_is_and_where_it_comes_from(self, task: Any) -> None:
        assert task.facts.summary.endswith(".")
        assert task.facts.source
        assert task.facts.horizon >= 1

    def test_goals_have_names_and_reach_into_the_bounds(self, task: Any) -> None:
        facts = task.facts
        assert len({goal.name for goal in facts.goals}) == len(facts.goals) <= 127  # int8
        for goal in facts.goals:
            assert goal.radius > 0
            beyond = np.clip(goal.centre, facts.low, facts.high) - goal.centre
            assert np.linalg.norm(beyond) < goal.radius

    def test_the_ceiling_is_a_share(self, task: Any) -> None:
        ceiling = task.ceiling()
        if not self.has_ceiling:
            assert ceiling is None
            return
        assert 0 < ceiling.coverage <= 1
        assert ceiling.method

    def test_episodes_start_where_the_scenery_says(self, task: Any, played: Played) -> None:
        starts, start = played.outcomes.observations["path"][:, 0], task.scenery().start
        if start is not None:
            np.testing.assert_allclose(starts, np.tile(start, (played.n, 1)), atol=self.spread)

    def test_the_start_is_not_inside_a_wall(self, task: Any) -> None:
        scenery = task.scenery()
        if scenery.walls is not None and scenery.start is not None:
            low, high = np.array(scenery.view or task.facts.bounds).T
            share = (np.array(scenery.start) - low) / (high - low)
            column, row = (share * scenery.walls.shape[::-1]).astype(int)
            assert not scenery.walls[row, column]

    def test_a_picture_shows_the_whole_coverage_grid(self, task: Any) -> None:
        low, high = np.array(task.scenery().view or task.facts.bounds).T
        assert (low <= np.array(task.facts.bounds)[:, 0]).all()
        assert (high >= np.array(task.facts.bounds)[:, 1]).all()

    def test_results_are_finite(self, played: Played) -> None:
        outcomes = played.outcomes
        assert not outcomes.failed.any()
        assert set(outcomes.reason.tolist()) == {""}
        for values in (outcomes.fitness, outcomes.truth, outcomes.observations["path"]):
            assert np.isfinite(values).all()

    def test_policies_lead_to_different_ends(self, played: Played) -> None:
        assert len(np.unique(played.outcomes.truth, axis=0)) > self.different * played.n

    def test_measures_are_inside_the_bounds(self, task: Any, played: Played) -> None:
        if not self.is_bounded:
            pytest.skip("they may leave")
        path = played.outcomes.observations["path"]
        assert (path >= task.facts.low).all()
        assert (path <= task.facts.high).all()

    def test_the_truth_is_the_last_sample(self, played: Played) -> None:
        outcomes = played.outcomes
        assert equal(outcomes.truth, outcomes.observations["path"][:, -1])

    def test_episodes_last_no_longer_than_the_horizon(self, task: Any, played: Played) -> None:
        assert (played.outcomes.length >= 1).all()
        assert (played.outcomes.length <= task.facts.horizon).all()

    def test_rewards_belong_to_goals(self, task: Any, played: Played) -> None:
        area, fitness = played.outcomes.reward_area, played.outcomes.fitness
        assert ((area >= -1) & (area < len(task.facts.goals))).all()
        if self.is_sparse:
            assert (fitness[area < 0] == 0).all()
            assert (fitness[area >= 0] >= 0).all()

    @pytest.mark.parametrize("rows", ["alone", "seven", "again", "shuffled"])
    def test_bits_do_not_depend_on_the_batch(self, played: Played, rows: str) -> None:
        n = played.n
        at = {
            "alone": np.array([0]),
            "seven": np.arange(n // 2, n // 2 + 7),
            "again": np.arange(n),
            "shuffled": np.random.default_rng(3).permutation(n),
        }[rows]
        assert equal(played.rollout(take(played.genomes, at)), take(played.outcomes, at))

    def test_no_genomes_have_no_outcomes(self, played: Played) -> None:
        assert len(played.rollout(take(played.genomes, np.zeros(0, np.int64)))) == 0

    def test_a_rollout_travels_to_other_processes(self, played: Played) -> None:
        again = pickle.loads(pickle.dumps(played.rollout))
        some = take(played.genomes, np.arange(5))
        assert again == played.rollout
        assert equal(again(some), take(played.outcomes, np.arange(5)))

    def test_a_genome_that_is_not_finite_fails_alone(self, played: Played) -> None:
        some = take(played.genomes, np.arange(5))
        some.genes[2, -1] = np.nan
        outcomes, others = played.rollout(some), np.array([0, 1, 3, 4])
        assert outcomes.failed.tolist() == [False, False, True, False, False]
        assert np.isnan(outcomes.fitness[2])
        assert outcomes.reason[2] != ""
        assert equal(take(outcomes, others), take(played.outcomes, others))

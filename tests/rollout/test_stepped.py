"""Stepped rollouts: the plan of an episode, failures that are values, threads side by side."""

from dataclasses import dataclass, field, replace
from threading import Barrier
from typing import ClassVar

import numpy as np
import pytest

from qdx.api import evaluate
from qdx.assembly.config import load
from qdx.assembly.parts import build, build_rollout
from qdx.core.errors import ConfigError, ShapeError
from qdx.core.task_facts import Scenery
from qdx.core.types import Genomes, take
from qdx.executors.local import Local, LocalParameters
from qdx.observers.sampling import Checkpoints, Final, Path
from qdx.policies.mlp import Mlp
from qdx.rollout.fused import FusedRollout
from qdx.rollout.stepped import SteppedRollout
from qdx.tasks import point
from qdx.tasks.stepped import Finish, SteppedTask
from tests.conformance.executor import PATIENCE_S, results
from tests.conformance.making import equal

HORIZON = 8
FACTS = replace(point.FACTS, name="walk", horizon=HORIZON, goals=())


@dataclass(frozen=True)
class Walk:
    """x ← x + 0.05 u; the y measure counts steps. `ends` and `fails` say when rows do."""

    libraries: ClassVar = ("numpy",)
    facts = FACTS
    ends: dict = field(default_factory=dict)
    fails: dict = field(default_factory=dict)
    meet: Barrier | None = None
    log: list = field(default_factory=list)

    def open(self, n, *, frame_size=0):
        self.log.append(f"open {n}")
        return WalkWorlds(self, n)

    def ceiling(self):
        return None

    def scenery(self):
        return Scenery(None, (0.0, 0.0))


class WalkWorlds:
    def __init__(self, task, n):
        self.task, self.at = task, np.zeros((n, 2), np.float32)
        self.reason = np.full(n, "", object)

    def reset(self, seeds):
        self.task.log.append(seeds.tolist())
        return self._fail(np.arange(len(seeds)), 0)

    def _fail(self, rows, t):
        failed = np.array([self.task.fails.get(row) == t for row in rows.tolist()])
        self.reason[rows[failed]] = "stumbled"
        return failed

    def observe(self, rows):
        return self.at[rows]

    def step(self, rows, actions):
        if self.task.meet is not None:
            self.task.meet.wait(PATIENCE_S)
        self.at[rows, 0] += np.float32(0.05) * actions[:, 0]
        self.at[rows, 1] += 1
        t = int(self.at[rows[0], 1])
        ended = np.array([self.task.ends.get(row) == t for row in rows.tolist()])
        return ended | self._fail(rows, t)

    def measure(self):
        return self.at.copy()

    def finish(self):
        return Finish(self.at[:, 0].copy(), np.full(len(self.at), -1), self.reason)

    def close(self):
        self.task.log.append("close")


def batch(n=5):
    rng = np.random.default_rng(0)
    zeros = np.zeros(n, np.int32)
    genes = rng.standard_normal((n, 48)).astype(np.float32)
    return Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)


def run(task, genomes=None, observer=None, seed=0):
    genomes = batch() if genomes is None else genomes
    return SteppedRollout(task, Mlp(2, 2), observer or Path(stride=1), seed)(genomes)


def test_a_walk_is_a_stepped_task_and_a_point_is_not():
    assert isinstance(Walk(), SteppedTask)
    assert not isinstance(point.Point(), SteppedTask)


def test_all_steps_are_taken_and_sampled():
    outcomes = run(Walk())
    assert (outcomes.length == HORIZON).all()
    counted = outcomes.observations["path"][..., 1]
    np.testing.assert_array_equal(counted, np.tile(np.arange(HORIZON + 1), (5, 1)))
    np.testing.assert_array_equal(outcomes.observations["path"][:, -1], outcomes.truth)
    np.testing.assert_array_equal(outcomes.fitness, outcomes.truth[:, 0])


def test_an_early_end_repeats_the_last_state():
    outcomes = run(Walk(ends={1: 3, 4: 8, 0: 1}))
    assert outcomes.length.tolist() == [1, 3, 8, 8, 8]
    assert outcomes.observations["path"][1, :, 1].tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3]
    assert not outcomes.failed.any()


def test_an_end_of_all_ends_the_rollout():
    outcomes = run(Walk(ends=dict.fromkeys(range(5), 2)))
    assert outcomes.length.tolist() == [2] * 5
    assert outcomes.observations["path"][0, :, 1].tolist() == [0, 1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("observer", [Final(), Checkpoints(samples=4), Path(stride=3)])
@pytest.mark.parametrize("ends", [{}, {1: 3, 2: 4, 3: 6}])
def test_observers_see_the_steps_they_ask_for(observer, ends):
    every = run(Walk(ends=ends)).observations["path"]
    (values,) = run(Walk(ends=ends), observer=observer).observations.values()
    expected = every[:, observer.steps(HORIZON)]
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)


@pytest.mark.parametrize("t", [0, 1, 5, 8])
def test_a_world_that_fails_is_a_value_and_takes_no_other_with_it(t):
    outcomes, sound = run(Walk(fails={2: t})), run(Walk())
    others = np.array([0, 1, 3, 4])
    assert outcomes.failed.tolist() == [False, False, True, False, False]
    assert outcomes.reason[2] == "stumbled"
    assert np.isnan(outcomes.fitness[2])
    assert np.isnan(outcomes.truth[2]).all()
    assert outcomes.length[2] == t
    assert equal(take(outcomes, others), take(sound, others))


def test_all_may_fail_at_the_start():
    outcomes = run(Walk(fails=dict.fromkeys(range(5), 0)))
    assert outcomes.failed.all()
    assert (outcomes.length == 0).all()


def test_genes_that_are_not_finite_open_no_world():
    genomes, task = batch(), Walk()
    genomes.genes[[0, 3], 7] = np.nan, np.inf
    outcomes = run(task, genomes)
    assert outcomes.failed.tolist() == [True, False, False, True, False]
    assert outcomes.reason[0] == "genes are not finite"
    assert task.log[0] == "open 3"
    genomes.genes[:] = np.nan
    assert run(task, genomes).failed.all()


def test_worlds_are_closed_also_after_errors():
    class Broken(WalkWorlds):
        def step(self, rows, actions):
            raise ZeroDivisionError

    class BrokenWalk(Walk):
        def open(self, n, *, frame_size=0):
            return Broken(self, n)

    task = BrokenWalk()
    with pytest.raises(ZeroDivisionError):
        run(task)
    assert task.log[-1] == "close"


def test_episodes_are_reset_with_the_seed_of_the_campaign():
    task = Walk()
    run(task, seed=7)
    assert task.log[1] == [7] * 5


def test_genes_of_the_wrong_length_are_refused():
    genomes = batch()
    wrong = replace(genomes, genes=genomes.genes[:, 1:])
    with pytest.raises(ShapeError, match=r"expected \(B, 48\)"):
        run(Walk(), wrong)


def test_shards_are_stepped_side_by_side():
    """Each step waits for the other shard's: one after the other, this would not end."""
    task = Walk(meet=Barrier(2))
    executor = Local(LocalParameters(threads=2, shard=5))
    rollout = SteppedRollout(task, Mlp(2, 2), Final())
    ticket = executor.submit(rollout, batch(10))
    outcomes = results(executor, ticket)[ticket]
    executor.close()
    assert equal(outcomes, SteppedRollout(Walk(), Mlp(2, 2), Final())(batch(10)))


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "gpu"])
@pytest.mark.parametrize("task", ["ant_maze", "gymnasium:CartPole-v1"])
def test_a_gpu_is_refused_in_one_line(task, device):
    executor = {"kind": "local", "device": device}
    config = load({"task": task, "budget": 1, "searcher": "random_search", "executor": executor})
    line = rf"^executor\.device: expected cpu, for {task} is stepped there, got '{device}'\.$"
    with pytest.raises(ConfigError, match=line):
        build(config)
    with pytest.raises(ConfigError, match=line):
        build_rollout(config, config.observer.parameters)


def test_the_task_says_which_rollout_runs_it():
    for task, kind in (("point", FusedRollout), ("gymnasium:CartPole-v1", SteppedRollout)):
        config = load({"task": task, "budget": 1, "searcher": "random_search", "seed": 3})
        rollout = build_rollout(config, Final())
        assert isinstance(rollout, kind)
        assert rollout.seed == 3


def test_evaluate_refuses_a_device_that_cannot_be():
    with pytest.raises(ConfigError, match=r"executor\.device: expected cpu"):
        evaluate("ant_maze", np.zeros((1, 574), np.float32), device="cuda")


def test_an_observer_of_frames_is_refused():
    genes = np.zeros((1, 574), np.float32)
    with pytest.raises(ConfigError, match=r"observer\.kind: expected a task that draws frames"):
        evaluate("ant_maze", genes, observer="frames")


def test_a_policy_that_only_kernels_have_is_refused():
    raw = {"task": "ant_maze", "policy": "dmp", "budget": 1, "searcher": "random_search"}
    with pytest.raises(ConfigError, match=r"policy\.kind: expected mlp or a network, for ant_maze"):
        build(load(raw))

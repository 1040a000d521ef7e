"""Every stepped task against its interface; what each world does is tested in tests/tasks."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from qdx.assembly.config import load
from qdx.assembly.parts import build_task
from qdx.assembly.tables import TASK_FAMILIES, TASKS
from qdx.core.types import take
from qdx.rollout.stepped import SteppedRollout
from qdx.tasks.ant_maze import AntMaze
from qdx.tasks.stepped import SteppedTask
from tests.conformance import test_fused_tasks_conform as fused
from tests.conformance import test_slot_tasks_conform as slotted
from tests.conformance.making import equal
from tests.conformance.task import Played, TaskConformance


class SteppedTaskConformance(TaskConformance):
    n_episodes = 40
    spread = np.inf

    @pytest.fixture
    def build(self) -> Callable[..., Any]:
        return SteppedRollout

    def test_is_a_stepped_task(self, task: Any) -> None:
        assert isinstance(task, SteppedTask)

    def test_names_installed_libraries_its_outcomes_depend_on(self, task: Any) -> None:
        assert version(task.libraries[0])

    def test_travels_to_other_processes(self, task: Any) -> None:
        again = pickle.loads(pickle.dumps(task))
        assert again == task
        assert again.facts == task.facts

    def test_no_worlds_can_be_opened(self, task: Any) -> None:
        task.open(0).close()

    def test_threads_do_not_change_a_bit(self, played: Played) -> None:
        halves = [np.arange(played.n // 2), np.arange(played.n // 2, played.n)]
        with ThreadPoolExecutor(2) as pool:
            there = list(pool.map(played.rollout, [take(played.genomes, at) for at in halves]))
        for at, outcomes in zip(halves, there, strict=True):
            assert equal(outcomes, take(played.outcomes, at))

    def test_worlds_that_stand_still_are_left_alone(self, task: Any) -> None:
        n_acts = len(task.facts.action)
        actions = np.random.default_rng(0).uniform(-1, 1, (5, 3, n_acts)).astype(np.float32)
        both, one = task.open(3), task.open(3)
        for worlds in (both, one):
            assert not worlds.reset(np.full(3, 7)).any()
        before = one.measure()
        for action in actions:
            both.step(np.array([0, 1, 2]), action)
            one.step(np.array([1]), action[1:2])
        rows = np.array([1])
        assert equal(one.measure()[[0, 2]], before[[0, 2]])
        assert equal(one.measure()[1], both.measure()[1])
        assert equal(one.observe(rows), both.observe(rows))
        both.close()
        one.close()

    def test_equal_seeds_begin_equally(self, task: Any) -> None:
        worlds, rows = task.open(3), np.arange(3)
        worlds.reset(np.array([5, 6, 5]))
        sights = worlds.observe(rows)
        worlds.close()
        assert sights.dtype == np.float32
        assert sights.shape == (3, len(task.facts.observation))
        assert equal(sights[0], sights[2])


class TestAntMaze(SteppedTaskConformance):
    spread = 0.1 / 70 + 1e-6

    @pytest.fixture
    def task(self) -> AntMaze:
        return AntMaze(horizon=20)


class Gymnasium(SteppedTaskConformance):
    is_sparse = False
    has_ceiling = False
    section: Any

    @pytest.fixture
    def task(self) -> Any:
        raw = {"budget": 1, "searcher": "random_search", "task": self.section}
        return build_task(load(raw))


class TestCartPole(Gymnasium):
    section = {"kind": "gymnasium:CartPole-v1", "horizon": 60, "episode_seed": "per_genome"}


class TestMountainCar(Gymnasium):
    section = {
        "kind": "gymnasium:MountainCarContinuous-v0",
        "horizon": 50,
        "goals": [{"name": "left", "centre": [-0.6, 0], "radius": 0.1}],
    }


class TestFrozenLake(Gymnasium):
    n_episodes = 20
    different = 0.15  # there are 16 places
    section = {
        "kind": "gymnasium:FrozenLake-v1",
        "episode_seed": "per_genome",
        "bins": 16,
        "horizon": 12,
    }


class TestHopper(Gymnasium):
    is_bounded = False
    n_episodes = 20
    section = {
        "kind": "gymnasium:Hopper-v5",
        "horizon": 30,
        "descriptor": ["x_position", 0],
        "bounds": [[-1, 1], [0, 2]],
        "kwargs": {"frame_skip": 2},
    }


def test_no_task_of_the_tables_is_left_out() -> None:
    tested = {kind.section["kind"].partition(":")[0] for kind in Gymnasium.__subclasses__()}
    assert tested == set(TASK_FAMILIES)
    classes = [
        *fused.FusedTaskConformance.__subclasses__(),
        *SteppedTaskConformance.__subclasses__(),
        *slotted.SlotTaskConformance.__subclasses__(),
    ]
    names = {row.parameters.partition(":")[2] for row in TASKS.values()}
    assert {f"Test{name}" for name in names} <= {c.__name__ for c in classes}

"""Every fused task against its interface; what each world does is tested in tests/tasks."""

from __future__ import annotations

import pytest

from qdx.assembly.tables import TASKS
from qdx.tasks.billiard import Billiard
from qdx.tasks.collect_ball import CollectBall
from qdx.tasks.curling import Curling
from qdx.tasks.hard_maze import HardMaze
from qdx.tasks.point import Point
from qdx.tasks.redundant_arm import RedundantArm
from tests.conformance.task import TaskConformance


class TestHardMaze(TaskConformance):
    @pytest.fixture
    def task(self) -> HardMaze:
        return HardMaze()


class TestPoint(TaskConformance):
    @pytest.fixture
    def task(self) -> Point:
        return Point()


class TestRedundantArm(TaskConformance):
    @pytest.fixture(params=["end", "stop"])
    def task(self, request: pytest.FixtureRequest) -> RedundantArm:
        return RedundantArm(request.param)


class TestCurling(TaskConformance):
    @pytest.fixture
    def task(self) -> Curling:
        return Curling()


class TestBilliard(TaskConformance):
    @pytest.fixture
    def task(self) -> Billiard:
        return Billiard()


class TestBilliardWithTheController(TestBilliard):
    policy = "mlp"


class TestCollectBall(TaskConformance):
    @pytest.fixture
    def task(self) -> CollectBall:
        return CollectBall()


def test_no_task_of_the_tables_is_left_out() -> None:
    named = {"hard_maze", "curling", "billiard", "redundant_arm", "collect_ball", "point"}
    assert TASKS.keys() == named

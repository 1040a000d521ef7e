"""Every fused task against its interface; what each world does is tested in tests/tasks."""

from __future__ import annotations

import pytest

from qdx.assembly.tables import TASKS
from qdx.tasks.hard_maze import HardMaze
from qdx.tasks.point import Point
from tests.conformance.task import TaskConformance


class TestHardMaze(TaskConformance):
    @pytest.fixture
    def task(self) -> HardMaze:
        return HardMaze()


class TestPoint(TaskConformance):
    @pytest.fixture
    def task(self) -> Point:
        return Point()


def test_no_task_of_the_tables_is_left_out() -> None:
    assert TASKS.keys() == {"hard_maze", "point"}

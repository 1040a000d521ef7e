"""Every fused task against its interface; what each world does is tested in tests/tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qdx.rollout.fused import FusedRollout
from qdx.tasks.billiard import Billiard
from qdx.tasks.collect_ball import CollectBall
from qdx.tasks.curling import Curling
from qdx.tasks.hard_maze import HardMaze
from qdx.tasks.image_maze import ImageMaze
from qdx.tasks.point import Point
from qdx.tasks.redundant_arm import RedundantArm
from qdx.tasks.sensor_maze import SensorMaze
from tests.conformance.task import TaskConformance


class FusedTaskConformance(TaskConformance):
    @pytest.fixture
    def build(self) -> Callable[..., Any]:
        return FusedRollout


class TestHardMaze(FusedTaskConformance):
    @pytest.fixture
    def task(self) -> HardMaze:
        return HardMaze()


class TestPoint(FusedTaskConformance):
    @pytest.fixture
    def task(self) -> Point:
        return Point()


class TestRedundantArm(FusedTaskConformance):
    @pytest.fixture(params=["end", "stop"])
    def task(self, request: pytest.FixtureRequest) -> RedundantArm:
        return RedundantArm(request.param)


class TestCurling(FusedTaskConformance):
    @pytest.fixture
    def task(self) -> Curling:
        return Curling()


class TestBilliard(FusedTaskConformance):
    different = 0.12  # open-loop policies often saturate

    @pytest.fixture
    def task(self) -> Billiard:
        return Billiard()


class TestBilliardWithTheController(TestBilliard):
    policy = "mlp"


class TestCollectBall(FusedTaskConformance):
    @pytest.fixture
    def task(self) -> CollectBall:
        return CollectBall()


class TestSensorMaze(FusedTaskConformance):
    is_sparse = False

    @pytest.fixture
    def task(self) -> Any:
        return SensorMaze()


class TestImageMaze(FusedTaskConformance):
    is_sparse = False
    policy = "mlp"  # with the sensors; frames are in tests/rollout/test_networks.py

    @pytest.fixture
    def task(self) -> Any:
        return ImageMaze("smallest")


class TestReducedImageMaze(FusedTaskConformance):
    is_sparse = False
    policy = "mlp"

    @pytest.fixture
    def task(self) -> Any:
        return ImageMaze(side=42, held=4)

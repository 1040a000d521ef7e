"""Every task that steps all its worlds at once, driven by networks, against its interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qdx.rollout.networks import NetworkRollout
from qdx.tasks.atari import Atari
from tests.conformance.task import TaskConformance


class SlotTaskConformance(TaskConformance):
    n_episodes = 14
    policy = "dqn_small"
    is_sparse = False
    has_ceiling = False
    is_bounded = False

    @pytest.fixture
    def build(self) -> Callable[..., Any]:
        return NetworkRollout


class TestAtari(SlotTaskConformance):
    different = 0  # nobody scores in so few actions; tests/tasks/test_atari.py plays longer

    @pytest.fixture
    def task(self) -> Atari:
        return Atari("skiing", cap=10, protocol="modern", scores=(-1000.0, 0.0))

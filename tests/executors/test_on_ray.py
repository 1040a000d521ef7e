"""The executor on Ray: conformance, the same run as elsewhere, and an actor that is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray

from qdx.campaign.campaign import Campaign
from qdx.executors.dispatch import Dispatcher
from qdx.executors.on_ray import RayEngine, on_ray
from qdx.executors.parameters import RayParameters
from tests.campaign import striking
from tests.campaign.striking import Strike, strikes
from tests.campaign.test_clusters import STRUCK, befell, config, digests, whole
from tests.conformance.executor import PATIENCE_S, ExecutorConformance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runtime() -> Iterator[None]:
    """Ray on this machine, which executors find running and leave so."""
    ray.init(**RayEngine(RayParameters(workers=8))._cluster(), log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def shared(runtime: None) -> Iterator[Dispatcher]:
    """One executor for all tests of the class, for an actor takes seconds to start."""
    executor = on_ray(RayParameters(workers=2, shard=3))
    yield executor
    executor.close()


class TestOnRay(ExecutorConformance):
    @pytest.fixture
    def build(self, runtime: None) -> Callable[[], Dispatcher]:
        return partial(on_ray, RayParameters(workers=2, shard=3))

    @pytest.fixture
    def executor(self, shared: Dispatcher) -> Dispatcher:
        while shared.progress() != (0, 0):  # what the test before did not collect
            shared.collect(PATIENCE_S)
        shared.report()
        return shared


RAY = {"kind": "ray", "workers": 2, "shard": 20}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    return whole({"kind": "local", "threads": 1}, tmp_path_factory.mktemp("calm") / "run")


def test_two_actors_give_the_same_run(tmp_path: Path, calm: Any, runtime: None) -> None:
    assert whole(RAY, tmp_path / "run") == calm
    assert befell(tmp_path / "run") == {}


def test_an_actor_that_dies_changes_no_bit(tmp_path: Path, calm: Any, runtime: None) -> None:
    with Campaign(config(RAY), tmp_path / "run") as campaign:
        rollout = campaign.rollout
        campaign.rollout = Strike(rollout, STRUCK, striking.kill_itself, tmp_path)
        campaign.run()
    assert len(strikes(tmp_path)) == 1
    assert befell(tmp_path / "run")["lost"] >= 1
    assert digests(tmp_path / "run") == calm

"""The executor on Ray: the conformance class over one runtime that all tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
import ray

from qdx.executors.dispatch import Dispatcher
from qdx.executors.on_ray import RayEngine, on_ray
from qdx.executors.parameters import RayParameters
from tests.conformance.executor import ExecutorConformance

pytestmark = [
    pytest.mark.slow,
    # Ray leaves pipes and sockets of its processes to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def runtime() -> Iterator[None]:
    """Ray on this machine; executors find it running and leave it so."""
    ray.init(**RayEngine(RayParameters(workers=2))._cluster(), log_to_driver=False)
    yield
    ray.shutdown()


class TestOnRay(ExecutorConformance):
    @pytest.fixture(params=[0, 3], ids=lambda s: f"shards of {s}")
    def build(self, request: pytest.FixtureRequest, runtime: None) -> Callable[[], Dispatcher]:
        return partial(on_ray, RayParameters(workers=1, shard=request.param))

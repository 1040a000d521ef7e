"""The executor on Dask: the conformance class, clusters of every kind, pinning to GPUs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from qdx.executors.clusters import make_cluster
from qdx.executors.dispatch import Dispatcher
from qdx.executors.on_dask import on_dask
from qdx.executors.parameters import DaskParameters
from tests.conformance.executor import ExecutorConformance

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers that all tests of this module share."""
    made, _ = make_cluster(DaskParameters(workers=2))
    yield made
    made.close()


class TestOnDask(ExecutorConformance):
    @pytest.fixture(params=[0, 3, 20], ids=lambda s: f"shards of {s}")
    def build(self, request: pytest.FixtureRequest, cluster: Any) -> Callable[[], Dispatcher]:
        parameters = DaskParameters(address=cluster.scheduler_address, shard=request.param)
        return partial(on_dask, parameters)

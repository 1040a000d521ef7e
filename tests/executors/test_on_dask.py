"""The executor on Dask: the conformance class, clusters of every kind, pinning to GPUs."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
import torch

from qdx.core.errors import ConfigError, RolloutError
from qdx.executors import clusters, lifeline
from qdx.executors.clusters import connect, make_cluster, shards_ask, worker_specs
from qdx.executors.dispatch import Dispatcher
from qdx.executors.machine import gpus_for, visible_gpus
from qdx.executors.on_dask import DaskEngine, on_dask
from qdx.executors.parameters import DaskParameters
from tests.campaign.processes import waiting
from tests.conformance.executor import Echo, ExecutorConformance
from tests.conformance.making import genomes


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


def pinned(specs: dict[str, Any]) -> list[str]:
    return [spec["options"]["env"]["CUDA_VISIBLE_DEVICES"] for spec in specs.values()]


def test_each_gpu_has_one_worker_which_sees_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5ebe9f43,7")
    specs = worker_specs(DaskParameters(device="cuda"), {})
    assert pinned(specs) == ["3", "GPU-5ebe9f43", "7"]
    for spec in specs.values():
        assert spec["options"]["nthreads"] == 1
        assert spec["options"]["resources"] == {"GPU": 1.0}
        assert spec["options"]["env"]["OMP_NUM_THREADS"] == "1"
    assert pinned(worker_specs(DaskParameters(device="cuda", workers=2), {})) == [
        "3",
        "GPU-5ebe9f43",
    ]


@pytest.mark.parametrize(
    ("listed", "gpus"),
    [("", []), ("-1", []), ("0", ["0"]), ("0,-1,1", ["0"]), ("2, MIG-a", ["2", "MIG-a"])],
)
def test_gpus_are_listed_as_cuda_lists_them(listed: str, gpus: list[str]) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": listed}) == gpus


def test_without_the_variable_nvidia_smi_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "nvidia-smi"
    told.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    told.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == ["0", "1"]
    told.unlink()
    assert visible_gpus({}) == []


@pytest.mark.parametrize(("workers", "gpus"), [(0, []), (3, ["0", "1"])])
def test_more_workers_than_gpus_are_refused(workers: int, gpus: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"executor\.workers: .* one worker per GPU"):
        gpus_for(workers, gpus)


def test_shards_ask_for_a_gpu_only_where_workers_offer_it() -> None:
    assert shards_ask(DaskParameters(device="cuda")) == {"GPU": 1.0}
    assert shards_ask(DaskParameters(device="cuda", address="tcp://x:1")) == {}
    own = DaskParameters(device="cuda", address="tcp://x:1", resources={"GPU": 2.0})
    assert shards_ask(own) == {"GPU": 2.0}


@pytest.mark.slow
def test_workers_of_processes_are_pinned_also_when_they_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    cluster, address = make_cluster(DaskParameters(device="cuda"))
    try:
        with connect(address) as client:
            assert sorted(client.run(which_gpu).values()) == ["4", "6"]
            client.restart_workers(["gpu4"])
            assert sorted(client.run(which_gpu).values()) == ["4", "6"]
    finally:
        cluster.close()


def which_gpu() -> str:
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_one_cluster_is_named_at_most() -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*, got address and workers"):
        on_dask(DaskParameters(address="tcp://127.0.0.1:1", workers=2))


@pytest.mark.parametrize("address", ["nonsense", "tcp://host", "host:port"])
def test_what_cannot_be_an_address_is_refused_before_anything_runs(address: str) -> None:
    with pytest.raises(ConfigError, match=rf"executor.address: expected .* got '{address}'"):
        on_dask(DaskParameters(address=address))


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "host:8786", "tls://[::1]:2", "ucx://h:3"]
)
def test_addresses_of_schedulers_are_taken(address: str) -> None:
    on_dask(DaskParameters(address=address))


def test_options_are_for_a_cluster_that_is_named() -> None:
    with pytest.raises(ConfigError, match=r"executor.options: given without executor.cluster"):
        on_dask(DaskParameters(options={"queue": "long"}))


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "is not there"), ("{", "holds no scheduler's address"), ("[]", "holds")],
)
def test_a_scheduler_file_that_is_no_use_is_named(
    text: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifeline, "BACKOFF_S", 0.0)
    file = tmp_path / "scheduler.json"
    if text is not None:
        file.write_text(text)
    executor = on_dask(DaskParameters(scheduler_file=str(file), tries=1))
    executor.submit(Echo(), genomes(3))
    with pytest.raises(RolloutError, match=rf"scheduler_file: {file} {why}"):
        executor.collect()
    executor.close()


def test_dasks_log_is_kept_from_the_terminal_unless_somebody_wants_it() -> None:
    logger = logging.getLogger("distributed")
    before = logger.level
    try:
        logger.setLevel(logging.INFO)
        with dask.config.set({"logging": {"distributed": "info"}}):
            clusters.hush()
        assert logging.getLogger("distributed.scheduler").isEnabledFor(logging.ERROR)
        clusters.hush()
        assert not logging.getLogger("distributed.scheduler").isEnabledFor(logging.ERROR)
    finally:
        logger.setLevel(before)


def test_a_worker_runs_as_many_shards_as_its_resources_allow() -> None:
    engine = DaskEngine(DaskParameters(address="tcp://x:1", resources={"GPU": 2.0, "A": 1.0}))
    assert [engine._holds(r) for r in ({"GPU": 5.0, "A": 9.0}, {"GPU": 1.0, "A": 9.0}, {})] == [
        2,
        0,
        0,
    ]


def test_a_scheduler_that_is_not_there_ends_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifeline, "BACKOFF_S", 0.0)
    monkeypatch.setattr(clusters, "TIMEOUT_S", 0.3)
    executor = on_dask(DaskParameters(address="tcp://127.0.0.1:9", tries=1))
    executor.submit(Echo(), genomes(3))
    with pytest.raises(RolloutError, match=r"2 times in a row.*tcp://127.0.0.1:9"):
        executor.collect()
    executor.close()


def test_workers_without_the_resource_do_not_count(cluster: Any) -> None:
    parameters = DaskParameters(
        address=cluster.scheduler_address, resources={"GPU": 1.0}, workers_timeout_s=0.5
    )
    executor = on_dask(parameters)
    executor.submit(Echo(), genomes(3))
    with pytest.raises(RolloutError, match=r"a worker with resources \{'GPU': 1.0\} within 0.5 s"):
        executor.collect()
    executor.close()


def test_everything_listens_on_this_machine_alone(cluster: Any) -> None:
    with connect(cluster.scheduler_address) as client:
        pids = [os.getpid(), *client.run(os.getpid).values()]
    listening = {
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(pids) == 3
    assert listening == {"127.0.0.1"}


@pytest.mark.slow
def test_a_worker_runs_libraries_in_one_thread(cluster: Any) -> None:
    def threads() -> tuple[str, int]:
        return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()

    with connect(cluster.scheduler_address) as client:
        assert set(client.run(threads).values()) == {("1", 1)}


@pytest.mark.slow
def test_a_worker_that_dies_again_soon_comes_back_again() -> None:
    """By default Dask gives up a nanny whose worker is away 15 s after an earlier death."""
    cluster, address = make_cluster(DaskParameters(workers=1))
    try:
        with connect(address) as client:
            pid = another_worker(client, 0)
            for pause_s in (14.9, 0.0):
                os.kill(pid, signal.SIGKILL)
                died = time.monotonic()
                pid = another_worker(client, pid)
                time.sleep(max(0.0, pause_s - (time.monotonic() - died)))
            time.sleep(1)
            assert len(client.run_on_scheduler(pids)) == 1
    finally:
        cluster.close()


def another_worker(client: Any, old: int) -> int:
    """Process id of the only worker, once it is not the old one's."""
    for _ in waiting():
        found = client.run_on_scheduler(pids)
        if found and found != [old]:
            return int(found[0])
    raise AssertionError("unreachable")


def pids(dask_scheduler: Any) -> list[int]:
    """Run on the scheduler: the processes of its workers."""
    return [worker.pid for worker in dask_scheduler.workers.values()]

"""One config is one run, wherever and with however many workers it runs, whatever befalls them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import ConfigError, RolloutError
from qdx.executors import dispatch, on_dask
from qdx.executors.clusters import make_cluster
from qdx.executors.parameters import DaskParameters
from tests.campaign import striking
from tests.campaign.processes import DaskProcesses, installed, is_alive, spawn, waiting
from tests.campaign.striking import Strike, strikes

pytestmark = pytest.mark.slow

BUDGET, STRUCK = 1500, 750  # a genome in the middle of a generation in the middle of the run


def config(executor: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "budget": BUDGET,
        "seed": 4,
        "task": "point",
        "searcher": "novelty_search",
        "checkpoint": {"generations": 3, "seconds": 1000},
        "executor": executor,
        **more,
    }


def digests(path: Path) -> tuple[str, str, str]:
    run = StoredRun.open(path)
    assert len(run.archive_ids()) > 0
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def whole(executor: dict[str, Any], path: Path, **more: Any) -> tuple[str, str, str]:
    with Campaign(config(executor, **more), path) as campaign:
        campaign.run()
    return digests(path)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """The digests of the run that nothing befalls, in one thread of this process."""
    return whole({"kind": "local", "threads": 1}, tmp_path_factory.mktemp("calm") / "run")


def befell(path: Path) -> dict[str, int]:
    """What happened to shards over the whole run."""
    counts: dict[str, int] = {}
    for line in (path / "timings.jsonl").read_text().splitlines():
        for key, n in json.loads(line).get("shards", {}).items():
            counts[key] = counts.get(key, 0) + n
    return counts


EXECUTORS = {
    "local, 2 threads": {"kind": "local", "threads": 2},
    "dask, 1 worker": {"kind": "dask", "workers": 1},
    "dask, 2 workers": {"kind": "dask", "workers": 2},
    "dask, 4 workers": {"kind": "dask", "workers": 4},
    "dask, 2 threads, shards of 7": {"kind": "dask", "workers": 2, "processes": False, "shard": 7},
}


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_gives_the_same_run(name: str, tmp_path: Path, calm: Any) -> None:
    assert whole(EXECUTORS[name], tmp_path / "run") == calm
    assert befell(tmp_path / "run") == {}


CHAINS = {
    "encoding": {"kind": "seed_chain", "noise": "philox"},
    "searcher": {"kind": "deep_ga", "population": 100, "parents": 10, "sigma": 0.1},
}


def test_seed_chains_are_the_same_run_on_workers(tmp_path: Path) -> None:
    here = whole({"kind": "local", "threads": 2}, tmp_path / "here", **CHAINS)
    assert whole({"kind": "dask", "workers": 2}, tmp_path / "there", **CHAINS) == here


def struck(executor: dict[str, Any], fault: Any, folder: Path, times: int = 1) -> dict[str, int]:
    """A campaign to which something happens; what befell its shards."""
    with Campaign(config(executor), folder / "run") as campaign:
        campaign.rollout = Strike(campaign.rollout, STRUCK, fault, folder, times)
        campaign.run()
    return befell(folder / "run")


@pytest.fixture(scope="module")
def two() -> Iterator[dict[str, Any]]:
    """An executor on two workers with nannies that tests share; those that die come back."""
    cluster, address = make_cluster(DaskParameters(workers=2))
    yield {"kind": "dask", "address": address, "timeout_s": 1.0, "shard": 20}
    cluster.close()


FAULTS = {
    "kill_itself": ("lost", striking.kill_itself),
    "hang": ("lost", striking.hang),
    "hang_with_the_interpreter": ("lost", striking.hang_with_the_interpreter),
    "garbage": ("garbage", striking.garbage),
    "wrong_shape": ("garbage", striking.wrong_shape),
    "too_few": ("garbage", striking.too_few),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_worker_that_fails_changes_no_bit(name: str, tmp_path: Path, calm: Any, two: Any) -> None:
    kind, fault = FAULTS[name]
    assert struck(two, fault, tmp_path)[kind] >= 1
    assert len(strikes(tmp_path)) == 1
    assert digests(tmp_path / "run") == calm


def test_a_worker_that_is_stopped_is_replaced(
    tmp_path: Path, calm: Any, two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "GRACE_S", 2.0)
    monkeypatch.setattr(on_dask, "SILENT_S", 2.0)
    assert struck(two, striking.stop_itself, tmp_path)["hung"] >= 1
    assert len(strikes(tmp_path)) == 1
    assert digests(tmp_path / "run") == calm


def test_a_poisonous_genome_is_failed_and_named(tmp_path: Path, two: Any) -> None:
    counts = struck({**two, "deaths": 2}, striking.kill_itself, tmp_path, times=100)
    assert counts["poisoned"] == 1
    assert len(strikes(tmp_path)) == 5  # twice in its shard, once in the crowd, twice alone
    run = StoredRun.open(tmp_path / "run")
    failures = [f for line in run.snapshot.journal for f in line["failures"]]
    assert failures == [{"id": STRUCK, "reason": "it ended 2 workers that ran it alone"}]
    assert run.summary()["evaluations"] == BUDGET
    assert digests(tmp_path / "run")[2] == "finished"


def test_all_workers_at_once_may_die(tmp_path: Path, calm: Any, two: Any) -> None:
    with Campaign(config(two), tmp_path / "run") as campaign:
        campaign.rollout = Strike(campaign.rollout, STRUCK, striking.kill_victims, tmp_path)
        campaign.step()
        client = campaign.executor._engine._client
        client.wait_for_workers(2, timeout=30)  # one may have done the first generation alone
        pids = client.run(os.getpid)
        assert len(set(pids.values()) - {os.getpid()}) == 2
        (tmp_path / "victims").write_text(" ".join(map(str, pids.values())))
        campaign.run()
    assert not any(map(is_alive, pids.values()))
    assert len(strikes(tmp_path)) == 1
    assert befell(tmp_path / "run")["lost"] >= 1
    assert digests(tmp_path / "run") == calm


@pytest.fixture
def installed_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An executor on the cluster of an installed package: processes that may be killed."""
    installed(
        tmp_path / "site", "qdx.clusters", "processes", f"{DaskProcesses.__module__}:DaskProcesses"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return {
        "kind": "dask",
        "cluster": "processes",
        "options": {"folder": str(tmp_path), "workers": 1},
        "shard": 20,
    }


def test_a_scheduler_that_dies_is_built_anew_and_the_generation_goes_on(
    tmp_path: Path, calm: Any, installed_cluster: dict[str, Any]
) -> None:
    counts = struck(installed_cluster, striking.kill_victims, tmp_path)
    assert counts["rebuilt"] == 1
    assert len(strikes(tmp_path)) == 1
    assert (tmp_path / "starts").read_text().split() == ["started"] * 2
    assert digests(tmp_path / "run") == calm


def test_a_cluster_nobody_offers_is_named(
    tmp_path: Path, installed_cluster: dict[str, Any]
) -> None:
    raw = config({**installed_cluster, "cluster": "slurm"})
    with pytest.raises(ConfigError, match=r"executor.cluster: .*\(processes\), got 'slurm'"):
        Campaign(raw, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_workers_that_never_come_back_end_the_campaign_which_then_resumes(
    tmp_path: Path, calm: Any
) -> None:
    cluster = DaskProcesses(str(tmp_path), workers=1)
    executor = {"kind": "dask", "scheduler_file": str(cluster.file), "workers_timeout_s": 3.0}
    try:
        with pytest.raises(RolloutError, match=r"executor.workers_timeout_s: .* within 3 s"):
            struck(executor, striking.kill_itself, tmp_path)
        assert digests(tmp_path / "run")[2] == "failed"
        cluster.add_worker("w1")  # the same scheduler, another worker
        with Campaign.resume(tmp_path / "run", ["executor.workers_timeout_s=60"]) as campaign:
            assert 0 < campaign.tally.evaluations < STRUCK
            campaign.run()
    finally:
        cluster.close()
    assert digests(tmp_path / "run") == calm


def test_a_driver_that_dies_leaves_nothing_behind_and_resumes_with_other_workers(
    tmp_path: Path, calm: Any
) -> None:
    raw = config({"kind": "dask", "workers": 2, "shard": 20})
    driver = spawn(
        "tests.campaign.struck_driver",
        *(json.dumps(raw), tmp_path / "run", STRUCK, tmp_path),
        folder=tmp_path,
        log="driver.log",
    )
    assert driver.wait(60) == -signal.SIGKILL
    (struck_worker,) = strikes(tmp_path)
    for _ in waiting():  # its workers see that it has gone
        if not is_alive(struck_worker):
            break
    assert digests(tmp_path / "run")[2] == "running"
    another = ["executor={kind: dask, workers: 2, processes: false, shard: 50}"]
    with Campaign.resume(tmp_path / "run", another) as campaign:
        assert 0 < campaign.tally.evaluations < STRUCK
        campaign.run()
    assert digests(tmp_path / "run") == calm


SIGNALLED = {
    "dask": {"kind": "dask", "workers": 2},
    "ray": {"kind": "ray", "workers": 1},
}


@pytest.mark.parametrize("kind", SIGNALLED)
@pytest.mark.parametrize("to_all", [False, True], ids=["SIGTERM", "SIGINT to all processes"])
def test_a_signal_ends_in_a_commit_within_seconds(kind: str, to_all: bool, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps(config(SIGNALLED[kind], budget=10**8)))
    arguments = ("run", tmp_path / "c.yaml", "--out", tmp_path / "run")
    process = spawn("qdx", *arguments, folder=tmp_path, log="log")
    journal = tmp_path / "run" / "journal.jsonl"
    for _ in waiting():
        if journal.exists() and journal.stat().st_size > 2000:
            break
    asked = time.time()
    if to_all:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 130, (tmp_path / "log").read_text()
    assert "qdx resume" in (tmp_path / "log").read_text()
    assert digests(tmp_path / "run")[2] == "interrupted"
    committed = max(path.stat().st_mtime for path in (tmp_path / "run").glob("manifest-*"))
    assert committed - asked < 10

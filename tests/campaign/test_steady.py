"""A steady campaign: what it promises follows from its event log, whatever befalls it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdx.assembly.invariants import broken
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.core.errors import DamagedRunError, InterruptedRun, RolloutError
from qdx.core.types import Genomes, Outcomes
from qdx.executors.local import Local
from qdx.storage import Event, verify
from qdx.storage.events import read_events
from tests.campaign.processes import spawn, waiting

SEARCHERS: dict[str, Any] = {
    "map_elites": "map_elites",
    "random_search": "random_search",
    "dns": "dns",
    "cma_me": {"kind": "cma_me", "emitters": 5},
    "cma_mae": {"kind": "cma_mae", "emitters": 5, "population": 8, "emitters_per_batch": 2},
}
ONE_SLOT = {"kind": "local", "threads": 1}


def config(searcher: Any = "map_elites", **more: Any) -> dict[str, Any]:
    return {
        "budget": 400,
        "seed": 4,
        "task": "point",
        "searcher": searcher,
        "mode": "steady",
        "steady": {"shard": 6, "keep_events": True},
        "checkpoint": {"generations": 2, "seconds": 1000},
        "executor": ONE_SLOT,
        **more,
    }


def digests(path: Path) -> tuple[str, str, str]:
    run = StoredRun.open(path)
    assert broken(run) == []
    assert verify(path).damaged == []
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def run_whole(raw: dict[str, Any], path: Path) -> tuple[str, str, str]:
    with Campaign(raw, path) as campaign:
        campaign.run()
    return digests(path)


def events(path: Path) -> list[Event]:
    """All events in the log of a run."""
    return list(read_events(path))


class Killed(Exception):
    """Stands for the end of the process."""


@dataclass
class Mortal:
    """An event log whose process dies at an event, before or after that is on the disk."""

    log: Any
    at: int
    is_written: bool

    def append(self, event: Event) -> None:
        if event.number < self.at or self.is_written:
            self.log.append(event)
        if event.number == self.at:
            raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


def killed(raw: dict[str, Any], path: Path, at: int, *, is_written: bool = True) -> int:
    """A campaign that dies at an event; how many events are on the disk."""
    with Campaign(raw, path) as campaign:
        campaign.steady.log = Mortal(campaign.steady.log, at, is_written)
        with pytest.raises(Killed):
            campaign.run()
    return at if is_written else at - 1


def no_episode(*_: Any) -> int:
    raise AssertionError("an episode was run")


def fed(raw: dict[str, Any], log: Path, path: Path, monkeypatch: Any) -> tuple[str, str, str]:
    """The digests of a campaign that is told a log, and runs no episode."""
    Campaign(raw, path).close()
    if (log / "events").exists():
        shutil.copytree(log / "events", path / "events")
    with monkeypatch.context() as patch:
        patch.setattr(Local, "submit", no_episode)
        with Campaign.resume(path) as campaign:
            if campaign.is_finished():
                campaign.run()
            campaign.commit("running")
    return digests(path)


@pytest.mark.parametrize("kind", SEARCHERS)
def test_one_shard_at_a_time_of_a_generations_size_is_the_generational_run(
    kind: str, tmp_path: Path
) -> None:
    raw = config(SEARCHERS[kind], steady={"shard": 100, "in_flight": 1})
    if kind == "cma_mae":
        raw["searcher"] = {**raw["searcher"], "emitters_per_batch": 1}
    plain = {key: value for key, value in raw.items() if key not in ("mode", "steady")}
    assert run_whole(raw, tmp_path / "steady")[0] == run_whole(plain, tmp_path / "plain")[0]
    journals = [StoredRun.open(tmp_path / n).snapshot.journal for n in ("steady", "plain")]
    assert journals[0] == journals[1]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The digests of the run that nothing befalls, of each searcher made once."""

    @functools.cache
    def digests_of(kind: str) -> tuple[str, str, str]:
        return run_whole(config(SEARCHERS[kind]), tmp_path_factory.mktemp("calm") / "run")

    return digests_of


@pytest.mark.parametrize("kind", SEARCHERS)
@pytest.mark.parametrize("is_written", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize("at", [1, 9, 45])
def test_killed_at_any_event_it_goes_on_as_its_log_says_and_to_the_same_end(
    kind: str,
    at: int,
    is_written: bool,
    tmp_path: Path,
    calm: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw, cut = config(SEARCHERS[kind]), tmp_path / "cut"
    n = killed(raw, cut, at, is_written=is_written)
    with Campaign.resume(cut) as campaign:
        assert campaign.steady.told == n == len(events(cut))
        campaign.commit("running")
        at_the_kill = digests(cut)
        assert at_the_kill == fed(raw, cut, tmp_path / "fed", monkeypatch)
        campaign.run()
    assert digests(cut) == calm(kind)  # one slot: results come in the order they were asked for


def told(path: Path) -> np.ndarray:
    """The ids of all events, which must be as many as were counted."""
    ids = np.concatenate([event.ids for event in events(path)])
    assert len(ids) == StoredRun.open(path).tally().evaluations
    return ids


def check_whole(path: Path, budget: int) -> None:
    """Every individual that was asked for was told once, and none is missing."""
    ids, under_way = told(path), StoredRun.open(path).snapshot.states["steady"].arrays["sizes"]
    assert len(under_way) == 0
    assert np.array_equal(np.sort(ids), np.arange(len(ids)))
    assert budget <= len(ids) < budget + 8


def test_many_threads_lose_nobody_and_count_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, path = config(executor={"kind": "local", "threads": 3, "shard": 1}), tmp_path / "run"
    n = killed(raw, path, 20)
    for at in (21, 50):
        with Campaign.resume(path) as campaign:
            assert campaign.steady.told == n
            campaign.steady.log = Mortal(campaign.steady.log, at, is_written=True)
            with pytest.raises(Killed):
                campaign.run()
        n = at
    with Campaign.resume(path) as campaign:
        campaign.run()
    check_whole(path, 400)
    assert digests(path)[:2] == fed(raw, path, tmp_path / "fed", monkeypatch)[:2]


def test_every_commit_rhythm_gives_the_same_bytes(tmp_path: Path) -> None:
    rhythms = ({"generations": n, "seconds": 1000} for n in (1, 3, 100))
    runs = {run_whole(config(checkpoint=r), tmp_path / str(r["generations"])) for r in rhythms}
    assert len(runs) == 1


def test_without_its_newest_commits_it_loses_nothing(tmp_path: Path, calm: Any) -> None:
    path = tmp_path / "run"
    killed(config(steady={"shard": 6}), path, 45)
    manifests = sorted(path.glob("manifest-*"))
    for manifest in manifests[2:]:
        manifest.write_bytes(b"damaged")
    with Campaign.resume(path) as campaign:
        assert (campaign.steady.told, campaign.told_again) == (45, 28)
        assert len(campaign.skipped) == len(manifests) - 2
        campaign.run()
    assert digests(path) == calm("map_elites")


def test_the_log_holds_no_more_than_the_commits_in_place_may_need(tmp_path: Path) -> None:
    run_whole(config(steady={"shard": 6}, budget=1000), tmp_path / "run")
    numbers = [event.number for event in events(tmp_path / "run")]
    assert numbers[-1] == StoredRun.open(tmp_path / "run").snapshot.meta["events"] > 160
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert 34 <= len(numbers) <= 3 * 34  # two generations between commits


def test_asked_to_stop_it_commits_with_what_is_under_way(tmp_path: Path, calm: Any) -> None:
    path = tmp_path / "run"
    with (
        Campaign(config(), path) as campaign,
        pytest.raises(InterruptedRun, match=r"after \d+ evaluations.*qdx resume"),
    ):
        campaign.run(lambda record: campaign.stop() if record.generation == 2 else None)
    state = StoredRun.open(path).snapshot.states["steady"]
    assert (digests(path)[2], state.arrays["sizes"].tolist()) == ("interrupted", [6, 6])
    with Campaign.resume(path) as campaign:
        assert campaign.told_again == 0
        campaign.run()
    assert digests(path) == calm("map_elites")


def test_a_campaign_that_was_stopped_may_run_on_in_the_same_process(
    tmp_path: Path, calm: Any
) -> None:
    with Campaign(config(), tmp_path / "run") as campaign:
        with pytest.raises(InterruptedRun):
            campaign.run(lambda record: campaign.stop() if record.generation == 2 else None)
        campaign.run(lambda record: None)
    assert digests(tmp_path / "run") == calm("map_elites")


def test_a_longer_budget_goes_on_where_the_shorter_one_ended(tmp_path: Path) -> None:
    run_whole(config(budget=250), tmp_path / "run")
    with Campaign.resume(tmp_path / "run", ["budget=400"]) as campaign:
        campaign.run()
    check_whole(tmp_path / "run", 400)


def test_a_budget_of_steps_leaves_what_is_under_way_for_a_longer_one(tmp_path: Path) -> None:
    run_whole(config(budget_steps=3000), tmp_path / "run")
    state = StoredRun.open(tmp_path / "run").snapshot.states["steady"]
    assert len(state.arrays["sizes"]) > 0
    with Campaign.resume(tmp_path / "run", ["budget_steps=100000"]) as campaign:
        campaign.run()
    check_whole(tmp_path / "run", 400)


@dataclass
class Failing:
    """A rollout to which some genomes are not finite."""

    rollout: Any
    ids: range

    def __call__(self, genomes: Genomes) -> Outcomes:
        genes = genomes.genes.copy()
        genes[np.isin(genomes.ids, self.ids)] = np.nan
        return self.rollout(
            Genomes(genomes.ids, genes, genomes.parents, genomes.purpose, genomes.trial)
        )


def test_too_many_failures_stop_it_and_what_failed_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with Campaign(config(), path) as campaign:
        campaign.rollout = Failing(campaign.rollout, range(210, 330))
        with pytest.raises(RolloutError, match=r"at most 0.5 .* got 0.5\d .*genes are not finite"):
            campaign.run()
    run = StoredRun.open(path)
    assert digests(path)[2] == "failed"
    assert 40 <= run.summary()["failed"] <= 50
    with Campaign.resume(path) as campaign:
        campaign.run()
    check_whole(path, 400)
    assert StoredRun.open(path).summary()["failed"] == run.summary()["failed"]


def test_a_few_failures_are_counted_named_and_told_again_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = config()
    with Campaign(raw, tmp_path / "run") as campaign:
        campaign.rollout = Failing(campaign.rollout, range(210, 220))
        campaign.run()
    run = StoredRun.open(tmp_path / "run")
    assert run.summary()["failed"] == 10
    line = next(line for line in run.snapshot.journal if line["failures"])
    assert line["failures"][0] == {"id": 210, "reason": "genes are not finite"}
    again = fed(raw, tmp_path / "run", tmp_path / "fed", monkeypatch)
    assert again[:2] == digests(tmp_path / "run")[:2]


def test_the_log_of_another_campaign_is_refused(tmp_path: Path) -> None:
    run_whole(config(), tmp_path / "one")
    Campaign(config("random_search", steady={"shard": 5}), tmp_path / "other").close()
    shutil.copytree(tmp_path / "one" / "events", tmp_path / "other" / "events")
    with pytest.raises(DamagedRunError, match=r"event 1 is of individuals 0 to 5, which this"):
        Campaign.resume(tmp_path / "other")


def test_commands_read_a_run_and_say_what_its_log_holds(tmp_path: Path, capsys: Any) -> None:
    killed(config(), tmp_path / "run", 50)
    run = str(tmp_path / "run")
    assert call(["inspect", run, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["mode"] == "steady"
    assert summary["events"]["told"] + summary["events"]["beyond"] == 50
    assert summary["events"]["beyond"] > 0
    assert call(["verify", run]) == 0
    assert "told again on resume" in capsys.readouterr().out
    assert call(["resume", run]) == 0
    assert "results from the event log" in capsys.readouterr().out
    assert call(["export", run, "--format", "ribs"]) == 0


@pytest.mark.parametrize("kind", ["novelty_search", "nsga2", "serene"])
def test_a_searcher_that_needs_generations_is_refused(
    kind: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps(config(kind)))
    assert call(["run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert f"mode: expected generational, for {kind} looks at" in said
    assert "use one of cma_mae, cma_me, dns, map_elites, random_search." in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_killed_by_the_system_again_and_again_it_loses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, path = config(budget=4000, executor={"kind": "local", "threads": 2}), tmp_path / "run"
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    command = ["run", tmp_path / "c.yaml", "--out", path]
    sizes = []
    for _ in range(3):
        process = spawn("qdx", *command, folder=tmp_path, log="log")
        before = log_size(path)
        for _ in waiting():
            if log_size(path) > before + 30_000 or process.poll() is not None:
                break
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL, (tmp_path / "log").read_text()
        sizes.append(log_size(path))
        command = ["resume", path]
    assert sizes == sorted(sizes)
    assert spawn("qdx", *command, folder=tmp_path, log="log").wait(60) == 0
    check_whole(path, 4000)
    assert digests(path)[:2] == fed(raw, path, tmp_path / "fed", monkeypatch)[:2]


def log_size(path: Path) -> int:
    """Bytes in the event log."""
    return sum(file.stat().st_size for file in path.glob("events/*"))


CLUSTERS = {
    "dask": {"kind": "dask", "workers": 2},
    "dask, threads": {"kind": "dask", "workers": 2, "processes": False, "shard": 2},
    "ray": {"kind": "ray", "workers": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CLUSTERS)
def test_on_a_cluster_it_loses_nobody_and_its_log_says_what_it_is(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, path = config(executor=CLUSTERS[kind]), tmp_path / "run"
    killed(raw, path, 30)
    with Campaign.resume(path) as campaign:
        assert campaign.steady.told == 30
        campaign.run()
    check_whole(path, 400)
    raw = {**raw, "executor": ONE_SLOT}  # told on another executor, which runs nothing
    assert digests(path)[0] == fed(raw, path, tmp_path / "fed", monkeypatch)[0]


@pytest.mark.slow
def test_sigterm_ends_in_a_commit(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps(config(budget=10**8)))
    arguments = ("run", tmp_path / "c.yaml", "--out", tmp_path / "run")
    process = spawn("qdx", *arguments, folder=tmp_path, log="log")
    for _ in waiting():
        if log_size(tmp_path / "run") > 30_000:
            break
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 130, (tmp_path / "log").read_text()
    assert time.monotonic() - asked < 10
    assert digests(tmp_path / "run")[2] == "interrupted"

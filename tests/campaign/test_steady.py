"""A steady campaign: what it promises follows from its event log, whatever befalls it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import InterruptedRun, RolloutError
from qdx.core.types import Genomes, Outcomes
from tests.campaign.steadily import (
    SEARCHERS,
    Killed,
    Mortal,
    check_whole,
    config,
    digests,
    events,
    fed,
    killed,
    run_whole,
)


def marked(*fast: str) -> list[Any]:
    """All searchers, those that are not named as slow tests."""
    return [k if k in fast else pytest.param(k, marks=pytest.mark.slow) for k in SEARCHERS]


@pytest.mark.parametrize("kind", marked("map_elites", "cma_me"))
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


@pytest.mark.parametrize("kind", marked("map_elites"))
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

"""A campaign that was cut short goes on to the same bytes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import ConfigError, InterruptedRun, LockedRunError, RolloutError

ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "experiments" / "kill_and_resume" / "run.py"


def config(searcher="novelty_search", **more):
    return {
        "budget": 1500,
        "seed": 4,
        "task": "point",
        "searcher": searcher,
        "checkpoint": {"generations": 3, "seconds": 1000},
        **more,
    }


def serene(**keys):
    """Five generations explore, six bootstrap, those from the twelfth on exploit and hand over."""
    own = {"population": 50, "chunk": 450, "max_emitter_steps": 2}
    policy = {"kind": "mlp", "hidden": 1, "layers": 1}
    return config({"kind": "serene", **own, **keys}, policy=policy)


SERENE = {
    "serene": serene(),
    "serene with novelty emitters": serene(emitter="novelty") | {"seed": 7},  # some improve
    "serene with cma_es emitters": serene(emitter="cma_es"),
    "serene with sep_cma_es emitters": serene(emitter="sep_cma_es"),
    "serene with four emitters at once": serene(concurrent_emitters=4),
}
DEEP_GA: dict = {"kind": "deep_ga", "population": 50, "parents": 5, "sigma": 0.1}
DEEP_GA |= {"candidates": 3, "episodes": 10}  # every other commit is amid a validation
VARIANTS = {
    **SERENE,
    "cma_me": config({"kind": "cma_me", "emitters": 10}),
    "cma_me by improvement": config({"kind": "cma_me", "emitters": 10, "ranking": "improvement"}),
    "cma_mae": config({"kind": "cma_mae", "emitters": 3, "emitters_per_batch": 3}),
    "cma_es": config("cma_es"),
    "dns": config("dns", archives={"population": {"kind": "dominated_novelty", "capacity": 200}}),
    "nslc": config("nslc"),
    "novelty_search": config(),
    "random_search": config("random_search"),
    "map_elites": config("map_elites"),
    "map_elites on a cvt": config(
        {"kind": "map_elites", "variation": "iso_line"},
        archives={"cells": {"kind": "cvt", "cells": 50, "samples": 500}},
    ),
    "novelty_search on checkpoints": config(observer={"kind": "checkpoints", "samples": 3}),
    "novelty_search on signatures": config(observer={"kind": "signature", "windows": 2}),
    "novelty_search on gymnasium": config(
        {"kind": "novelty_search", "population": 20},
        task={"kind": "gymnasium:CartPole-v1", "horizon": 9, "episode_seed": "per_genome"},
        budget=300,
        executor={"kind": "local", "shard": 7},
    ),
    "stax": config(
        {"kind": "stax", "population": 20, "chunk": 100},
        observer={"size": 16, "samples": 2},
        descriptor={"latent": 2, "max_epochs": 1, "max_inputs": 30},
        budget=800,
    ),
    "deep_ga": config(DEEP_GA, encoding={"noise": "philox"}),
    "deep_ga with safe mutations": config(
        {**DEEP_GA, "sigma_decay": "linear", "sigma_end": 0.01, "sigma_generations": 9},
        encoding={"noise": "philox", "mutation": "safe", "states": 4},
    ),
    "deep_ga with networks": config(
        {**DEEP_GA, "population": 8, "episodes": 3},
        task={"kind": "gymnasium:CartPole-v1", "horizon": 30, "episode_seed": "per_genome"},
        policy={"kind": "humanoid_mlp", "hidden": [8], "slots": 4, "lanes": 2},
        encoding={"noise": "philox"},
        budget=80,
    ),
    "deep_ga for novelty": config({**DEEP_GA, "novelty": 0.5}, encoding={"noise": "philox"}),
    "novelty_search on ant_maze": config(
        {"kind": "novelty_search", "population": 10},
        task={"kind": "ant_maze", "horizon": 4},
        budget=150,
    ),
}


def digests(path):
    run = StoredRun.open(path)
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def run_whole(raw, path):
    with Campaign(raw, path) as campaign:
        campaign.run()
    return digests(path)


FAST = ("novelty_search", "map_elites", "novelty_search on gymnasium", "serene", "dns", "cma_mae")


def marked(variants):
    return [v if v in FAST else pytest.param(v, marks=pytest.mark.slow) for v in variants]


def check_resume(variant, generations, tmp_path):
    """Drop a campaign after so many generations; gives what its searcher reported at the commit."""
    calm = run_whole(VARIANTS[variant], tmp_path / "calm")
    with Campaign(VARIANTS[variant], tmp_path / "cut") as campaign:
        for _ in range(generations):
            campaign.step()
    with Campaign.resume(tmp_path / "cut") as campaign:
        committed = 1 + (generations - 1) // 3 * 3  # the first, then every third
        assert campaign.tally.generation == (committed if generations else 0)
        report = campaign.searcher.report()
        campaign.run()
    assert digests(tmp_path / "cut") == calm
    assert len(StoredRun.open(tmp_path / "cut").archive_ids()) > 0
    return report


@pytest.mark.parametrize("variant", marked(VARIANTS))
@pytest.mark.parametrize("generations", [0, 2, 3, 5])
def test_a_campaign_dropped_anywhere_resumes_to_the_same_bytes(tmp_path, variant, generations):
    check_resume(variant, generations, tmp_path)


@pytest.mark.parametrize("variant", marked(SERENE))
@pytest.mark.parametrize(("generations", "phase"), [(9, "bootstrap"), (14, "exploit")])
def test_serene_dropped_while_it_exploits_resumes_to_the_same_bytes(
    tmp_path, variant, generations, phase
):
    assert check_resume(variant, generations, tmp_path)["exploitation"] == phase


@pytest.mark.slow
@pytest.mark.parametrize("variant", SERENE)
def test_serene_goes_on_with_a_larger_budget_from_the_middle_of_a_turn(tmp_path, variant):
    """An end of the budget hands nothing over, so it leaves no trace."""
    long = run_whole(VARIANTS[variant], tmp_path / "long")
    run_whole(VARIANTS[variant] | {"budget": 800}, tmp_path / "short")
    with Campaign.resume(tmp_path / "short", ["budget=1500"]) as campaign:
        assert campaign.searcher.report()["exploitation"] == "exploit"
        campaign.run()
    assert digests(tmp_path / "short") == long


def test_every_commit_rhythm_gives_the_same_bytes(tmp_path):
    runs = {
        run_whole(config(checkpoint={"generations": n, "seconds": 1000}), tmp_path / str(n))
        for n in (1, 2, 100)
    }
    assert len(runs) == 1


@pytest.mark.parametrize("executor", [{"threads": 1}, {"threads": 4}, {"threads": 2, "shard": 7}])
def test_threads_and_shards_do_not_change_a_bit(tmp_path, executor):
    calm = run_whole(config(), tmp_path / "calm")
    varied = run_whole(config(executor={"kind": "local", **executor}), tmp_path / "varied")
    assert varied == calm


def test_another_seed_is_another_run(tmp_path):
    assert run_whole(config(), tmp_path / "a") != run_whole(config(seed=5), tmp_path / "b")


def test_a_longer_budget_goes_on_where_the_shorter_one_ended(tmp_path):
    long = run_whole(config(budget=2500), tmp_path / "long")
    run_whole(config(), tmp_path / "short")
    with Campaign.resume(tmp_path / "short", ["budget=2500"]) as campaign:
        campaign.run()
    assert digests(tmp_path / "short") == long
    with Campaign.resume(tmp_path / "short") as campaign:  # the override is remembered
        assert campaign.config.campaign.budget == 2500


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    calm = run_whole(config(), tmp_path / "calm")
    with Campaign.resume(tmp_path / "calm") as campaign:
        campaign.run()
    assert digests(tmp_path / "calm") == calm


@pytest.mark.parametrize("key", ["seed=9", "searcher.sigma=0.1", "task=hard_maze"])
def test_what_the_run_is_cannot_change_on_resume(tmp_path, key):
    run_whole(config(), tmp_path / "run")
    before = digests(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"cannot change in a run that has begun"):
        Campaign.resume(tmp_path / "run", [key])
    assert digests(tmp_path / "run") == before


def test_stopping_commits_and_says_how_to_go_on(tmp_path):
    calm = run_whole(config(), tmp_path / "calm")
    with (
        Campaign(config(), tmp_path / "cut") as campaign,
        pytest.raises(InterruptedRun, match=r"after 500 evaluations.*qdx resume"),
    ):
        campaign.run(lambda record: campaign.stop() if record.generation == 3 else None)
    assert digests(tmp_path / "cut")[2] == "interrupted"
    with Campaign.resume(tmp_path / "cut") as campaign:
        campaign.run()
    assert digests(tmp_path / "cut") == calm


class Failing:
    """A rollout that spoils some rows of the third generation."""

    def __init__(self, real, rows):
        self._real, self._rows = real, rows

    def __call__(self, genomes):
        spoilt = (genomes.ids >= 300) & (genomes.ids < 300 + self._rows)
        genomes.genes[spoilt] = float("nan")
        return self._real(genomes)


def test_too_many_failures_stop_the_campaign_after_a_commit(tmp_path):
    with Campaign(config(), tmp_path / "run") as campaign:
        campaign.rollout = Failing(campaign.rollout, 150)
        with pytest.raises(RolloutError, match=r"at most 0.5 .* got 0.75 .*genes are not finite"):
            campaign.run()
    run = StoredRun.open(tmp_path / "run")
    assert run.snapshot.meta["status"] == "failed"
    assert run.summary()["evaluations"] == 300


def test_a_few_failures_are_counted_named_and_kept_out(tmp_path):
    with Campaign(config(), tmp_path / "run") as campaign:
        campaign.rollout = Failing(campaign.rollout, 20)
        campaign.run()
    run = StoredRun.open(tmp_path / "run")
    line = run.snapshot.journal[2]
    assert run.summary()["failed"] == 20
    assert line["failures"][0] == {"id": 300, "reason": "genes are not finite"}
    assert not set(range(300, 320)) & set(run.snapshot.tables["records"]["id"].tolist())


def test_a_live_run_is_locked(tmp_path):
    with Campaign(config(), tmp_path / "run"), pytest.raises(LockedRunError):
        Campaign.resume(tmp_path / "run")


def test_two_runs_do_not_share_a_directory(tmp_path):
    run_whole(config(), tmp_path / "run")
    before = digests(tmp_path / "run")
    with pytest.raises(ConfigError, match="run"):
        Campaign(config(), tmp_path / "run")
    assert digests(tmp_path / "run") == before


@pytest.mark.slow
def test_serene_resumes_from_bootstrap_exploitation_and_hand_over(tmp_path):
    raw = config(
        {"kind": "serene", "chunk": 150, "population": 40, "concurrent_emitters": 2},
        task="hard_maze",
        budget=4000,
    )
    calm = run_whole(raw, tmp_path / "calm")
    journal = StoredRun.open(tmp_path / "calm").snapshot.journal
    phases = [line["searcher"]["exploitation"] for line in journal]
    assert {"idle", "found", "bootstrap", "exploit"} <= set(phases)
    ends = [i for i in range(1, len(phases)) if phases[i - 1 : i + 1] == ["exploit", "idle"]]
    cuts = {phases.index("found"), phases.index("bootstrap"), phases.index("exploit"), ends[0]}
    for cut in sorted(cuts):
        path = tmp_path / str(cut)
        with Campaign(raw, path) as campaign:
            for _ in range(cut + 1):
                campaign.step()
            campaign.commit("running")
        with Campaign.resume(path) as campaign:
            campaign.run()
        assert digests(path) == calm


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_in_a_commit_and_exit_code_130(tmp_path, number):
    (tmp_path / "c.yaml").write_text(json.dumps(config(budget=10**8)))
    command = [sys.executable, "-m", "qdx", "run", "c.yaml", "--out", "run"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    journal = tmp_path / "run" / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
        os.sched_yield()
    process.send_signal(number)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "qdx resume" in message
    assert StoredRun.open(tmp_path / "run").snapshot.meta["status"] == "interrupted"


@pytest.mark.slow
def test_kills_in_every_place_resume_to_the_same_digests(tmp_path):
    command = [sys.executable, str(EXPERIMENT), "--kills", "5", "--task", "point", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 of 5 kills resumed" in done.stdout

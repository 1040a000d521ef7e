"""Steady campaigns as a user has them: commands, signals, clusters."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from qdx.campaign import steady
from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.core.errors import DamagedRunError
from tests.campaign.processes import spawn, waiting
from tests.campaign.steadily import (
    ONE_SLOT,
    check_whole,
    config,
    digests,
    fed,
    killed,
    run_whole,
)


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
    for _ in range(2):
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
def test_on_ray_it_loses_nobody(tmp_path: Path) -> None:
    """In a process of its own, which Ray ends with itself when its node dies."""
    raw = config(executor={"kind": "ray", "workers": 2})
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    arguments = ("run", tmp_path / "c.yaml", "--out", tmp_path / "run")
    process = spawn("qdx", *arguments, folder=tmp_path, log="log")
    assert process.wait(120) == 0, (tmp_path / "log").read_text()
    check_whole(tmp_path / "run", 400)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_results_are_told_again_ends_it_and_loses_none(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    killed(config(), tmp_path / "run", 50)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(steady, "tell", lambda *_: os.kill(os.getpid(), number))
            assert call(["resume", str(tmp_path / "run")]) == 130
    finally:
        signal.signal(number, before)
    assert "stopped at once; the last commit stands. Go on with: qdx" in capsys.readouterr().err
    assert call(["resume", str(tmp_path / "run")]) == 0
    check_whole(tmp_path / "run", 400)


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

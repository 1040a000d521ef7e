"""`qdx islands` and `qdx gather`: processes, signals, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.storage.published import island_folder, moments
from tests.campaign.islands import config, digests, of_island, sail
from tests.campaign.processes import spawn, waiting


def test_a_folder_without_islands_is_refused(tmp_path: Path, capsys: Any) -> None:
    assert call(["gather", str(tmp_path), "--out", str(tmp_path / "shared")]) == 2
    assert "expected a folder in which islands publish" in capsys.readouterr().err


@pytest.mark.slow
def test_islands_killed_by_the_system_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"n": 2, "budget": 2000}
    calm = tmp_path / "calm"
    sail(*(Campaign(config(calm, i, **keys), calm / f"{i}") for i in range(2)))
    raw = {k: v for k, v in config(tmp_path, 0, **keys).items() if k != "island"}
    raw["islands"] = {**raw["islands"], "wait_s": 3}
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    all_of_them = tmp_path / "all"
    command = ("islands", tmp_path / "c.yaml", "--out", all_of_them)
    process = spawn("qdx", *command, folder=tmp_path, log="log")
    for _ in waiting():
        if moments(island_folder(all_of_them / "exchange", 1)):
            break
    os.kill(json.loads((all_of_them / "1" / "lock").read_text())["pid"], signal.SIGKILL)
    assert process.wait(120) in (4, 5), (tmp_path / "log").read_text()
    assert "island 1 ended with exit code -9" in (tmp_path / "log").read_text()
    again = spawn("qdx", *command, folder=tmp_path, log="log")
    assert again.wait(120) == 0, (tmp_path / "log").read_text()
    for island in ("0", "1"):
        assert digests(all_of_them / island)[0] == digests(calm / island)[0]
    shared = StoredRun.open(all_of_them / "shared")
    assert of_island(shared.archive_ids()).tolist() == [0, 1]


def test_a_config_without_islands_is_refused_by_the_command(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "c.yaml").write_text("budget: 10\ntask: point\nsearcher: map_elites\n")
    assert call(["islands", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "all")]) == 2
    assert "islands: missing" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"sede": 2}, "qdx: island 1: sede: unknown key"),
        ({"task": "redundant_arm"}, "qdx: island 1: islands: expected the same task on all"),
    ],
)
def test_a_wrong_section_of_any_island_is_said_before_one_begins(
    own: dict[str, Any], said: str, tmp_path: Path, capsys: Any
) -> None:
    each = {**config(tmp_path, 0)["islands"], "each": [{}, own, {}]}
    (tmp_path / "c.yaml").write_text(json.dumps(config(tmp_path, 0, islands=each)))
    assert call(["islands", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "all")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


class Children:
    """What `qdx islands` starts, with Python of a test in their place."""

    def __init__(self, *scripts: str, then: Callable[[int], None] = lambda n: None) -> None:
        self.scripts, self.then = scripts, then
        self.processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        script = self.scripts[len(self.processes)]
        self.processes.append(subprocess.Popen([sys.executable, "-c", script]))
        self.then(len(self.processes))
        return self.processes[-1]


SLEEPS = "import time; time.sleep(60)"


def islands_of(children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `qdx islands` with these children."""
    (tmp_path / "c.yaml").write_text(json.dumps(config(tmp_path, 0)))
    monkeypatch.setattr("qdx.cli.islands._start", children)
    return call(["islands", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "all")])


def test_a_signal_while_islands_are_started_ends_them_and_starts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def signalled(n: int) -> None:
        if n == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    children = Children(SLEEPS, SLEEPS, SLEEPS, then=signalled)
    assert islands_of(children, tmp_path, monkeypatch) == 130
    assert [process.returncode for process in children.processes] == [-signal.SIGTERM] * 2
    assert "island 2 was stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "code"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 5)]
)
def test_one_that_fails_stops_the_others(
    end: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    children = Children(SLEEPS, end, SLEEPS)
    assert islands_of(children, tmp_path, monkeypatch) == code
    said = capsys.readouterr().err
    assert "island 1 ended with exit code" in said
    assert "island 0 was stopped" in said


@pytest.mark.slow
def test_sigterm_is_passed_on_to_all_islands_which_commit(tmp_path: Path) -> None:
    raw = {k: v for k, v in config(tmp_path, 0, n=1, budget=10**8).items() if k != "island"}
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    command = ("islands", tmp_path / "c.yaml", "--out", tmp_path / "all")
    process = spawn("qdx", *command, folder=tmp_path, log="log")
    for _ in waiting():
        if moments(island_folder(tmp_path / "all" / "exchange", 0)):
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130, (tmp_path / "log").read_text()
    assert digests(tmp_path / "all" / "0")[2] == "interrupted"

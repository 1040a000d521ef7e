"""One writer at a time, and a dead one does not keep the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qdx.core.errors import LockedRunError
from qdx.storage import RunDirectory, lease, read

ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
HOLD = """
import sys, time
from qdx.storage import RunDirectory
run, _ = RunDirectory.open(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""
# In each round all processes try once, and a winner keeps the lock until all have tried.
RACE = """
import sys
from pathlib import Path
from qdx.core.errors import LockedRunError
from qdx.storage.lease import Lease
print("ready", flush=True)
for line in sys.stdin:
    held = None
    try:
        held = Lease.acquire(Path(sys.argv[1]))
    except LockedRunError:
        pass
    print("won" if held else "lost", flush=True)
    sys.stdin.readline()
    if held:
        held.release()
    print("ready", flush=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    RunDirectory.create(tmp_path / "run", "").close()
    return tmp_path / "run"


def write_lock(root: Path, holder: lease.Holder, *, silent_s: float = 0.0) -> None:
    (root / "lock").write_text(json.dumps(asdict(holder)))
    then = time.time() - silent_s
    os.utime(root / "lock", (then, then))


def test_a_live_process_keeps_the_run(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, root], env=ENV, stdout=-1, text=True) as p:
        assert p.stdout is not None
        assert p.stdout.readline() == "held\n"
        with pytest.raises(LockedRunError, match=f"process {p.pid} on "):
            RunDirectory.open(root)
        assert read(root).commit == 0
        assert lease.is_held(root)
        p.send_signal(signal.SIGKILL)
        # Not waited for yet: a zombie holds nothing.
        while not Path(f"/proc/{p.pid}/stat").read_text().split(") ")[1].startswith("Z"):
            time.sleep(0.001)
        assert not lease.is_held(root)
        RunDirectory.open(root)[0].close()
    assert not list(root.glob("lock*"))


def test_this_process_cannot_open_a_run_twice(root: Path) -> None:
    run, _ = RunDirectory.open(root)
    with pytest.raises(LockedRunError, match="That is this process"):
        RunDirectory.open(root)
    run.close()
    RunDirectory.open(root)[0].close()


def test_a_dead_process_loses_the_run_at_once(root: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write_lock(root, replace(lease._myself(), pid=dead.pid, token="dead"))
    RunDirectory.open(root)[0].close()


def test_a_reused_process_id_is_another_process(root: Path) -> None:
    myself = lease._myself()
    write_lock(root, replace(myself, started_s=myself.started_s - 100, token="before"))
    RunDirectory.open(root)[0].close()


def test_another_machine_is_judged_by_its_heartbeat(root: Path) -> None:
    elsewhere = replace(lease._myself(), host="node7", machine="other boot", pid=1, token="far")
    write_lock(root, elsewhere, silent_s=30)
    with pytest.raises(LockedRunError, match=r"process 1 on node7 .*if it is dead, try again in"):
        RunDirectory.open(root)
    write_lock(root, elsewhere, silent_s=61)
    RunDirectory.open(root)[0].close()


def test_a_torn_lock_is_judged_by_its_heartbeat(root: Path) -> None:
    (root / "lock").write_text('{"host": "no')
    with pytest.raises(LockedRunError, match="unknown host"):
        RunDirectory.open(root)
    then = time.time() - 61
    os.utime(root / "lock", (then, then))
    RunDirectory.open(root)[0].close()


def test_the_heartbeat_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.001)
    run, _ = RunDirectory.open(root)
    os.utime(root / "lock", (1, 1))
    deadline = time.monotonic() + 10
    while (root / "lock").stat().st_mtime < 100:
        assert time.monotonic() < deadline
    run.close()


def test_a_process_that_lost_the_run_does_not_commit(root: Path) -> None:
    run, _ = RunDirectory.open(root)
    run.commit({}, {}, {})
    thief = replace(lease._myself(), host="node7", token="thief", pid=4)
    (root / "lock").unlink()
    write_lock(root, thief)
    with pytest.raises(LockedRunError, match="found process 4 on node7"):
        run.commit({}, {}, {})
    run.close()
    assert json.loads((root / "lock").read_text())["token"] == "thief"
    assert read(root).commit == 1


def test_an_heir_that_died_on_the_way_is_succeeded(root: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = replace(lease._myself(), pid=dead.pid)
    write_lock(root, replace(gone, token="first"))
    (root / "lock.after-first").write_text(json.dumps(asdict(replace(gone, token="second"))))
    RunDirectory.open(root)[0].close()
    assert not list(root.glob("lock*"))


def test_a_file_system_without_hard_links_will_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    run, _ = RunDirectory.open(root)
    with pytest.raises(LockedRunError):
        RunDirectory.open(root)
    run.close()


@pytest.mark.parametrize("rounds", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_of_eight_heirs_exactly_one_wins(root: Path, rounds: int) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    command = [sys.executable, "-c", RACE, str(root)]
    racers = [subprocess.Popen(command, env=ENV, stdin=-1, stdout=-1, text=True) for _ in range(8)]
    for number in range(rounds):
        assert answers(racers) == ["ready\n"] * 8
        write_lock(root, replace(lease._myself(), pid=dead.pid, token=f"stale{number}"))
        tell(racers)
        assert sorted(answers(racers)) == ["lost\n"] * 7 + ["won\n"]
        tell(racers)
    for racer in racers:
        racer.communicate()
    assert not list(root.glob("lock*"))


def tell(racers: list[subprocess.Popen[str]]) -> None:
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()


def answers(racers: list[subprocess.Popen[str]]) -> list[str]:
    return [racer.stdout.readline() for racer in racers if racer.stdout is not None]

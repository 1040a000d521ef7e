"""A full or failing disk costs nothing that was committed; the commit can be made again."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storage_scenario import CONFIG, N_COMMITS, assert_commit, states
from storage_scenario import deltas as deltas_of

from qdx.core.errors import MachineError
from qdx.core.types import State
from qdx.storage import Delta, RunDirectory, read, verify

CALLS = ["open", "pwrite", "fsync", "replace", "ftruncate"]


class Failing:
    """Lets so many calls of one function pass and fails the rest; short writes come first."""

    def __init__(self, real: Callable[..., Any], passes: int, code: int) -> None:
        self.real, self.passes, self.code = real, passes, code
        self.count = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        if self.count > self.passes:
            if self.real.__name__ == "pwrite" and self.count == self.passes + 1:
                return self.real(args[0], bytes(args[1])[:3], *args[2:])
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*args, **kwargs)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_commit_can_be_made_again(
    tmp_path: Path, small_fan: None, call: str, code: int
) -> None:
    run = RunDirectory.create(tmp_path / "run", CONFIG)
    for commit in range(1, N_COMMITS + 1):
        run.append({"generation": commit, "best": 0.1 * commit})
        meta = {"generation": commit, "versions": {"numpy": "2"}}
        deltas = deltas_of(commit)
        for passes in range(8):
            with pytest.MonkeyPatch.context() as patch:
                failing = Failing(getattr(os, call), passes, code)
                patch.setattr(os, call, failing)
                if failing_commit(run, states(commit), deltas, meta):
                    break
            assert_commit(read(run.path), commit - 1)
            assert verify(run.path).damaged == []
    run.close()
    assert_commit(read(run.path), N_COMMITS)
    assert not list(run.path.rglob("*.tmp"))


def failing_commit(
    run: RunDirectory, parts: dict[str, State], deltas: dict[str, Delta], meta: dict[str, Any]
) -> bool:
    """Whether the commit was made in spite of everything."""
    before = read(run.path).commit
    try:
        run.commit(parts, deltas, meta)
    except MachineError as error:
        said = str(error)
    else:
        return True
    assert str(run.path) in said
    assert f"The last commit, {before}, stands" in said
    return False


def test_a_failed_append_leaves_the_journal_as_it_was(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.append({"generation": 1})
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", Failing(os.pwrite, 0, errno.ENOSPC))
        with pytest.raises(MachineError, match=r"journal\.jsonl: No space left on device.*resume"):
            run.append({"generation": 2, "note": "longer"})
    assert (run.path / "journal.jsonl").read_bytes() == b'{"generation":1}\n'
    run.append({"generation": 2})
    run.commit({}, {}, {})
    assert read(run.path).journal == [{"generation": 1}, {"generation": 2}]


def test_journal_lines_lost_by_a_failed_flush_are_written_again(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.append({"generation": 1})
    run.commit({}, {}, {})
    run.append({"generation": 2})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Failing(os.fsync, 1, errno.EIO))
        with pytest.raises(MachineError, match=r"journal\.jsonl: Input/output error"):
            run.commit({}, {}, {})
    # What Linux does with pages it could not write: they are clean, and gone with the cache.
    (run.path / "journal.jsonl").write_bytes(b'{"generation":1}\n' + bytes(17))
    run.commit({}, {}, {})
    assert read(run.path).journal == [{"generation": 1}, {"generation": 2}]


def test_a_full_disk_does_not_stop_the_timings(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", Failing(os.write, 0, errno.ENOSPC))
    run.time({"wall_s": 1.0})


def test_a_run_that_cannot_be_created_can_be_created_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for passes in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", Failing(os.fsync, passes, errno.EDQUOT))
            with pytest.raises(MachineError, match=r"No run was made\. Make room"):
                RunDirectory.create(tmp_path / "run", CONFIG)
        if (tmp_path / "run" / "manifest-00000000.json").exists():
            break
    else:
        RunDirectory.create(tmp_path / "run", CONFIG).close()
    assert read(tmp_path / "run").commit == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True)
    except OSError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_really_full_disk_gives_the_last_commit(tiny_disk: Path) -> None:
    run = RunDirectory.create(tiny_disk / "run", CONFIG)
    rng, no_ids = np.random.default_rng(0), np.zeros(0, np.int64)
    n = 0
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    while ballast.exists():
        delta = Delta({"id": np.arange(n * 9, n * 9 + 9), "x": rng.normal(size=(9, 99))}, no_ids)
        try:
            run.append({"n": n, "note": "x" * 200})
            run.commit({"p": State({}, {"n": n})}, {"t": delta}, {"n": n})
        except MachineError:
            assert read(run.path).meta == {"n": n - 1}
            assert verify(run.path).damaged == []
            ballast.unlink()
        else:
            n += 1
    run.commit({"p": State({}, {"n": n})}, {"t": delta}, {"n": n})
    assert read(run.path).meta == {"n": n}
    assert len(read(run.path).tables["t"]["id"]) == 9 * (n + 1)
    run.close()

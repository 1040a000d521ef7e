"""Readers work while the campaign commits, and always see one whole commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from storage_scenario import N_COMMITS, assert_commit, campaign, do_commit

from qdx.storage import Delta, RunDirectory, files, manifest, read, snapshot, verify

WRITER = """
import sys
import numpy as np
from qdx.core.types import State
from qdx.storage import Delta, RunDirectory, compaction
compaction.FAN = 2
run, _ = RunDirectory.open(sys.argv[1])
print("go", flush=True)
for n in range(1, 101):
    ids = np.arange(n * 3, n * 3 + 3)
    run.append({"n": n})
    delta = Delta({"id": ids, "n": np.full(3, n)}, np.array([n * 3 - 3]))
    run.commit({"p": State({"n": np.array(n)}, {"n": n})}, {"t": delta}, {"n": n})
run.close()
"""


def test_a_reader_sees_whole_commits_while_segments_are_merged_away(run: RunDirectory) -> None:
    run.commit({}, {}, {"n": 0})
    run.close()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITER, str(run.path)]
    seen: list[int] = []
    with subprocess.Popen(command, env=env, stdout=-1) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            found = read(run.path)
            n = found.meta["n"]
            seen.append(n)
            assert found.skipped == []
            assert [record["n"] for record in found.journal] == list(range(1, n + 1))
            if n:
                assert found.states["p"].arrays["n"] == found.states["p"].json["n"] == n
                kept = [i for m in range(1, n) for i in (m * 3 + 1, m * 3 + 2)]
                expected = [*kept, n * 3, n * 3 + 1, n * 3 + 2]
                assert found.tables["t"]["id"].tolist() == expected
            if len(seen) % 8 == 0:
                assert verify(run.path).damaged == []
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 3


def test_a_file_compacted_away_under_the_reader_sends_it_to_the_newest_manifest(
    run: RunDirectory, small_fan: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for commit in range(1, 3):
        do_commit(run, commit)
    real = manifest.read_manifest

    def overtaken(root: Path, commit: int) -> object:
        found = real(root, commit)
        if commit == 2:
            for later in range(3, N_COMMITS + 1):
                do_commit(run, later)
        return found

    monkeypatch.setattr(snapshot, "read_manifest", overtaken)
    found = read(run.path)
    assert_commit(found, N_COMMITS)
    assert found.skipped == []


def test_a_reader_hashes_the_bytes_it_parses(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = files.read_bytes

    def counting(path: Path, name: str, *, size: int = -1) -> bytes:
        opened.append(name)
        return real(path, name, size=size)

    monkeypatch.setattr(files, "read_bytes", counting)
    read(finished)
    assert len(opened) == len(set(opened))


def test_a_reader_leaves_no_trace(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    read(finished)
    verify(finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_few_files_stay_alive(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", "") as run:
        for n in range(200):
            run.commit({}, {"t": Delta({"id": np.array([n])}, np.array([n - 50]))}, {})
        present = len(list((run.path / "segments").iterdir()))
    assert present <= 3 * 7 + 3 * 8
    assert read(tmp_path / "run").tables["t"]["id"].tolist() == list(range(150, 200))


def test_a_campaign_can_be_read_from_its_first_instant(tmp_path: Path) -> None:
    campaign(tmp_path / "run", lambda commit: assert_commit(read(tmp_path / "run"), commit))

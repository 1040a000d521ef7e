"""A process killed at any operation leaves its last commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from storage_scenario import CONFIG, N_COMMITS, assert_commit, campaign

from qdx.core.errors import ConfigError
from qdx.storage import RunDirectory, read, read_config, verify

DRIVER = Path(__file__).with_name("crash_driver.py")


def crashed_runs(folder: Path, stride: int) -> list[tuple[Path, int]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(DRIVER.parent), *sys.path])}
    command = [sys.executable, str(DRIVER), str(folder), str(stride), "0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [(Path(line["root"]), line["told"]) for line in lines]


def assert_survived(root: Path, told: int) -> None:
    """What is read is the commit the process was told of, or the one it was about to be told of."""
    if told == -1:
        try:
            read(root)
        except ConfigError:  # its creation was cut short and can be begun again
            with RunDirectory.create(root, CONFIG):
                pass
        told = 0
    snapshot = read(root)
    assert snapshot.commit in (told, told + 1)
    assert_commit(snapshot, snapshot.commit)
    assert snapshot.skipped == []
    assert read_config(root) == CONFIG
    report = verify(root)
    assert report.is_sound
    assert report.good == snapshot.commit


def assert_goes_on(root: Path) -> None:
    campaign(root)
    assert_commit(read(root), N_COMMITS)
    report = verify(root)
    assert (report.damaged, report.notes) == ([], [])
    assert not (root / "lock").exists()  # a claim torn in the middle is swept when it is old
    assert not list(root.rglob("*.tmp"))


@pytest.mark.parametrize(
    "stride", [pytest.param(13, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_a_kill_at_any_operation_loses_no_commit(
    tmp_path: Path, small_fan: None, stride: int
) -> None:
    runs = crashed_runs(tmp_path, stride)
    assert len(runs) * stride > 200
    for root, told in runs:
        assert_survived(root, told)
        assert_goes_on(root)

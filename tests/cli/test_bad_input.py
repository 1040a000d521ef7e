"""Bad input: one clear line, the right exit code, and nothing is lost."""

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.core.errors import MachineError
from qdx.storage import files, manifest

GOOD = "budget: 900\ntask: point\nsearcher: {kind: novelty_search, population: 50}\nseed: 1\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished run with three commits."""
    path = tmp_path_factory.mktemp("runs") / "run"
    raw = {
        "budget": 900,
        "seed": 1,
        "task": "point",
        "searcher": {"kind": "novelty_search", "population": 50},
        "checkpoint": {"generations": 3, "seconds": 1000},
    }
    with Campaign(raw, path) as campaign:
        campaign.run()
    return path


@pytest.fixture
def run(finished, folder):
    shutil.copytree(finished, folder / "run")
    return folder / "run"


def fingerprint(folder):
    """Every file and its bytes."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def said(capsys):
    return capsys.readouterr().err.strip()


WRONG_KEYS = {
    "budgte=5": "budgte: unknown key. Did you mean 'budget'?",
    "searcher.neighbors=5": "searcher.neighbors: unknown key. Did you mean 'neighbours'?",
    "searcher.population=many": "searcher.population: expected a valid integer",
    "searcher.sigma=-1": "searcher.sigma: expected greater than 0, got -1",
    "searcher.neighbours=0": "searcher.neighbours: expected greater than or equal to 1, got 0",
    "budget=0": "budget: expected greater than or equal to 1, got 0",
    "seed=-1": "seed: expected greater than or equal to 0, got -1",
    "task=hard_mase": "got 'hard_mase'. Did you mean 'hard_maze'?",
    "searcher.sigma=.inf": "searcher.sigma: expected a finite number or a name, got inf",
    "budget=true": "budget: expected a finite number or a name, got True",
    "name=a/b": "name: expected letters, digits and `_ . + -`",
    "searcher=novelty": "Did you mean 'novelty_search'?",
    "observer=last": "observer: expected one of",
    "archives.cells=grid": "archives.cells: unknown name; novelty_search works with: novelty.",
    "executor.device=cuda:9": "device: expected one of cpu",
    "searcher=3": "searcher: expected a kind or a mapping with `kind`, got 3",
    "budget": "override: expected key=value, got 'budget'",
}


@pytest.mark.parametrize(("override", "message"), WRONG_KEYS.items())
def test_a_wrong_key_gets_one_line_and_exit_code_2(folder, capsys, override, message):
    assert call(["run", "good.yaml", override, "--out", "run"]) == 2
    line = said(capsys)
    assert message in line
    assert len(line.splitlines()) == 1
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget: 1\nbudget: 2\n", "the key 'budget' is given twice"),
        ("budget: [", "is not valid YAML"),
        ("- a\n", "expected a mapping of keys"),
        ("", "got None"),
    ],
)
def test_a_broken_config_file_gets_one_line(folder, capsys, text, message):
    (folder / "bad.yaml").write_text(text)
    assert call(["run", "bad.yaml"]) == 2
    assert message in said(capsys)


def test_a_missing_config_file_gets_one_line(folder, capsys):
    assert call(["run", "nowhere.yaml"]) == 2
    assert "expected a YAML file, got nowhere.yaml" in said(capsys)


def test_a_config_file_that_is_nearly_there_is_suggested(folder, capsys):
    Path("hard_maze.yaml").write_text("seed: 1\n")
    assert call(["run", "hardmaze.yaml"]) == 2
    assert "Did you mean hard_maze.yaml?" in said(capsys)


def test_a_used_directory_is_refused_and_untouched(run, capsys):
    before = fingerprint(run)
    assert call(["run", "good.yaml", "--out", "run"]) == 2
    assert "run" in said(capsys)
    assert fingerprint(run) == before


@pytest.mark.parametrize("command", ["resume", "inspect", "verify", "replay --best"])
def test_a_directory_that_is_no_run_is_refused(folder, capsys, command):
    (folder / "empty").mkdir()
    name, *rest = command.split()
    assert call([name, "empty", *rest]) == 2
    assert "empty" in said(capsys)


def test_a_locked_run_is_refused_with_exit_code_3(folder, capsys):
    raw = {"budget": 500, "task": "point", "searcher": "random_search"}
    with Campaign(raw, folder / "live"):
        assert call(["resume", "live"]) == 3
    assert str(os.getpid()) in said(capsys)


def test_a_run_that_nobody_runs_any_more_is_not_called_running(folder, capsys):
    raw = {"budget": 500, "task": "point", "searcher": "random_search"}
    with Campaign(raw, folder / "left") as campaign:
        campaign.step()
        campaign.commit("running")
        assert StoredRun.open("left").summary()["status"] == "running"
    (folder / "left" / "lock").write_text("{}")  # as a dead holder's that nobody could read
    os.utime(folder / "left" / "lock", (0, 0))
    assert call(["inspect", "left", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "stopped"


def newest(run, pattern):
    return sorted(run.glob(pattern))[-1]


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGES = {
    "a truncated segment": ("segments/*", truncate),
    "one flipped bit in a segment": ("segments/*", flip),
    "a missing segment": ("segments/*", lambda path: path.unlink()),
    "a flipped bit in the manifest": ("manifest-*.json", flip),
    "a missing manifest": ("manifest-*.json", lambda path: path.unlink()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_at_the_end_is_named_and_survived(run, capsys, damage):
    pattern, wound = DAMAGES[damage]
    victim = newest(run, pattern)
    wound(victim)
    assert call(["verify", "run"]) == 3
    shown = capsys.readouterr().out
    assert victim.name in shown
    assert "survives      commit" in shown
    assert call(["resume", "run"]) == 0
    assert "warning: passed over" in said(capsys)
    assert call(["verify", "run"]) == 0


def test_a_damaged_run_resumes_to_the_same_digests(run, finished, capsys):
    truncate(newest(run, "segments/*"))
    assert call(["resume", "run"]) == 0
    capsys.readouterr()
    summaries = []
    for path in (run, finished):
        assert call(["inspect", str(path), "--json"]) == 0
        summaries.append(json.loads(capsys.readouterr().out))
    assert summaries[0]["digest"] == summaries[1]["digest"]
    assert summaries[0]["state_digest"] == summaries[1]["state_digest"]


def test_damage_without_a_good_commit_is_exit_code_3(run, capsys):
    for segment in run.glob("segments/*"):
        flip(segment)
    before = fingerprint(run)
    assert call(["resume", "run"]) == 3
    assert call(["inspect", "run"]) == 3
    assert call(["verify", "run"]) == 3
    assert "survives      nothing" in capsys.readouterr().out
    assert fingerprint(run) == before


def test_a_run_of_a_newer_format_is_refused(folder, capsys, monkeypatch):
    monkeypatch.setattr(manifest, "FORMAT", 99)
    assert call(["run", "good.yaml", "--out", "run"]) == 0
    monkeypatch.undo()
    before = fingerprint(folder / "run")
    assert call(["resume", str(folder / "run")]) == 2
    assert "newer" in said(capsys)
    assert fingerprint(folder / "run") == before


@pytest.mark.parametrize("key", ["seed=2", "searcher.sigma=0.2", "observer=path"])
def test_what_a_run_is_cannot_change_on_resume(run, capsys, key):
    before = fingerprint(run)
    assert call(["resume", "run", key]) == 2
    assert "cannot change in a run that has begun" in said(capsys)
    assert fingerprint(run) == before


def test_a_full_disk_is_exit_code_5_and_the_last_commit_stands(folder, capsys, monkeypatch):
    (folder / "long.yaml").write_text(GOOD + "checkpoint: {generations: 3}\n")
    real, commits = files.os.fsync, []

    def full(fd):
        commits.append(fd)
        if len(commits) > 25:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(files.os, "fsync", full)
    assert call(["run", "long.yaml", "budget=20000", "--out", "run"]) == 5
    message = said(capsys)
    assert "run" in message
    assert "No space left" in message or "full" in message
    monkeypatch.setattr(files.os, "fsync", real)
    assert call(["verify", "run"]) == 0
    assert call(["resume", "run", "budget=3000"]) == 0


def test_a_disk_that_fills_while_the_journal_is_written_loses_nothing(folder, monkeypatch):
    raw = {"budget": 900, "task": "point", "searcher": "random_search"}
    with Campaign(raw, folder / "run") as campaign:
        campaign.step()
        campaign.commit("running")
        real = os.write

        def full(fd, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        monkeypatch.setattr(os, "pwrite", lambda fd, data, at: full(fd, data))
        with pytest.raises(MachineError):
            campaign.run()
        monkeypatch.setattr(os, "write", real)
        monkeypatch.undo()
    assert call(["resume", str(folder / "run")]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "run", "123456789"], "expected an individual that run still holds"),
        (["replay", "run"], "expected an ID or --best"),
        (["export", "run", "--format", "csv"], "csv"),
        (["compare", "run", "nowhere"], "nowhere"),
        (["sweep", "good.yaml", "seed=[]"], "expected at least one value"),
        (["sweep", "good.yaml", "seed=[1,1]"], "are the same"),
        (["sweep", "good.yaml", "seed=[1,2]", "--task", "7"], "--task: expected 0 to 1, got 7"),
        (["sweep", "good.yaml", "searcher.sgima=[1]"], "Did you mean 'sigma'?"),
        (["fly"], "fly"),
    ],
)
def test_wrong_arguments_are_exit_code_2(run, capsys, arguments, message):
    assert call(arguments) == 2
    assert message in said(capsys)


def test_descriptors_outside_the_grid_are_counted_and_said(folder, capsys):
    cells = {"cells": {"kind": "grid", "bins": 10, "bounds": [[-0.1, 0.1], [-0.1, 0.1]]}}
    config = {"budget": 400, "task": "point", "searcher": "map_elites", "archives": cells}
    (folder / "narrow.yaml").write_text(json.dumps(config))
    assert call(["run", "narrow.yaml", "--out", "run"]) == 0
    shown = capsys.readouterr().out
    outside = [line for line in shown.splitlines() if "outside the cells" in line]
    assert len(outside) == 1
    counted = int(outside[0].split()[1])
    truths = np.load(narrow_export(folder))["truth"]
    assert counted > (np.abs(truths) > 0.1).any(axis=1).sum() > 0


def narrow_export(folder):
    assert call(["export", "run", "--format", "ribs", "--out", "e.npz"]) == 0
    return folder / "e.npz"

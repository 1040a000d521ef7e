"""Any file truncated, flipped in one bit or missing is named; what survives is read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from storage_scenario import CONFIG, N_COMMITS, assert_commit, campaign, do_commit

from qdx.core.errors import ConfigError, DamagedRunError
from qdx.core.types import State
from qdx.storage import Delta, RunDirectory, read, read_config, verify
from qdx.storage.manifest import FORMAT, manifest_name, read_manifest


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path, where: float = 0.6) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)


def delete(path: Path) -> None:
    path.unlink()


DAMAGES = [truncate, flip, delete]
damages = pytest.mark.parametrize("damage", DAMAGES)


@damages
def test_every_damaged_file_is_named(
    finished: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    files = sorted(path.relative_to(finished) for path in finished.rglob("*") if path.is_file())
    for file in files:
        if file.name == "timings.jsonl" or file.name.startswith("head-"):
            continue  # nobody depends on these
        copy = tmp_path / "copy"
        shutil.copytree(finished, copy)
        damage(copy / file)
        report = verify(copy)
        said = report.damaged + (report.notes if damage is delete else [])
        assert any(file.name in sentence for sentence in said), file
        shutil.rmtree(copy)


def test_every_flipped_bit_of_a_manifest_shows(finished: Path) -> None:
    path = finished / manifest_name(N_COMMITS)
    data = path.read_bytes()
    for where in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[where] ^= 1 << where % 8
        path.write_bytes(flipped)
        assert read(finished).commit == N_COMMITS - 1


@damages
def test_a_damaged_newest_commit_is_passed_over(
    finished: Path, damage: Callable[[Path], None]
) -> None:
    newest = read_manifest(finished, N_COMMITS).manifest
    assert newest.state is not None
    damage(finished / newest.state.file)
    snapshot = read(finished)
    assert_commit(snapshot, N_COMMITS - 1)
    (sentence,) = snapshot.skipped
    assert sentence.startswith(f"{newest.state.file}: ")
    assert sentence.endswith("; commit 7 is passed over")
    reopened, again = RunDirectory.open(finished)
    reopened.close()
    assert again.skipped == snapshot.skipped
    assert verify(finished).damaged == []
    campaign(finished)
    assert_commit(read(finished), N_COMMITS)
    assert verify(finished).damaged == []


@damages
def test_a_damaged_newest_manifest_costs_one_commit(
    finished: Path, damage: Callable[[Path], None]
) -> None:
    damage(finished / manifest_name(N_COMMITS))
    snapshot = read(finished)
    assert_commit(snapshot, N_COMMITS - 1)
    assert snapshot.skipped[0].startswith(f"{manifest_name(N_COMMITS)}: ")
    assert verify(finished).damaged[0].startswith(f"{manifest_name(N_COMMITS)}: ")
    campaign(finished)
    assert_commit(read(finished), N_COMMITS)


def test_the_sentences_say_what_is_wrong(finished: Path) -> None:
    ref = read_manifest(finished, N_COMMITS).manifest.state
    assert ref is not None
    path, whole = finished / ref.file, (finished / ref.file).read_bytes()
    path.write_bytes(whole[:-5])
    assert f"expected {ref.size} bytes, got {ref.size - 5} (truncated)" in read(finished).skipped[0]
    path.write_bytes(whole + b"x")
    assert "(longer than written)" in read(finished).skipped[0]
    path.write_bytes(whole)
    flip(path)
    assert "sha256 differs" in read(finished).skipped[0]
    path.unlink()
    assert f"{ref.file}: missing" in read(finished).skipped[0]


@damages
def test_a_damaged_base_leaves_nothing_good(finished: Path, damage: Callable[[Path], None]) -> None:
    base = read_manifest(finished, N_COMMITS).manifest.segments[0].ref.file
    damage(finished / base)
    before = sorted(path.name for path in finished.rglob("*"))
    for function in (read, RunDirectory.open):
        with pytest.raises(DamagedRunError, match=base):
            function(finished)
    assert verify(finished).good is None
    assert sorted(path.name for path in finished.rglob("*")) == before


@damages
def test_a_damaged_journal_is_found(finished: Path, damage: Callable[[Path], None]) -> None:
    damage(finished / "journal.jsonl")
    with pytest.raises(DamagedRunError, match=r"journal\.jsonl"):
        read(finished)


def test_damage_beyond_the_committed_journal_does_not_matter(finished: Path) -> None:
    with open(finished / "journal.jsonl", "ab") as file:
        file.write(b"\0\xff garbage")
    campaign(finished)
    assert_commit(read(finished), N_COMMITS)
    assert verify(finished).notes == []


def test_a_lost_only_commit_is_not_taken_for_a_fresh_run(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", CONFIG) as run:
        do_commit(run, 1)
    truncate(tmp_path / "run" / manifest_name(1))
    with pytest.raises(DamagedRunError, match=manifest_name(1)):
        RunDirectory.open(tmp_path / "run")
    assert verify(tmp_path / "run").good is None


def test_all_manifests_gone_is_damage(finished: Path) -> None:
    for path in finished.glob("manifest-*"):
        path.unlink()
    for function in (read, RunDirectory.open, read_config):
        with pytest.raises(DamagedRunError, match="missing, all of them"):
            function(finished)
    assert verify(finished).good is None


def test_a_config_edited_by_hand_is_refused(finished: Path) -> None:
    (finished / "config.yaml").write_text(CONFIG.replace("1", "2"))
    for function in (read, RunDirectory.open, read_config):
        with pytest.raises(ConfigError, match="edited by hand or damaged"):
            function(finished)
    assert "config.yaml" in verify(finished).damaged[0]


def test_a_missing_config_is_damage(finished: Path) -> None:
    (finished / "config.yaml").unlink()
    for function in (read, RunDirectory.open, read_config):
        with pytest.raises(DamagedRunError, match=r"config\.yaml: missing"):
            function(finished)


def test_a_newer_format_asks_for_an_upgrade(finished: Path) -> None:
    path = finished / manifest_name(N_COMMITS)
    body = json.loads(path.read_bytes())["manifest"] | {"format": FORMAT + 1}
    text = json.dumps(body, separators=(",", ":"))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(f'{{"manifest":{text},"sha256":"{checksum}"}}\n')
    wanted = rf"run format {FORMAT + 1} is newer than this qdx reads \({FORMAT}\)"
    for function in (read, RunDirectory.open, read_config, verify):
        with pytest.raises(ConfigError, match=wanted):
            function(finished)


def test_a_merge_of_a_damaged_segment_stops_the_run(tmp_path: Path, small_fan: None) -> None:
    with RunDirectory.create(tmp_path / "run", "") as run:
        for commit in range(3):
            if commit == 2:
                flip(next((tmp_path / "run" / "segments").iterdir()))
            delta = Delta({"id": np.array([commit])}, np.zeros(0, np.int64))
            if commit < 2:
                run.commit({}, {"t": delta}, {})
        with pytest.raises(DamagedRunError, match="damaged while the campaign ran"):
            run.commit({"p": State({}, {})}, {"t": delta}, {})


def test_a_manifest_of_another_run_breaks_the_chain(finished: Path, tmp_path: Path) -> None:
    campaign(tmp_path / "other", lambda commit: None)
    reopened, _ = RunDirectory.open(tmp_path / "other")
    reopened.close()
    other = tmp_path / "other" / manifest_name(N_COMMITS - 1)
    data = other.read_bytes().replace(b'"numpy":"2"', b'"numpy":"1"')
    text = data[len(b'{"manifest":') : -len(b',"sha256":""}\n') - 64]
    checksum = hashlib.sha256(text).hexdigest()
    target = finished / manifest_name(N_COMMITS - 1)
    target.write_bytes(b'{"manifest":' + text + b',"sha256":"' + checksum.encode() + b'"}\n')
    assert any("is not the one" in sentence for sentence in verify(finished).damaged)

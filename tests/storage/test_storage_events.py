"""The event log: whole events come back as they were, unfinished ones never were."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from qdx.core.errors import LockedRunError, MachineError
from qdx.storage.events import (
    Event,
    EventLog,
    check_events,
    count_beyond,
    decode,
    encode,
    read_events,
)
from tests.conformance.making import equal, outcomes


def event(number: int, n: int = 3) -> Event:
    rng = np.random.default_rng(number)
    ends = outcomes(rng.random((n, 2)), rng.random(n), failed=[0] * (number % 2), area=1)
    return Event(number, number + 2, np.arange(n) + 10 * number, ends)


def log(root: Path, told: int = 0) -> EventLog:
    return EventLog(root, told, check=lambda: None)


def filled(root: Path, n: int, told: int = 0) -> None:
    """Events up to n behind those told, in one file."""
    made = log(root, told)
    for number in range(told + 1, n + 1):
        made.append(event(number))
    made.close()


def files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "events").iterdir())


@given(st.integers(1, 99), st.integers(1, 5))
def test_an_event_comes_back_as_it_was(number: int, n: int) -> None:
    assert equal(decode(encode(event(number, n))), event(number, n))


def test_what_was_appended_is_read_in_order_from_any_commit_on(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    for told in range(6):
        beyond = list(log(tmp_path, told).beyond(told))
        assert equal(beyond, [event(number) for number in range(told + 1, 6)])
        assert count_beyond(tmp_path, told) == 5 - told


def test_a_file_is_frames_of_safetensors(tmp_path: Path) -> None:
    """As the page on the run directory says, read without qdx."""
    filled(tmp_path, 2)
    data = (tmp_path / "events" / "events-00000001.log").read_bytes()
    found = []
    while data:
        size = int.from_bytes(data[:8], "little")
        payload, data, sha = data[40 : 40 + size], data[40 + size :], data[8:40]
        assert hashlib.sha256(payload).digest() == sha
        found.append(load(payload))
    assert [int(tensors["event"]) for tensors in found] == [1, 2]
    assert json.loads(found[0]["reason"].tobytes()) == {"0": "made to fail"}
    assert equal(found[1]["fitness"], event(2).outcomes.fitness)


@pytest.mark.parametrize("lost", [1, 41, 200])
def test_an_event_that_was_cut_off_never_was_and_its_number_is_used_again(
    tmp_path: Path, lost: int
) -> None:
    filled(tmp_path, 3)
    path = tmp_path / "events" / "events-00000001.log"
    os.truncate(path, path.stat().st_size - lost)
    assert check_events(tmp_path, 0)[0] == []
    made = log(tmp_path)
    assert made.damage == []
    assert equal(list(made.beyond(0)), [event(1), event(2)])
    made.append(event(3))
    assert equal(list(read_events(tmp_path)), [event(1), event(2), event(3)])


@pytest.mark.parametrize("told", [0, 1])
def test_a_flipped_bit_ends_the_log_there_and_is_said(tmp_path: Path, told: int) -> None:
    filled(tmp_path, 4)
    path = tmp_path / "events" / "events-00000001.log"
    data = bytearray(path.read_bytes())
    data[len(data) // 4 + 300] ^= 1  # in the second of four events
    path.write_bytes(data)
    damaged, _ = check_events(tmp_path, told)
    assert damaged[0].startswith("events/events-00000001.log: event 2 is damaged")
    made = log(tmp_path, told)
    said = "events/events-00000001.log: event 2 is damaged; from there on all run again"
    assert made.damage == [said]
    assert equal(list(made.beyond(told)), [event(1)][told:])
    made.append(event(2))
    assert [e.number for e in read_events(tmp_path)] == [1, 2]


def frames() -> tuple[bytes, list[int]]:
    """A log of four events as bytes, and where each begins and the last ends."""
    with tempfile.TemporaryDirectory() as folder:
        filled(Path(folder), 4)
        data = (Path(folder) / "events" / "events-00000001.log").read_bytes()
    starts = [0]
    while starts[-1] < len(data):
        starts.append(starts[-1] + 40 + int.from_bytes(data[starts[-1] :][:8], "little"))
    return data, starts


DATA, STARTS = frames()


def look_at(data: bytes) -> tuple[list[str], list[str], list[int]]:
    """What is said of a log with these bytes by who checks and who opens it, and what is left."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "events").mkdir()
        (root / "events" / "events-00000001.log").write_bytes(data)
        damaged, _ = check_events(root, 0)
        made = log(root)
        left = [e.number for e in made.beyond(0)]
        made.append(event(len(left) + 1))
        made.close()
        assert equal(list(read_events(root)), [event(n) for n in range(1, len(left) + 2)])
        return damaged, made.damage, left


@given(st.integers(0, 8 * len(DATA) - 1), st.integers(0, STARTS[-1] - STARTS[-2]))
def test_any_flipped_bit_is_said_or_lies_in_the_unfinished_end(bit: int, lost: int) -> None:
    data = bytearray(DATA[: len(DATA) - lost])
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    hit = int(np.searchsorted(STARTS, bit // 8, side="right"))  # the event that it is in
    damaged, said, left = look_at(bytes(data))
    assert left == list(range(1, hit))
    if hit < 4 or not lost:
        assert damaged[0].startswith(f"events/events-00000001.log: event {hit} is damaged")
        assert said[0].startswith(f"events/events-00000001.log: event {hit} is damaged")


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_flipped_bit_in_a_size_is_damage_and_no_unfinished_end(number: int) -> None:
    for bit in range(64):
        data = bytearray(DATA)
        data[STARTS[number - 1] + bit // 8] ^= 1 << bit % 8
        damaged, said, left = look_at(bytes(data))
        assert len(damaged) == len(said) == 1
        assert left == list(range(1, number))


@given(st.integers(0, len(DATA)))
def test_a_log_that_was_cut_anywhere_is_not_damaged(size: int) -> None:
    damaged, said, left = look_at(DATA[:size])
    assert damaged == said == []
    assert left == [n for n in range(1, 5) if STARTS[n] <= size]


@pytest.mark.parametrize("begun", [b"\xff" * 60, b"\x07" * 3000], ids=["short", "long"])
def test_an_end_that_is_no_event_is_damage(begun: bytes) -> None:
    damaged, said, left = look_at(DATA + begun)
    assert len(damaged) == len(said) == 1
    assert left == [1, 2, 3, 4]


def test_a_missing_file_is_damage_and_what_follows_on_it_is_given_up(tmp_path: Path) -> None:
    made = log(tmp_path)
    for told in (0, 2, 4):
        made.append(event(told + 1))
        made.append(event(told + 2))
        made.committed(None)
    assert check_events(tmp_path, 0) == (
        [],
        ["events: 6 beyond the newest commit, told again on resume"],
    )
    (tmp_path / "events" / "events-00000003.log").unlink()
    said = ["events/events-00000005.log: begins at event 5, so events 3 to 4 miss"]
    assert check_events(tmp_path, 0)[0] == said
    assert [e.number for e in log(tmp_path).beyond(0)] == [1, 2]
    assert files(tmp_path) == ["events-00000001.log"]


def test_commits_begin_files_and_let_go_of_those_that_none_needs(tmp_path: Path) -> None:
    made, told, commits = log(tmp_path), 0, [0]
    for _ in range(5):
        for _ in range(2):
            told += 1
            made.append(event(told))
        commits.append(told)
        made.committed(commits[-3:][0])
        assert next(iter(read_events(tmp_path))).number <= commits[-3:][0] + 1
    assert files(tmp_path) == ["events-00000007.log", "events-00000009.log"]
    made.committed(10)  # nothing was told since
    made.committed(10)
    assert files(tmp_path) == []


def test_the_disk_that_takes_no_event_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, 2)
    made = log(tmp_path, 0)
    size = (tmp_path / "events" / "events-00000001.log").stat().st_size

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MachineError, match=r"No space left.*resume"):
            made.append(event(3))
    assert (tmp_path / "events" / "events-00000001.log").stat().st_size == size
    made.append(event(3))
    assert [e.number for e in read_events(tmp_path)] == [1, 2, 3]


def test_nothing_is_written_once_another_process_has_the_run(tmp_path: Path) -> None:
    def gone() -> None:
        raise LockedRunError("taken")

    with pytest.raises(LockedRunError):
        EventLog(tmp_path, 0, check=gone).append(event(1))
    assert not (tmp_path / "events").exists()

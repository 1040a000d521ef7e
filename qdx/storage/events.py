"""The event log of a steady campaign: every result, in the order in which it was told.

An event is written and flushed before it is told, so a kill loses none: what was told is written,
and what was written is told on resume. Files `events/events-N.log` hold events from number N on; a
commit begins a new one. A file is a sequence of frames,

    size of the payload (8 bytes, little endian), its SHA-256 (32 bytes), the payload

and a payload is a safetensors file: `event` (its number, from 1), `asked` (shards that had been
asked for when it was told), `id`, the columns of the outcomes, `reason` (JSON: row → why it
failed). A payload's own header says its size once more, so a frame that reaches beyond the end of
its file is told apart: begun and never finished, if both agree; damaged, if not.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array
from safetensors.numpy import load, save

from qdx.core.types import Outcomes
from qdx.storage.files import fsync_folder, machine_errors, remove, spaced, write_all

EVENTS = "events"
_NAME = re.compile(r"events-(\d{8,})\.log")
_SIZE, _HEAD = 8, 8 + 32  # bytes before a payload
_COLUMNS = ("fitness", "length", "truth", "failed", "reward_area")
_OBSERVATION = "observation/"


class Event(NamedTuple):
    """A result.

    Attributes:
        number: Counts from 1.
        asked: Shards that had been asked for when it was told, over the whole campaign.
        ids: Of the shard, as it was asked for.
        outcomes: Row by row.
    """

    number: int
    asked: int
    ids: Int64[Array, " B"]
    outcomes: Outcomes


@final
class EventLog:
    """The log, open for writing behind its last whole event."""

    def __init__(self, root: Path, told: int, *, check: Callable[[], None]) -> None:
        """Find what lies beyond a commit, and cut off what a kill left unfinished.

        Args:
            root: The run directory.
            told: Events of the commit that the campaign goes on from.
            check: Raises when another process has taken the run.
        """
        self._root, self._folder, self._check = root, root / EVENTS, check
        self._fd, self._size = -1, 0
        self.damage: list[str] = []  # sentences: what cannot be read, and what came after it
        self._beyond: list[Path] = []
        self._next = told + 1
        with machine_errors(root, "The last commit stands", then="try again"):
            self._take_over(told)

    def beyond(self, told: int) -> Iterator[Event]:
        """The events after the first so many, in order."""
        for path in self._beyond:
            for payload in _payloads(path):
                event = decode(payload)
                if event.number > told:
                    yield event

    def append(self, event: Event) -> None:
        """Write an event and flush it; if that fails the log is as before.

        Raises:
            MachineError: The disk did not take it.
            LockedRunError: Another process has the run.
        """
        self._check()
        payload = encode(event)
        size = len(payload).to_bytes(_SIZE, "little")
        frame = size + hashlib.sha256(payload).digest() + payload
        with machine_errors(self._root, "The last event stands", then="resume"):
            if self._fd < 0:
                self._begin(event.number)
            try:
                write_all(self._fd, frame, offset=self._size)
                os.fsync(self._fd)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                raise
        self._size += len(frame)
        self._next = event.number + 1

    def committed(self, oldest: int | None) -> None:
        """A commit holds all that was told: go on in a new file.

        Args:
            oldest: Events of the oldest commit in place, which alone may still be needed; None to
                keep all events.
        """
        self.close()
        self._beyond = []
        if oldest is None:
            return
        files = _files(self._folder)
        ends = [first for first, _ in files[1:]] + [self._next]  # what follows on each
        for (_, path), end in zip(files, ends, strict=False):
            if end <= oldest + 1:
                remove(path)

    def close(self) -> None:
        """Let the file go."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size = -1, 0

    def _take_over(self, told: int) -> None:
        files = _files(self._folder)
        for i, (first, path) in enumerate(files):
            if i + 1 < len(files) and files[i + 1][0] <= told + 1:
                continue  # the commit has all of it
            name = f"{EVENTS}/{path.name}"
            if first > self._next:
                self.damage.append(f"{name}: follows on events that are lost; they run again")
                remove(path)
                continue
            whole, number = _whole(path, first)
            if _is_damaged(path, whole):
                self.damage.append(
                    f"{name}: event {number} is damaged; from there on all run again"
                )
            if number >= self._next:
                self._beyond.append(path)
                self._next = number
                self._open(path, whole)

    def _open(self, path: Path, size: int) -> None:
        self.close()
        self._fd, self._size = os.open(path, os.O_RDWR | os.O_CREAT, 0o666), size
        os.ftruncate(self._fd, size)

    def _begin(self, number: int) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir()
            fsync_folder(self._root)
        self._open(self._folder / f"events-{number:08d}.log", 0)
        fsync_folder(self._folder)


def encode(event: Event) -> bytes:
    """The payload of an event."""
    outcomes = event.outcomes
    reasons = {str(i): str(outcomes.reason[i]) for i in np.flatnonzero(outcomes.failed)}
    tensors = {
        "event": np.array(event.number),
        "asked": np.array(event.asked),
        "id": event.ids,
        **{name: getattr(outcomes, name) for name in _COLUMNS},
        **{_OBSERVATION + name: values for name, values in outcomes.observations.items()},
        "reason": np.frombuffer(json.dumps(reasons).encode(), np.uint8),
    }
    return save({name: np.asarray(values, order="C") for name, values in tensors.items()})


def decode(payload: bytes) -> Event:
    """The inverse of `encode`."""
    tensors = load(payload)
    reasons = json.loads(tensors["reason"].tobytes())
    ids = tensors["id"]
    outcomes = Outcomes(
        **{name: tensors[name] for name in _COLUMNS},
        observations={
            name.removeprefix(_OBSERVATION): values
            for name, values in tensors.items()
            if name.startswith(_OBSERVATION)
        },
        reason=np.array([reasons.get(str(i), "") for i in range(len(ids))], np.str_),
    )
    return Event(int(tensors["event"]), int(tensors["asked"]), ids, outcomes)


def read_events(root: Path) -> Iterator[Event]:
    """What the log of a run holds, the oldest first; without a lock, and changing nothing."""
    for _, path in _files(root / EVENTS):
        yield from map(decode, _payloads(path))


def count_beyond(root: Path, told: int) -> int:
    """Whole events that lie beyond a commit; also while they are being written."""
    files = _files(root / EVENTS)
    end = told + 1
    for first, path in files:
        if first <= end:
            with suppress(FileNotFoundError):  # a commit has just done away with it
                end = max(end, _whole(path, first)[1])
    return end - told - 1


def check_events(root: Path, told: int) -> tuple[list[str], list[str]]:
    """What is damaged, and what is left unfinished, as sentences.

    Args:
        root: The run directory.
        told: Events of the newest commit that verifies.
    """
    damaged, notes = [], []
    files = [(first, path) for first, path in _files(root / EVENTS) if path.exists()]
    end = min(files[0][0], told + 1) if files else told + 1
    for first, path in files:
        name = f"{EVENTS}/{path.name}"
        if first > end:
            damaged.append(f"{name}: begins at event {first}, so events {end} to {first - 1} miss")
        whole, end = _whole(path, first)
        rest = path.stat().st_size - whole
        if _is_damaged(path, whole):
            damaged.append(f"{name}: event {end} is damaged, {spaced(rest)} bytes from there on")
        elif rest:
            notes.append(f"{name}: {spaced(rest)} bytes of an unfinished event, never told")
    if end > told + 1:
        notes.append(f"{EVENTS}: {end - told - 1} beyond the newest commit, told again on resume")
    return damaged, notes


def _files(folder: Path) -> list[tuple[int, Path]]:
    """Files of the log by the number of their first event."""
    if not folder.is_dir():
        return []
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(match[1]), path) for match, path in matches if match)


def _payloads(path: Path) -> Iterator[bytes]:
    """The payloads of a file up to the first that is not whole."""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD)) == _HEAD:
            n = int.from_bytes(head[:_SIZE], "little")
            if n > end - file.tell():  # before it is read: a damaged size may be beyond all memory
                return
            payload = file.read(n)
            if hashlib.sha256(payload).digest() != head[_SIZE:]:
                return
            yield payload


def _whole(path: Path, first: int) -> tuple[int, int]:
    """Bytes of the whole events of a file, and the number after the last of them."""
    size = 0
    for payload in _payloads(path):
        size, first = size + _HEAD + len(payload), first + 1
    return size, first


def _is_damaged(path: Path, offset: int) -> bool:
    """Whether what follows on the whole events is anything but the beginning of another one."""
    with open(path, "rb") as file:
        file.seek(offset)
        head, begun = file.read(_HEAD), file.read()
    n = int.from_bytes(head[:_SIZE], "little")
    if len(head) < _HEAD:
        return False
    return n <= len(begun) or not _begins(begun, n)


def _begins(begun: bytes, n: int) -> bool:
    """Whether some bytes may be the first of a safetensors file of n bytes.

    Such a file is the size of its header (8 bytes, little endian), the header, which is JSON with
    the `data_offsets` of each tensor, and the data.
    """
    header = 8 + int.from_bytes(begun[:8], "little")
    if len(begun) < header:  # what it says of its size is not there yet
        return len(begun) < 8 or (header <= n and begun[8:9] in (b"", b"{"))
    try:
        tensors = json.loads(begun[8:header])
        return bool(header + max(t["data_offsets"][1] for t in tensors.values()) == n)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False

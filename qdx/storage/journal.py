"""The journal, a JSON line per generation, of which a commit vouches for a prefix; the timings."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import final

from qdx.core.types import Json
from qdx.storage.files import DamagedFileError, FileRef, compare, encode_json, read_bytes, write_all

JOURNAL = "journal.jsonl"
TIMINGS = "timings.jsonl"


@final
class Journal:
    """The journal, open for writing behind its committed prefix.

    Lines are written at a known offset, not appended, so what a failed write left is overwritten by
    the next.
    """

    def __init__(self, root: Path, committed: bytes) -> None:
        """Open the journal and cut off what no commit vouches for."""
        self._path = root / JOURNAL
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        self._size = len(committed)
        self._hash = hashlib.sha256(committed)
        self._pending = b""
        self._is_suspect = False
        os.ftruncate(self._fd, self._size)

    def append(self, record: Json) -> None:
        """Write one line; if that fails the journal is as before.

        Raises:
            ConfigError: The record is no strict JSON.
            OSError: The line could not be written.
        """
        line = encode_json(record, "journal record").encode() + b"\n"
        try:
            write_all(self._fd, line, offset=self._size)
        except OSError as error:
            error.filename = str(self._path)
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        self._size += len(line)
        self._hash.update(line)
        self._pending += line

    def sync(self) -> FileRef:
        """Flush to the disk; the reference vouches for everything appended so far."""
        try:
            if self._is_suspect:
                # After a failed fsync Linux calls the lost pages clean, and a second fsync would
                # succeed without them.
                write_all(self._fd, self._pending, offset=self._size - len(self._pending))
            os.ftruncate(self._fd, self._size)
            os.fsync(self._fd)
        except OSError as error:
            error.filename = str(self._path)
            self._is_suspect = True
            raise
        self._is_suspect, self._pending = False, b""
        return FileRef(JOURNAL, self._size, self._hash.copy().hexdigest())

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)


def read_journal(root: Path, ref: FileRef) -> bytes:
    """The committed prefix.

    Raises:
        DamagedFileError: It is missing, shorter than committed, or of another checksum.
    """
    data = read_bytes(root / ref.file, ref.file, size=ref.size)
    compare(ref, len(data), sha256=hashlib.sha256(data).hexdigest())
    return data


def parse_lines(data: bytes) -> list[Json]:
    """Journal lines as records."""
    return [json.loads(line) for line in data.splitlines()]


@final
class Timings:
    """Wall-clock lines: no checksum, no fsync, and a full disk is no reason to stop."""

    def __init__(self, root: Path) -> None:
        """Open the file behind its last line."""
        self._fd = os.open(root / TIMINGS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            with suppress(OSError):  # a line torn by a kill must not swallow the next one
                os.write(self._fd, b"\n")

    def append(self, line: Json) -> None:
        """Write one line if the disk takes it."""
        text = encode_json(line, "timings line").encode() + b"\n"
        with suppress(OSError):
            os.write(self._fd, text)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)


def read_timings(path: str | Path) -> list[Json]:
    """The lines of `timings.jsonl` that can be read; none where there is no such file.

    A resumed run repeats the generations after its last commit, so a generation may occur twice;
    the later line counts.
    """
    try:
        data = read_bytes(Path(path) / TIMINGS, TIMINGS)
    except DamagedFileError:
        return []
    lines: list[Json] = []
    for line in data.splitlines():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines

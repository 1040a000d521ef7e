"""Bytes on disk: written beside and renamed, flushed, and read back against a checksum.

All writing goes through `os.write`, `os.pwrite`, `os.fsync` and `os.replace`, so a test can cut the
process off at any of them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdx.core.errors import ConfigError, MachineError

BESIDE = ".tmp"  # what is written beside its final name ends like this
# What a disk answers when the file is not there or not readable any more; everything else
# (permissions, too many open files) says nothing about the file and must not make a reader pass a
# commit over.
_GONE = {errno.ENOENT, errno.ENOTDIR}
_UNREADABLE = {errno.EIO, errno.EISDIR}
_FULL = {errno.ENOSPC, errno.EDQUOT}


class DamagedFileError(Exception):
    """A file is not what its manifest says; a sentence that begins with the file's name."""


@dataclass(frozen=True)
class FileRef:
    """A file as a manifest names it.

    Attributes:
        file: Path relative to the run directory, with forward slashes.
        size: Bytes.
        sha256: Of all its bytes, in hexadecimal.
    """

    file: str
    size: int
    sha256: str


def refer(file: str, data: bytes) -> FileRef:
    """The reference to a file that holds these bytes."""
    return FileRef(file, len(data), hashlib.sha256(data).hexdigest())


def write_all(fd: int, data: bytes, *, offset: int) -> None:
    """Write every byte at the offset; the kernel may take fewer at a time than it is given."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place whole or not at all; its folder is still to be flushed."""
    beside = path.with_name(path.name + BESIDE)
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            write_all(fd, data, offset=0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(beside, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        remove(beside)
        raise


def remove(path: Path) -> None:
    """Unlink as far as the machine lets us; what stays is swept away at the next open."""
    with suppress(OSError):
        os.unlink(path)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_bytes(path: Path, name: str, *, size: int = -1) -> bytes:
    """The bytes of a file, or at most its first `size`.

    Raises:
        DamagedFileError: The file is missing, or the disk cannot read it.
    """
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        if error.errno in _GONE:
            raise DamagedFileError(f"{name}: missing") from error
        if error.errno in _UNREADABLE:
            raise DamagedFileError(f"{name}: cannot be read ({error.strerror})") from error
        raise


def read_checked(root: Path, ref: FileRef) -> bytes:
    """The bytes of a file, which are exactly the bytes that were hashed.

    Raises:
        DamagedFileError: Missing, of another size, or of another checksum.
    """
    data = read_bytes(root / ref.file, ref.file)
    compare(ref, len(data), sha256=hashlib.sha256(data).hexdigest())
    return data


def compare(ref: FileRef, size: int, *, sha256: str) -> None:
    """Raise `DamagedFileError` unless size and checksum are those of the manifest."""
    if size != ref.size:
        what = "truncated" if size < ref.size else "longer than written"
        raise DamagedFileError(
            f"{ref.file}: expected {spaced(ref.size)} bytes, got {spaced(size)} ({what})"
        )
    if sha256 != ref.sha256:
        raise DamagedFileError(
            f"{ref.file}: sha256 differs: expected {ref.sha256[:12]}…, got {sha256[:12]}… (damaged)"
        )


@contextmanager
def machine_errors(root: Path, standing: str, *, then: str) -> Iterator[None]:
    """Turn what the operating system refuses into a `MachineError`.

    Args:
        root: The run directory.
        standing: What is left, as a sentence without its full stop.
        then: What the user does once the cause is away.
    """
    try:
        yield
    except OSError as error:
        todo = "Make room there" if error.errno in _FULL else "See to the disk and its permissions"
        raise MachineError(
            f"{error.filename or root}: {error.strerror or error}. {standing}. {todo}, then {then}."
        ) from error


def spaced(number: int) -> str:
    """A number with its thousands apart: 10 234."""
    return f"{number:,}".replace(",", " ")


def encode_json(value: Any, name: str) -> str:
    """A value as one line of strict JSON that reads back equal.

    Raises:
        ConfigError: It holds NaN or infinity, a key that is no string, or an object JSON does not
            have.
    """
    _refuse_foreign_keys(value, name)
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{name}: expected strict JSON, got a value it cannot hold: {error}. "
            "Give None for a missing number, and arrays as arrays."
        ) from error


def _refuse_foreign_keys(value: Any, name: str) -> None:
    # json.dumps would quietly turn {1: …} into {"1": …}, and a resumed run would differ.
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ConfigError(
                    f"{name}: expected JSON keys that are strings, got {key!r}. Write str(key)."
                )
            _refuse_foreign_keys(inner, name)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_foreign_keys(inner, name)

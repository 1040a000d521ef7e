"""Reading a run: without a lock, while it runs, and never a byte that no commit vouches for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from numpy import ndarray as Array

from qdx.core.errors import ConfigError, DamagedRunError
from qdx.core.types import Json, State
from qdx.storage.compaction import fold
from qdx.storage.files import (
    DamagedFileError,
    FileRef,
    machine_errors,
    read_bytes,
    read_checked,
    spaced,
)
from qdx.storage.journal import JOURNAL, parse_lines, read_journal
from qdx.storage.manifest import (
    Kept,
    Manifest,
    head_number,
    manifest_name,
    manifest_numbers,
    read_manifest,
)
from qdx.storage.segments import Delta, decode_states, decode_tables, empty_columns

CONFIG = "config.yaml"
_ATTEMPTS = 50  # times a reader starts over because the campaign has committed meanwhile


@dataclass(frozen=True)
class Snapshot:
    """Everything of one commit.

    Attributes:
        states: Part → its state.
        tables: Table → its live rows as columns, in the order of their last insertion.
        journal: The records up to this commit.
        commit: Its number; 0 for a run that has not committed yet.
        meta: What the caller passed to `commit`.
        skipped: Sentences: what was damaged and passed over to find this commit.
    """

    states: dict[str, State]
    tables: dict[str, dict[str, Array]]
    journal: list[Json]
    commit: int
    meta: Json
    skipped: list[str]


@dataclass(frozen=True)
class Found:
    """The newest commit that verifies, with what the writer needs to go on from it."""

    kept: Kept
    snapshot: Snapshot
    journal: bytes


def read(path: str | Path) -> Snapshot:
    """The newest commit of a run that verifies.

    Raises:
        ConfigError: No run lies there, a newer qdx wrote it, or its config was changed.
        DamagedRunError: No commit verifies.
        MachineError: The disk or its permissions do not let us read.
    """
    root = Path(path)
    with machine_errors(root, "Nothing was changed", then="try again"):
        for _ in range(_ATTEMPTS):
            before = marks(root)
            try:
                snapshot = find(root).snapshot
            except DamagedRunError:
                if marks(root) == before:
                    raise
                continue
            # Something was passed over: damaged, or compacted away by a commit made while we read.
            if not snapshot.skipped or marks(root) == before:
                return snapshot
        return find(root).snapshot


def read_config(path: str | Path) -> str:
    """The text of `config.yaml`, verified against the newest readable manifest.

    Raises:
        ConfigError: No run lies there, or the file was changed.
        DamagedRunError: It is missing, or no manifest can be read.
    """
    root = Path(path)
    damages: list[str] = []
    with machine_errors(root, "Nothing was changed", then="try again"):
        require_run(root)
        for number in manifest_numbers(root):
            try:
                return check_config(root, read_manifest(root, number).manifest.config)
            except DamagedFileError as damage:
                damages.append(str(damage))
    _refuse_damaged(root, damages)


def find(root: Path) -> Found:
    """The newest commit that verifies, at one look.

    Raises:
        ConfigError: As `read`.
        DamagedRunError: As `read`.
    """
    require_run(root)
    head = head_number(root)  # before the manifests: a commit made in between must not be missed
    skipped: list[str] = []
    numbers = manifest_numbers(root)
    if head > numbers[0]:
        skipped.append(f"{manifest_name(head)}: missing; commit {head} is passed over")
    for number in numbers:
        if number == 0 and skipped:
            break  # the run before its first commit: falling back to nothing is a loss, no rescue
        try:
            kept = read_manifest(root, number)
            check_config(root, kept.manifest.config)
            found = _load(root, kept)
        except DamagedFileError as damage:
            skipped.append(f"{damage}; commit {number} is passed over")
            continue
        return replace(found, snapshot=replace(found.snapshot, skipped=skipped))
    _refuse_damaged(root, skipped)


def require_run(root: Path) -> None:
    """Raise unless a directory holds a run, whatever its health.

    Raises:
        ConfigError: It does not, or the run was never finished being created.
        DamagedRunError: All its manifests are missing.
    """
    if not root.is_dir():
        raise ConfigError(
            f"{root}: expected a run directory, found {'a file' if root.exists() else 'nothing'}."
        )
    if manifest_numbers(root):
        return
    if not (root / CONFIG).exists():
        raise ConfigError(
            f"{root}: expected a run directory, found no {CONFIG} in it. `qdx run` makes one."
        )
    journal = root / JOURNAL
    if any(root.glob("segments/seg-*")) or (journal.exists() and journal.stat().st_size):
        raise DamagedRunError(
            f"{root}: manifest-*.json: missing, all of them. Put them back from a copy of the run; "
            "without them nothing tells which files make a commit."
        )
    raise ConfigError(
        f"{root}: expected a run, found one whose creation was cut short. Nothing is lost: "
        "start it again with `qdx run`."
    )


def check_config(root: Path, ref: FileRef) -> str:
    """The config's text.

    Raises:
        ConfigError: It is not the text the run was created with.
        DamagedRunError: It is missing.
    """
    try:
        data = read_bytes(root / CONFIG, CONFIG)
    except DamagedFileError as damage:
        raise DamagedRunError(f"{root}: {damage}. Put it back from a copy of the run.") from damage
    got = hashlib.sha256(data).hexdigest()
    if got != ref.sha256:
        raise ConfigError(
            f"{root / CONFIG}: expected the {spaced(ref.size)} bytes the run was started with "
            f"(sha256 {ref.sha256[:12]}…), got {spaced(len(data))} bytes (sha256 {got[:12]}…): "
            "edited by hand or damaged. Put the original back; to change a key use "
            "`qdx resume DIR key=value` or start a new run."
        )
    return data.decode()


def newest_first(root: Path, manifest: Manifest) -> Iterator[dict[str, Delta]]:
    """The tables' segments, the newest first, each read when it is asked for."""
    for segment in reversed(manifest.segments):
        yield decode_tables(read_checked(root, segment.ref))


def _load(root: Path, kept: Kept) -> Found:
    manifest = kept.manifest
    arrays = decode_states(read_checked(root, manifest.state)) if manifest.state else {}
    states = {
        part: State({name: arrays[part][name] for name in stored["arrays"]}, stored["json"])
        for part, stored in manifest.states.items()
    }
    rows = fold(newest_first(root, manifest), is_whole=True)
    tables: dict[str, dict[str, Array]] = {}
    for table, schema in manifest.tables.items():
        columns = schema or {"id": ("int64", ())}
        added = rows[table].added if table in rows else {}
        tables[table] = {name: added[name] for name in columns} if added else empty_columns(columns)
    journal = read_journal(root, manifest.journal)
    snapshot = Snapshot(
        states, tables, parse_lines(journal), manifest.commit, manifest.meta, skipped=[]
    )
    return Found(kept, snapshot, journal)


def marks(root: Path) -> list[tuple[int, int, int]]:
    """Which manifests lie there; a commit that was made again under its old number shows too."""
    found: list[tuple[int, int, int]] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for number in manifest_numbers(root):
            status = (root / manifest_name(number)).stat()
            found.append((number, status.st_ino, status.st_mtime_ns))
    return found


def _refuse_damaged(root: Path, sentences: list[str]) -> NoReturn:
    raise DamagedRunError(
        f"{root}: expected a commit that verifies, found none. "
        + ". ".join(sentences)
        + ". Put the named files back from a copy of the run; `qdx verify` checks all of them."
    )

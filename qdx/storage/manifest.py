"""Manifests: the list of everything a commit consists of; renaming one into place is the commit.

The file is one line, `{"manifest":<body>,"sha256":"<of the body's bytes>"}`, taken apart by
position and not by meaning, so that any flipped bit shows. `format` in the body goes up with every
change an older qdx cannot read; the envelope stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdx.core.errors import ConfigError
from qdx.core.types import Json
from qdx.storage.files import DamagedFileError, FileRef, encode_json, read_bytes
from qdx.storage.segments import Schema

FORMAT = 2
KEPT = 3  # manifests: a damaged newest one costs one commit, and a slow reader finds its files
_NAME = re.compile(r"manifest-(\d{8,})\.json")
_HEAD_NAME = re.compile(r"head-(\d{8,})")
_HEAD, _MIDDLE, _TAIL = b'{"manifest":', b',"sha256":"', b'"}\n'


@dataclass(frozen=True)
class Segment:
    """A live segment file and how many times its rows have been merged."""

    ref: FileRef
    level: int


@dataclass(frozen=True)
class Manifest:
    """One commit.

    Attributes:
        commit: Counts from 1; 0 is the run before its first commit.
        config: `config.yaml`, the same in all manifests of a run.
        journal: The committed prefix of `journal.jsonl`.
        state: The arrays of all parts; None where no part has any.
        segments: Tables, oldest first.
        next_segment: Number of the next segment file; never goes back, so a name never gets new
            contents.
        tables: Table → columns; None for a table that never had a row.
        states: Part → {"arrays": names in order, "json": its JSON}.
        meta: The caller's.
        earlier: File name → checksum of the manifests kept beside this one.
    """

    commit: int
    config: FileRef
    journal: FileRef
    state: FileRef | None
    segments: tuple[Segment, ...]
    next_segment: int
    tables: Mapping[str, Schema | None]
    states: Mapping[str, Json]
    meta: Json
    earlier: Mapping[str, str]

    def files(self) -> list[FileRef]:
        """Every file in `segments/` this commit needs."""
        return [s.ref for s in self.segments] + ([self.state] if self.state else [])


@dataclass(frozen=True)
class Kept:
    """A manifest in place, and the checksum in its file."""

    manifest: Manifest
    checksum: str


def manifest_name(commit: int) -> str:
    """File name of a commit's manifest."""
    return f"manifest-{commit:08d}.json"


def segment_name(number: int) -> str:
    """Path of a segment in the run directory."""
    return f"segments/seg-{number:08d}.safetensors"


def manifest_numbers(root: Path) -> list[int]:
    """The commits whose manifests lie in a run directory, newest first."""
    matches = [_NAME.fullmatch(path.name) for path in root.iterdir()]
    return sorted((int(m[1]) for m in matches if m), reverse=True)


def head_number(root: Path) -> int:
    """The newest commit there ever was, 0 where nothing tells."""
    matches = [_HEAD_NAME.fullmatch(path.name) for path in root.iterdir()]
    return max((int(m[1]) for m in matches if m), default=0)


def mark_head(root: Path, commit: int) -> None:
    """Say in a file's name which commit is the newest, so that its manifest is missed if it goes.

    Done after the commit is on the disk and never flushed: the name may be older than the newest
    manifest, not newer. Nothing else depends on it.
    """
    with suppress(OSError):
        heads = [path for path in root.iterdir() if _HEAD_NAME.fullmatch(path.name)]
        if not heads:
            os.close(os.open(root / f"head-{commit:08d}", os.O_WRONLY | os.O_CREAT, 0o666))
        for path in heads:
            os.rename(path, root / f"head-{commit:08d}")


def encode(manifest: Manifest) -> tuple[bytes, str]:
    """The bytes of a manifest and the checksum in them."""
    body = {
        "format": FORMAT,
        "commit": manifest.commit,
        "config": vars(manifest.config),
        "journal": vars(manifest.journal),
        "state": vars(manifest.state) if manifest.state else None,
        "segments": [{**vars(s.ref), "level": s.level} for s in manifest.segments],
        "next_segment": manifest.next_segment,
        "tables": dict(manifest.tables),
        "states": dict(manifest.states),
        "meta": manifest.meta,
        "earlier": dict(manifest.earlier),
    }
    text = encode_json(body, "commit").encode()
    checksum = hashlib.sha256(text).hexdigest()
    return _HEAD + text + _MIDDLE + checksum.encode() + _TAIL, checksum


def read_manifest(root: Path, commit: int) -> Kept:
    """A commit's manifest.

    Raises:
        DamagedFileError: The file is missing or not byte for byte what was written.
        ConfigError: A newer qdx wrote it.
    """
    name = manifest_name(commit)
    data = read_bytes(root / name, name)
    rest, tail = data[: -len(_TAIL)], data[-len(_TAIL) :]
    text, checksum = rest[len(_HEAD) : -64 - len(_MIDDLE)], rest[-64:]
    whole = _HEAD + text + _MIDDLE + hashlib.sha256(text).hexdigest().encode()
    if tail != _TAIL or rest != whole:
        raise DamagedFileError(f"{name}: checksum differs (truncated or damaged)")
    body = json.loads(text)
    if body["format"] > FORMAT:
        raise ConfigError(
            f"{root}: run format {body['format']} is newer than this qdx reads ({FORMAT}); "
            "upgrade qdx."
        )
    if body["commit"] != commit:
        raise DamagedFileError(f"{name}: holds commit {body['commit']} (renamed by hand?)")
    return Kept(_decode(body), checksum.decode())


def _decode(body: dict[str, Any]) -> Manifest:
    return Manifest(
        commit=body["commit"],
        config=FileRef(**body["config"]),
        journal=FileRef(**body["journal"]),
        state=FileRef(**body["state"]) if body["state"] else None,
        segments=tuple(
            Segment(FileRef(s["file"], s["size"], s["sha256"]), s["level"])
            for s in body["segments"]
        ),
        next_segment=body["next_segment"],
        tables={table: _schema(columns) for table, columns in body["tables"].items()},
        states=body["states"],
        meta=body["meta"],
        earlier=body["earlier"],
    )


def _schema(columns: dict[str, Any] | None) -> Schema | None:
    if columns is None:
        return None
    return {name: (dtype, tuple(row)) for name, (dtype, row) in columns.items()}

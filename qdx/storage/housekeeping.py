"""The files a run begins with, and the removal of what dead writers and newer commits leave."""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from pathlib import Path

from qdx.core.errors import ConfigError
from qdx.storage.files import BESIDE, DamagedFileError, fsync_folder, refer, remove, write_file
from qdx.storage.journal import JOURNAL, TIMINGS, Journal
from qdx.storage.lease import LOCK
from qdx.storage.manifest import (
    KEPT,
    Kept,
    Manifest,
    encode,
    manifest_name,
    manifest_numbers,
    mark_head,
    read_manifest,
)
from qdx.storage.snapshot import CONFIG

_SEGMENT = re.compile(r"seg-(\d{8,})\.safetensors")
# What a creation that was cut short can have left: everything but a manifest.
_FIRST_FILES = {CONFIG, JOURNAL, TIMINGS, LOCK}


def refuse_used(root: Path) -> None:
    """Raise unless a run may begin here.

    It may in a new or empty directory, or where an earlier creation was cut short.

    Raises:
        ConfigError: It may not.
    """
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root}: expected a directory for the run, found a file. Name another.")
    if not root.exists():
        return
    if manifest_numbers(root):
        raise ConfigError(
            f"{root}: expected a new directory, found a run. Go on with it by `qdx resume {root}`, "
            "or name another."
        )
    for path in sorted(root.iterdir()):
        is_ours = path.name in _FIRST_FILES or path.name.startswith(f"{LOCK}.")
        is_ours |= path.name.endswith(BESIDE)
        is_ours |= path.name == "segments" and not any(path.iterdir())
        if not is_ours or (path.name == JOURNAL and path.stat().st_size):
            raise ConfigError(
                f"{root}: expected a new or empty directory, found {path.name!r} in it. Name "
                "another, or move that away."
            )


def begin(root: Path, config: bytes) -> tuple[Kept, Journal]:
    """Write the files of a run before its first commit; commit 0 vouches for the config."""
    (root / "segments").mkdir(exist_ok=True)
    write_file(root / CONFIG, config)
    journal = Journal(root, b"")
    first = Manifest(
        commit=0,
        config=refer(CONFIG, config),
        journal=journal.sync(),
        state=None,
        segments=(),
        next_segment=1,
        tables={},
        states={},
        meta={},
        earlier={},
    )
    data, checksum = encode(first)
    write_file(root / manifest_name(0), data)
    mark_head(root, 0)
    fsync_folder(root)
    fsync_folder(root.absolute().parent)
    return Kept(first, checksum), journal


def earlier_manifests(root: Path, manifest: Manifest) -> list[Kept]:
    """The readable manifests before this one that are to be kept beside it, oldest first."""
    kept: list[Kept] = []
    for number in manifest_numbers(root):
        if number < manifest.commit and len(kept) < KEPT - 1:
            with suppress(DamagedFileError):
                kept.append(read_manifest(root, number))
    return kept[::-1]


def unused_segment(root: Path, kept: list[Kept]) -> int:
    """A segment number that neither a manifest nor a file has ever had."""
    matches = [_SEGMENT.match(path.name) for path in _segment_files(root)]
    present = [int(match[1]) + 1 for match in matches if match]
    return max([k.manifest.next_segment for k in kept] + present)


def clear_beyond(root: Path, kept: list[Kept]) -> None:
    """Remove everything newer than the last kept commit, the manifests first.

    Raises:
        OSError: A newer manifest cannot be removed, so going on could bring it back.
    """
    (root / "segments").mkdir(exist_ok=True)
    mark_head(root, kept[-1].manifest.commit)
    remove_manifests(root, kept)
    if manifest_numbers(root)[0] != kept[-1].manifest.commit:
        raise OSError(errno.EACCES, "a damaged manifest cannot be removed", str(root))
    fsync_folder(root)
    remove_segments(root, kept)


def remove_manifests(root: Path, kept: list[Kept]) -> None:
    """Remove, as far as possible, every other manifest and unfinished file."""
    names = {manifest_name(k.manifest.commit) for k in kept}
    others = {manifest_name(number) for number in manifest_numbers(root)} - names
    for path in [*root.glob(f"*{BESIDE}"), *(root / name for name in others)]:
        remove(path)


def remove_segments(root: Path, kept: list[Kept]) -> None:
    """Remove, as far as possible, every segment that no kept manifest names."""
    names = {ref.file for k in kept for ref in k.manifest.files()}
    for path in _segment_files(root):
        if f"segments/{path.name}" not in names:
            remove(path)


def _segment_files(root: Path) -> list[Path]:
    return list((root / "segments").glob("seg-*"))

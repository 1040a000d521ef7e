"""Verification: every checksum and invariant, of all kept commits and not only the newest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qdx.core.errors import ConfigError, DamagedRunError
from qdx.storage import compaction
from qdx.storage.events import check_events
from qdx.storage.files import (
    BESIDE,
    DamagedFileError,
    FileRef,
    machine_errors,
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
from qdx.storage.segments import Delta, Schema, decode_states, ids
from qdx.storage.snapshot import check_config, marks, newest_first, require_run

_ATTEMPTS = 20


@dataclass(frozen=True)
class Report:
    """What a run directory's check found.

    Attributes:
        commits: The commits whose manifests lie there, newest first.
        good: The newest commit that verifies, from which resume goes on; None where there is none.
        damaged: Sentences, each beginning with the file's name; empty for a sound run.
        notes: Sentences about what is there and harmless: the traces of a writer that was killed or
            is at work.
    """

    commits: list[int] = field(default_factory=list)
    good: int | None = None
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged


def verify(path: str | Path) -> Report:
    """Check every file that a kept commit names, and what must hold between them.

    Raises:
        ConfigError: No run lies there, or a newer qdx wrote it. A changed config is a damage in the
            report.
        MachineError: The disk or its permissions do not let us read.
    """
    root = Path(path)
    with machine_errors(root, "Nothing was changed", then="try again"):
        for _ in range(_ATTEMPTS):
            before = marks(root)
            report = _check_run(root)
            if report.good is not None or marks(root) == before:
                return report
            # Commits made meanwhile took all files away.
        return _check_run(root)


def _check_run(root: Path) -> Report:
    try:
        require_run(root)
    except DamagedRunError as error:
        return Report(damaged=[str(error)])
    head = head_number(root)
    commits = manifest_numbers(root)
    damaged = [f"{manifest_name(head)}: missing"] if head > commits[0] else []
    kept: dict[int, Kept] = {}
    good: int | None = None
    verdicts: dict[FileRef, str] = {}
    for number in commits:
        try:
            kept[number] = read_manifest(root, number)
            problems = _check_files(root, kept[number].manifest, verdicts=verdicts)
            if not problems and good is None:
                problems = _check_contents(root, kept[number].manifest)
                good = None if problems else number
        except DamagedFileError as damage:
            problems = [str(damage)]
        if (root / manifest_name(number)).exists():  # else later commits took its files meanwhile
            damaged += problems
    if good == 0 and max(head, commits[0]) != 0:
        good = None  # the empty run is no refuge, as in `find`
    damaged += _check_chain(kept)
    notes = _leftovers(root, list(kept.values())) + _missing(commits, kept)
    if good is not None:
        wrong, more = check_events(root, kept[good].manifest.meta.get("events", 0))
        damaged, notes = damaged + wrong, notes + more
    return Report(commits, good, list(dict.fromkeys(damaged)), notes)


def _check_files(root: Path, manifest: Manifest, *, verdicts: dict[FileRef, str]) -> list[str]:
    """What is wrong with the files of one commit; a segment of several commits is read once."""
    problems: list[str] = []
    try:
        check_config(root, manifest.config)
    except (ConfigError, DamagedRunError) as error:
        problems.append(str(error))
    try:
        read_journal(root, manifest.journal)
    except DamagedFileError as damage:
        problems.append(str(damage))
    for ref in manifest.files():
        if ref not in verdicts:
            verdicts[ref] = _checksum_problem(root, ref)
        problems += [verdicts[ref]] if verdicts[ref] else []
    return problems


def _checksum_problem(root: Path, ref: FileRef) -> str:
    try:
        read_checked(root, ref)
    except DamagedFileError as damage:
        return str(damage)
    return ""


def _check_contents(root: Path, manifest: Manifest) -> list[str]:
    """What is wrong inside files whose checksums are right: a bug of the writer, not the disk."""
    name = manifest_name(manifest.commit)
    problems = list(_check_tables(root, manifest))
    data = read_checked(root, manifest.state) if manifest.state else None
    got = {part: set(arrays) for part, arrays in decode_states(data).items()} if data else {}
    expected = {p: set(s["arrays"]) for p, s in manifest.states.items() if s["arrays"]}
    if got != expected:
        problems.append(f"{name}: state: expected the arrays {expected}, got {got}")
    levels = [segment.level for segment in manifest.segments]
    if levels != sorted(levels, reverse=True) or any(
        levels.count(n) >= compaction.FAN for n in levels
    ):
        problems.append(
            f"{name}: expected falling levels, fewer than {compaction.FAN} of each, got {levels}"
        )
    try:
        parse_lines(read_journal(root, manifest.journal))
    except ValueError as error:
        problems.append(f"{manifest.journal.file}: expected a JSON object a line: {error}")
    return problems


def _check_tables(root: Path, manifest: Manifest) -> Iterator[str]:
    known: dict[str, Schema | None] = dict(manifest.tables)
    for segment, deltas in zip(
        reversed(manifest.segments), newest_first(root, manifest), strict=True
    ):
        for table, delta in deltas.items():
            problem = _check_columns(delta, known[table]) if table in known else ""
            if problem:
                yield f"{segment.ref.file}: table {table!r}: {problem}"
            if delta.reset:
                known.pop(table, None)  # what lies before a reset may have had other columns


def _check_columns(delta: Delta, schema: Schema | None) -> str:
    if len(np.unique(ids(delta))) != len(ids(delta)):
        return "expected each id once, got repeats"
    if len({len(array) for array in delta.added.values()}) > 1:
        return "expected columns of one length"
    got = {column: (a.dtype.name, a.shape[1:]) for column, a in delta.added.items()}
    return f"expected the columns {schema}, got {got}" if got and got != schema else ""


def _check_chain(kept: dict[int, Kept]) -> list[str]:
    """Each manifest vouches for those kept beside it."""
    return [
        f"{manifest_name(number)}: is not the one that {manifest_name(later)} was written beside"
        for later in kept
        for number in kept
        if kept[later].manifest.earlier.get(manifest_name(number), kept[number].checksum)
        != kept[number].checksum
    ]


def _missing(commits: list[int], kept: dict[int, Kept]) -> list[str]:
    if not kept:
        return []
    present = {manifest_name(number) for number in commits}
    return [
        f"{name}: missing; the newer commits do without it"
        for name in kept[max(kept)].manifest.earlier
        if name not in present
    ]


def _leftovers(root: Path, kept: list[Kept]) -> list[str]:
    if not kept:
        return []
    named = {ref.file for k in kept for ref in k.manifest.files()}
    notes = [
        f"{path.relative_to(root).as_posix()}: named by no commit, goes when the run goes on"
        for path in sorted([*root.glob("segments/seg-*"), *root.glob(f"*{BESIDE}")])
        if path.relative_to(root).as_posix() not in named
    ]
    journal = root / JOURNAL
    beyond = journal.stat().st_size - kept[0].manifest.journal.size if journal.exists() else 0
    if beyond > 0:
        notes.append(f"{JOURNAL}: {spaced(beyond)} bytes beyond the newest commit, not counted")
    return notes

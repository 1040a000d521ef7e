"""The run directory as its one writer sees it: create or open, append, commit, close.

    config.yaml                       as the run was created
    segments/seg-*.safetensors        tables' deltas, merged now and then; the parts' arrays
    manifest-*.json                   the last three commits
    head-*                            empty: which commit is the newest, should its manifest go
    journal.jsonl  timings.jsonl      one line a generation
    events/events-*.log               results of a steady campaign, each before it is told
    lock                              who writes

A process may die at any instant. Everything a commit names is on the disk before its manifest is
renamed into place, and nothing a kept manifest names is ever changed or removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import final

from qdx.core.errors import DamagedRunError
from qdx.core.types import Json, State
from qdx.storage.compaction import fold, plan
from qdx.storage.events import EventLog
from qdx.storage.files import (
    DamagedFileError,
    FileRef,
    encode_json,
    fsync_folder,
    machine_errors,
    read_checked,
    refer,
    write_file,
)
from qdx.storage.housekeeping import (
    begin,
    clear_beyond,
    earlier_manifests,
    refuse_used,
    remove_manifests,
    remove_segments,
    unused_segment,
)
from qdx.storage.journal import Journal, Timings
from qdx.storage.lease import Lease
from qdx.storage.manifest import (
    KEPT,
    Kept,
    Manifest,
    Segment,
    encode,
    manifest_name,
    manifest_numbers,
    mark_head,
    segment_name,
)
from qdx.storage.segments import Delta, check_delta, decode_tables, encode_states, encode_tables
from qdx.storage.snapshot import Snapshot, find, require_run


@final
class RunDirectory:
    """A run directory held for writing; to be used from one thread and closed."""

    def __init__(self, root: Path, lease: Lease, *, kept: list[Kept], journal: Journal) -> None:
        """Use `create` or `open`.

        Args:
            root: The directory.
            lease: Its lock.
            kept: The manifests in place, oldest first; the last is the commit to go on from.
            journal: Cut to that commit.
        """
        self.path = root
        self._lease = lease
        self._kept = kept
        self._journal = journal
        self._timings = Timings(root)
        self._next_segment = kept[-1].manifest.next_segment
        self._is_closed = False

    @classmethod
    def create(cls, path: str | Path, config_text: str) -> RunDirectory:
        """Begin a run, at commit 0, with its config.

        Raises:
            ConfigError: The directory holds a run or anything else.
            LockedRunError: Another process is creating a run there.
            MachineError: The disk did not take it.
        """
        root = Path(path)
        with machine_errors(root, "No run was made", then="try again"):
            refuse_used(root)
            root.mkdir(parents=True, exist_ok=True)
            lease = Lease.acquire(root)
            try:
                refuse_used(root)
                first, journal = begin(root, config_text.encode())
                return cls(root, lease, kept=[first], journal=journal)
            except BaseException:
                lease.release()
                raise

    @classmethod
    def open(cls, path: str | Path) -> tuple[RunDirectory, Snapshot]:
        """Take a run over to go on with it, from its newest commit that verifies.

        What lies beyond that commit is removed: unfinished files, damaged newer commits, the end of
        the journal.

        Raises:
            ConfigError: No run lies there, a newer qdx wrote it, or its config was changed.
            LockedRunError: A live process writes to it.
            DamagedRunError: No commit verifies.
            MachineError: The disk did not let us.
        """
        root = Path(path)
        with machine_errors(root, "The last commit stands", then="try again"):
            require_run(root)
            lease = Lease.acquire(root)
            try:
                found = find(root)
                kept = [*earlier_manifests(root, found.kept.manifest), found.kept]
                next_segment = unused_segment(root, kept)
                clear_beyond(root, kept)
                journal = Journal(root, found.journal)
                run = cls(root, lease, kept=kept, journal=journal)
                run._next_segment = next_segment
                return run, found.snapshot
            except BaseException:
                lease.release()
                raise

    def append(self, record: Json) -> None:
        """Add a record to the journal; the next commit makes it count.

        Raises:
            ConfigError: The record is no strict JSON.
            MachineError: The disk did not take it; the journal is as before and the record may be
                given again.
        """
        self._refuse_closed()
        with machine_errors(self.path, self._standing(), then=self._then()):
            self._journal.append(record)

    def time(self, line: Json) -> None:
        """Add a line to `timings.jsonl`, which no commit covers."""
        self._refuse_closed()
        self._timings.append(line)

    def commit(self, states: Mapping[str, State], deltas: Mapping[str, Delta], meta: Json) -> None:
        """Make everything so far durable, or nothing.

        Args:
            states: Every part, whole.
            deltas: What changed in each table since the last commit that succeeded.
            meta: Versions, device, generation, status: whatever is to be read without the arrays.

        Raises:
            ConfigError: Something cannot be stored; nothing was written.
            MachineError: The disk did not take it. The last commit stands and the same call may be
                made again.
            LockedRunError: This process lost the run to another one.
            DamagedRunError: A segment about to be merged is damaged.
        """
        self._refuse_closed()
        self._lease.check()
        _check_json(states, meta)
        last = self._kept[-1].manifest
        tables = dict(last.tables)
        for table, delta in deltas.items():
            tables[table] = check_delta(table, delta, known=tables.get(table))
        data = encode_states(states)
        with machine_errors(self.path, self._standing(), then=self._then()), self._undoing():
            segments = self._write_tables(last, deltas)
            state = self._write_segment(data) if data else None
            fsync_folder(self.path / "segments")
            manifest = replace(
                last,
                commit=last.commit + 1,
                journal=self._journal.sync(),
                state=state,
                segments=segments,
                next_segment=self._next_segment,
                tables=tables,
                states={p: {"arrays": list(s.arrays), "json": s.json} for p, s in states.items()},
                meta=meta,
                earlier={
                    manifest_name(k.manifest.commit): k.checksum for k in self._kept[1 - KEPT :]
                },
            )
            kept = self._put_manifest(manifest)
        self._kept = kept
        mark_head(self.path, kept[-1].manifest.commit)
        remove_segments(self.path, kept)

    def events(self, told: int) -> EventLog:
        """The event log of a steady campaign that goes on after so many events."""
        return EventLog(self.path, told, check=self._lease.check)

    @property
    def metas(self) -> list[Json]:
        """What was passed to the commits in place, oldest first."""
        return [kept.manifest.meta for kept in self._kept]

    def close(self) -> None:
        """Let the run go; what was not committed is forgotten."""
        if self._is_closed:
            return
        self._is_closed = True
        self._journal.close()
        self._timings.close()
        self._lease.release()

    def __enter__(self) -> RunDirectory:
        """The run directory itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, whatever happened."""
        self.close()

    def _write_tables(self, last: Manifest, deltas: Mapping[str, Delta]) -> tuple[Segment, ...]:
        """The live segments with the deltas among them, merged where enough stand together."""
        new = {table: delta for table, delta in deltas.items() if not delta.is_empty()}
        if not new:
            return last.segments
        swallowed, level = plan([s.level for s in last.segments])
        staying = last.segments[: len(last.segments) - swallowed]
        if swallowed:
            new = fold(self._newest_first(last, new, swallowed=swallowed), is_whole=not staying)
        if all(delta.is_empty() for delta in new.values()):
            return staying
        return (*staying, Segment(self._write_segment(encode_tables(new)), level))

    def _newest_first(
        self, last: Manifest, new: dict[str, Delta], *, swallowed: int
    ) -> Iterator[dict[str, Delta]]:
        yield new
        for segment in reversed(last.segments[-swallowed:]):
            try:
                yield decode_tables(read_checked(self.path, segment.ref))
            except DamagedFileError as damage:
                raise DamagedRunError(
                    f"{self.path}: {damage}. It was damaged while the campaign ran, so commit "
                    f"{last.commit} cannot be merged into the next. Put the file back from a copy; "
                    "`qdx verify` says what survives."
                ) from damage

    def _write_segment(self, data: bytes) -> FileRef:
        ref = refer(segment_name(self._next_segment), data)
        self._next_segment += 1
        write_file(self.path / ref.file, data)
        return ref

    def _put_manifest(self, manifest: Manifest) -> list[Kept]:
        data, checksum = encode(manifest)
        write_file(self.path / manifest_name(manifest.commit), data)
        kept = [*self._kept, Kept(manifest, checksum)][-KEPT:]
        remove_manifests(self.path, kept)
        fsync_folder(self.path)
        return kept

    @contextmanager
    def _undoing(self) -> Iterator[None]:
        """Take back a commit that failed, so that the disk says what the caller is told."""
        try:
            yield
        except BaseException:
            remove_manifests(self.path, self._kept)
            present = self._kept[-1].manifest.commit
            if max(manifest_numbers(self.path), default=0) <= present:
                remove_segments(self.path, self._kept)
            raise

    def _standing(self) -> str:
        return f"The last commit, {self._kept[-1].manifest.commit}, stands"

    def _then(self) -> str:
        return f"go on with `qdx resume {self.path}`"

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise ValueError(f"{self.path}: the run directory is closed")


def _check_json(states: Mapping[str, State], meta: Json) -> None:
    # The manifest is encoded as a whole later; here a value that JSON cannot hold is called by its
    # part's name.
    encode_json(meta, "meta")
    for part, state in states.items():
        encode_json(state.json, f"state {part!r}")

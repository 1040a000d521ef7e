"""What must hold in every run beyond checksums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qdx.assembly.parts import build
from qdx.assembly.stored import StoredRun
from qdx.core.records import joined


def broken(run: StoredRun) -> list[str]:
    """A sentence per invariant that does not hold; empty for a sound run."""
    return list(_broken(run)) if run.snapshot.commit else []


def _broken(run: StoredRun) -> Iterator[str]:
    snapshot = run.snapshot
    records = snapshot.tables.get("records", {}).get("id", np.zeros(0, np.int64))
    for name in run.archive_names():
        lost = np.setdiff1d(run.archive_ids(name), records)
        if len(lost):
            yield f"archive {name}: {len(lost)} members have no record, {lost[0]} among them."
    generations = [line["generation"] for line in snapshot.journal]
    if generations != list(range(1, len(generations) + 1)):
        yield "journal: generations are not counted 1, 2, 3, …"
    tally = run.tally()
    told = snapshot.states["steady"].json["window"] if "steady" in snapshot.states else {}
    recorded = tally.evaluations - told.get("evaluations", 0)  # a steady window has no line yet
    if snapshot.journal and snapshot.journal[-1]["evaluations"] != recorded:
        yield (
            f"journal: ends at {snapshot.journal[-1]['evaluations']} evaluations, not at "
            f"{recorded}."
        )
    metrics, arrays = tally.metrics(), tally.state().arrays
    seen = int(arrays["visits_all"].sum()) + metrics["failed"] + metrics["truth_outside"]
    if seen != tally.evaluations:
        yield f"tally: {seen} visits, failures and strays for {tally.evaluations} evaluations."
    yield from _archives_do_not_rebuild(run)


def _archives_do_not_rebuild(run: StoredRun) -> Iterator[str]:
    """An archive built anew from its members must keep them all: one elite per cell."""
    parts = build(run.config)
    try:
        parts.records.load(joined(run.snapshot.tables))
        for name, archive in parts.archives.items():
            ids = run.archive_ids(name)
            archive.load(run.snapshot.tables.get(f"archives/{name}", {}).get("id", ids))
            if not np.array_equal(np.sort(archive.members()), ids):
                kept = len(archive.members())
                yield f"archive {name}: rebuilding keeps {kept} of {len(ids)} members."
    finally:
        parts.executor.close()

"""The run directory: one process writes, any number read, a kill loses no commit.

A commit stores the state of every part whole and, for each table, what is new.
`docs/run-directory.md` has the format; Rosenblum & Ousterhout, "The Design and Implementation of a
Log-Structured File System", ACM TOCS 10(1), 1992, the idea.
"""

from qdx.storage.events import Event, EventLog, count_beyond
from qdx.storage.journal import read_timings
from qdx.storage.lease import is_held
from qdx.storage.run_directory import RunDirectory
from qdx.storage.segments import Delta
from qdx.storage.snapshot import Snapshot, read, read_config
from qdx.storage.verification import Report, verify

__all__ = [
    "Delta",
    "Event",
    "EventLog",
    "Report",
    "RunDirectory",
    "Snapshot",
    "count_beyond",
    "is_held",
    "read",
    "read_config",
    "read_timings",
    "verify",
]

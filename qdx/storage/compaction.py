"""Tiered compaction: few files, each row rewritten O(log n) times.

The live segments stand in order of commit. Every commit adds one of level 0; as soon as FAN of one
level stand at the end they become one of the next level, in the same commit, and so on up. Levels
therefore never rise from front to back and no level holds FAN segments or more: with FAN = 8 the
63rd file comes after 8^9 commits. This is the log-structured merge of O'Neil, Cheng, Gawlick and
O'Neil, "The Log-Structured Merge-Tree (LSM-Tree)", Acta Informatica 33, 1996, with tiers instead of
levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy import ndarray as Array

from qdx.storage.segments import Columns, Delta, ids

FAN = 8  # segments of one level that become one of the next


def plan(levels: Sequence[int]) -> tuple[int, int]:
    """How many of the last segments the new one swallows, and the level it then has."""
    swallowed, level = 0, 0
    while True:
        end = len(levels) - swallowed
        start = end
        while start and levels[start - 1] == level:
            start -= 1
        if end - start + 1 < FAN:
            return swallowed, level
        swallowed, level = swallowed + end - start, level + 1


def fold(newest_first: Iterable[dict[str, Delta]], *, is_whole: bool) -> dict[str, Delta]:
    """One delta per table with the effect of all of them.

    Runs from the newest to the oldest, so each row is looked at once and a segment's dead rows are
    let go before the next segment is loaded. Equals the naive form: apply them one after the other
    to an empty table.

    Args:
        newest_first: Deltas by table, one mapping per segment, drawn one at a time.
        is_whole: No segment comes before these, so removals need not be kept.
    """
    tables: dict[str, _Folding] = {}
    for deltas in newest_first:
        for table, delta in deltas.items():
            tables.setdefault(table, _Folding()).look_back(delta)
    return {table: folding.result(is_whole=is_whole) for table, folding in tables.items()}


@dataclass
class _Folding:
    """What the newer segments say about one table.

    `gone` holds the ids that older segments may not contribute any more: removed later, or added
    again later.
    """

    pieces: list[Columns] = field(default_factory=list)
    gone: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    is_reset: bool = False

    def look_back(self, delta: Delta) -> None:
        if self.is_reset:
            return
        if len(ids(delta)):
            alive = ~np.isin(ids(delta), self.gone)
            whole = bool(alive.all())
            piece = {name: a if whole else a[alive] for name, a in delta.added.items()}
            if alive.any():
                self.pieces.append(piece)
        self.gone = np.concatenate([self.gone, ids(delta), delta.removed])
        self.is_reset = delta.reset

    def result(self, *, is_whole: bool) -> Delta:
        pieces = self.pieces[::-1]
        added = {n: np.concatenate([p[n] for p in pieces]) for n in pieces[0]} if pieces else {}
        # A removal matters to earlier segments only; an added id replaces an earlier row without
        # it.
        is_first = is_whole or self.is_reset
        removed = np.zeros(0, np.int64)
        if not is_first:
            removed = np.setdiff1d(self.gone, added["id"] if added else removed)
        return Delta(added, removed, reset=self.is_reset and not is_whole)

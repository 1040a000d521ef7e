"""A small campaign, the same each time, and what must be read back after each commit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from qdx.core.errors import ConfigError
from qdx.core.types import State
from qdx.storage import Delta, RunDirectory, Snapshot, read

CONFIG = "name: scenario\nseed: 1\n"
N_COMMITS = 7
Rows = dict[int, tuple[Any, ...]]


class Model:
    """Tables as plain dictionaries: id → the rest of the row, in order of insertion."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {}

    def apply(self, table: str, delta: Delta) -> None:
        rows = self.tables.setdefault(table, {})
        if delta.reset:
            rows.clear()
        for row_id in delta.removed.tolist():
            rows.pop(row_id, None)
        names = [name for name in delta.added if name != "id"]
        for i, row_id in enumerate(delta.added.get("id", np.zeros(0, np.int64)).tolist()):
            rows.pop(row_id, None)
            rows[row_id] = tuple(delta.added[name][i].tobytes() for name in names)


def rows_of(columns: dict[str, np.ndarray]) -> Rows:
    names = [name for name in columns if name != "id"]
    return {
        row_id: tuple(columns[name][i].tobytes() for name in names)
        for i, row_id in enumerate(columns["id"].tolist())
    }


def assert_tables(snapshot: Snapshot, model: Model) -> None:
    assert snapshot.tables.keys() == model.tables.keys()
    for table, rows in model.tables.items():
        assert list(rows_of(snapshot.tables[table]).items()) == list(rows.items()), table


def states(commit: int) -> dict[str, State]:
    rng = np.random.default_rng(commit)
    visits = np.full((2, 3), commit, np.uint64)
    return {
        "searcher": State({"mean": rng.normal(size=3), "step": np.array(commit)}, {"n": commit}),
        "archives/novelty": State({"visits": visits, "none": np.zeros((0, 2), np.int8)}, {}),
        "idle": State({}, {"list": [1, None, 2.5, "σ"]}),
    }


def deltas(commit: int) -> dict[str, Delta]:
    """Rows come and go; commit 4 moves the space of one table."""
    rng = np.random.default_rng(1000 + commit)
    fresh = np.arange(commit * 4, commit * 4 + 4)
    everything = np.arange(4, commit * 4 + 4)
    ids = everything if commit == 4 else fresh
    genes = rng.normal(size=(4, 5)).astype(np.float32)
    genes[0, 0] = np.nan
    return {
        "records": Delta({"id": fresh, "genes": genes}, rng.choice(everything, 2)),
        "members/novelty": Delta(
            {"id": ids, "descriptor": rng.normal(size=(len(ids), 2))},
            fresh[:0],
            reset=commit == 4,
        ),
    }


def model_at(commit: int) -> Model:
    model = Model()
    for earlier in range(1, commit + 1):
        for table, delta in deltas(earlier).items():
            model.apply(table, delta)
    return model


def assert_commit(snapshot: Snapshot, commit: int) -> None:
    """The snapshot is, to the bit, what commit number `commit` of the scenario stored."""
    assert snapshot.commit == commit
    assert_tables(snapshot, model_at(commit))
    assert [r["generation"] for r in snapshot.journal] == list(range(1, commit + 1))
    if commit == 0:
        assert (snapshot.states, snapshot.meta) == ({}, {})
        return
    assert snapshot.meta == {"generation": commit, "versions": {"numpy": "2"}}
    for part, state in states(commit).items():
        got = snapshot.states[part]
        assert got.json == state.json
        assert list(got.arrays) == list(state.arrays)
        for name, array in state.arrays.items():
            assert got.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(got.arrays[name], array, strict=True)


def do_commit(run: RunDirectory, commit: int) -> None:
    run.append({"generation": commit, "best": 0.1 * commit})
    run.time({"wall_s": 1.0})
    run.commit(states(commit), deltas(commit), {"generation": commit, "versions": {"numpy": "2"}})


def campaign(root: Path, committed: Callable[[int], None] = lambda commit: None) -> None:
    """Create the run or go on with it, up to its last commit; `committed` hears of each."""
    try:
        read(root)
    except ConfigError:
        run, first = RunDirectory.create(root, CONFIG), 0
    else:
        run, snapshot = RunDirectory.open(root)
        first = snapshot.commit
    with run:
        committed(first)
        for commit in range(first + 1, N_COMMITS + 1):
            do_commit(run, commit)
            committed(commit)

"""The record store: every evaluation that somebody still holds, once, keyed by id.

Population, emitters and archives hold ids; genes, outcomes, observations and descriptors of an id
live here. Holders count their references with `hold` and `release`; `sweep` drops the rows nobody
holds. A moved behaviour space is one pass (`redescribe`). What changed since the last commit is
known (`changes`), so that storing costs what is new; a moved space makes descriptors anew and
nothing else, which is why they are stored in a table of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray as Array

from qdx.core.types import Described, Evaluations, Genomes, Lineage, Outcomes, State

Columns = dict[str, Any]
OBSERVATION = "observation/"
CHAIN = ("seed", "sigma")  # columns of seed chains, beside "parent"
DESCRIPTION = ("descriptor", "surprise")  # columns that move with the space
CHUNK = 1024  # rows that are described anew at a time: frames of more would be copied at once


class Changes(NamedTuple):
    """What a commit has to write of one table.

    Attributes:
        added: New rows by column, "id" among them.
        removed: Ids of rows that left, of those written before.
        reset: Everything written before is void; `added` is the whole table.
    """

    added: Columns
    removed: Int64[Array, " R"]
    reset: bool


@final
class Records:
    """Rows of evaluations by id, with reference counts."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}
        self._columns: Columns = {}
        self._references = np.zeros(0, np.int32)
        self._size = 0
        self._touched: set[int] = set()
        self._fresh: dict[int, None] = {}
        self._gone: set[int] = set()
        self._has_moved = self._is_unwritten = False
        self.space = 0

    def __len__(self) -> int:
        return len(self._row)

    def add(self, evaluations: Evaluations) -> None:
        """Rows of a new batch. They stay until the next `sweep` unless somebody holds them."""
        self.space = evaluations.described.space
        self.load(columns_of(evaluations))
        ids = evaluations.genomes.ids.tolist()
        self._fresh.update(dict.fromkeys(ids))
        self._touched.update(ids)

    def load(self, columns: Columns) -> None:
        """Rows by column, as a commit holds them."""
        ids = columns.get("id", [])
        if not len(ids):  # a table that never had rows has no columns either
            return
        start, end = self._size, self._size + len(ids)
        self._reserve(end, columns)
        for name, values in columns.items():
            self._columns[name][start:end] = values
        self._references[start:end] = 0
        self._row.update(zip(ids.tolist(), range(start, end), strict=True))
        self._size = end
        if CHAIN[0] in columns:
            self.hold(columns["parent"][columns["parent"] >= 0])

    def hold(self, ids: Int64[Array, " R"]) -> None:
        """One more reference to each."""
        np.add.at(self._references, self.rows(ids), 1)

    def release(self, ids: Int64[Array, " R"]) -> None:
        """One reference less to each."""
        np.subtract.at(self._references, self.rows(ids), 1)
        self._touched.update(ids.tolist())

    def sweep(self) -> None:
        """Drop the rows nobody holds. Called at the end of a generation."""
        while self._touched:  # a chain that leaves lets its parent go
            touched = np.fromiter(self._touched, np.int64, len(self._touched))
            self._touched.clear()
            unheld = touched[self._references[self.rows(touched)] == 0]
            if len(unheld) and CHAIN[0] in self._columns:
                parents = self.column("parent", unheld)
                self.release(parents[parents >= 0])
            self._drop(unheld.tolist())
        if self._size > 1024 and self._size > 2 * len(self._row):
            self._pack()

    def _drop(self, ids: list[int]) -> None:
        for id_ in ids:
            del self._row[id_]
            if id_ in self._fresh:
                del self._fresh[id_]
            else:
                self._gone.add(id_)

    def rows(self, ids: Int64[Array, " R"]) -> Int64[Array, " R"]:
        """Positions of ids in the columns.

        Raises:
            KeyError: An id that is not here.
        """
        return np.fromiter(map(self._row.__getitem__, ids.tolist()), np.int64, len(ids))

    def column(self, name: str, ids: Int64[Array, " R"]) -> Array:
        """A column of some rows, such as "genes", "fitness" or "descriptor"."""
        return np.asarray(self._columns[name][self.rows(ids)])

    def genes(self, ids: Int64[Array, " R"]) -> Float32[Array, "R G"]:
        """The genes of some rows."""
        return self.column("genes", ids)

    def descriptors(self, ids: Int64[Array, " R"]) -> Float32[Array, "R D"]:
        """The descriptors of some rows, in the present space."""
        return self.column("descriptor", ids)

    def described(self, ids: Int64[Array, " R"]) -> Described:
        """The descriptors of some rows, and their surprise where there is one."""
        rows = self.rows(ids)
        surprise = self._columns["surprise"][rows] if "surprise" in self._columns else None
        return Described(self._columns["descriptor"][rows], surprise, self.space)

    def evaluations(self, ids: Int64[Array, " R"]) -> Evaluations:
        """Whole rows; with seed chains the lineage that they need."""
        rows = self.rows(ids)
        columns = {k: v[rows] for k, v in self._columns.items()}
        lineage = self.lineage(columns["parent"]) if CHAIN[0] in columns else None
        return evaluations_of(columns, self.space, lineage)

    def lineage(self, ids: Int64[Array, " R"]) -> Lineage:
        """Seed chains of some rows: they and all their ancestors; -1 is nobody."""
        found: set[int] = set()
        ahead = np.unique(ids[ids >= 0])
        while len(ahead):  # a step back in all chains at once; common ancestors are met once
            found.update(ahead.tolist())
            parents = np.unique(self.column("parent", ahead))
            ahead = np.array([i for i in parents.tolist() if i >= 0 and i not in found], np.int64)
        nodes = np.array(sorted(found), np.int64)
        if not len(nodes):
            return Lineage(nodes, nodes, np.zeros(0, np.uint64), np.zeros(0, np.float32))
        return Lineage(nodes, *(self.column(name, nodes) for name in ("parent", *CHAIN)))

    def ids(self) -> Int64[Array, " N"]:
        """All ids, ascending."""
        return np.sort(np.fromiter(self._row, np.int64, len(self._row)))

    def redescribe(self, describe: Callable[[Columns, Array], Described]) -> None:
        """Give every row its descriptor in the moved space.

        `describe` is given observations, the genome among them (`core.types.seen`), and who failed,
        some rows at a time.
        """
        ids = self.ids()
        found = []
        for some in np.split(ids, range(CHUNK, len(ids), CHUNK)):
            rows = self.rows(some)
            seen = {
                name.removeprefix(OBSERVATION): values[rows]
                for name, values in self._columns.items()
                if name.startswith(OBSERVATION)
            }
            seen |= {"genes": self._columns["genes"][rows], "id": some}
            described = describe(seen, self._columns["failed"][rows])
            found.append(described_columns(described))
        rows = self.rows(ids)
        for name, first in found[0].items():
            moved = np.zeros((len(self._references), *first.shape[1:]), first.dtype)
            moved[rows] = np.concatenate([columns[name] for columns in found])
            self._columns[name] = moved
        self._has_moved, self.space = True, described.space

    def state(self) -> State:
        """What belongs to no row: the version of the behaviour space."""
        return State({}, {"space": self.space})

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self.space = state.json["space"]

    def changes(self) -> dict[str, Changes]:
        """What is new since `committed` was last called, by table."""
        own = [name for name in self._columns if name not in DESCRIPTION]
        moving = ["id", *(name for name in DESCRIPTION if name in self._columns)]
        moved = self._has_moved or self._is_unwritten
        return {
            "records": self._changed(own, reset=self._is_unwritten),
            "descriptions": self._changed(moving, reset=moved),
        }

    def rewrite(self) -> None:
        """Let the next commit write everything, whatever earlier ones hold."""
        self._is_unwritten = True

    def _changed(self, names: list[str], *, reset: bool) -> Changes:
        fresh = self.ids() if reset else np.fromiter(self._fresh, np.int64, len(self._fresh))
        rows = self.rows(fresh)
        gone = np.array([] if reset else sorted(self._gone), np.int64)
        return Changes({k: self._columns[k][rows] for k in names if self._columns}, gone, reset)

    def committed(self) -> None:
        """What `changes` gave is safe."""
        self._fresh.clear()
        self._gone.clear()
        self._has_moved = self._is_unwritten = False

    def _reserve(self, n: int, columns: Columns) -> None:
        if not self._columns:
            self._columns = {k: np.zeros((0, *v.shape[1:]), v.dtype) for k, v in columns.items()}
        if n <= len(self._references):
            return
        capacity = max(1024, 2 * n)
        for name, values in self._columns.items():
            grown = np.zeros((capacity, *values.shape[1:]), values.dtype)
            grown[: self._size] = values[: self._size]
            self._columns[name] = grown
        references = np.zeros(capacity, np.int32)
        references[: self._size] = self._references[: self._size]
        self._references = references

    def _pack(self) -> None:
        ids = np.fromiter(self._row, np.int64, len(self._row))
        rows = self.rows(ids)
        references = self._references[rows]
        self._columns = {k: v[rows] for k, v in self._columns.items()}
        self._references = references
        self._size = len(ids)
        self._row = dict(zip(ids.tolist(), range(len(ids)), strict=True))


def joined(tables: Mapping[str, Columns]) -> Columns:
    """The tables that `changes` speaks of, as columns of whole rows; one alone in older runs."""
    records = tables.get("records", {})
    if not len(records.get("id", [])) or "descriptions" not in tables:
        return records
    moving = tables["descriptions"]
    order = np.argsort(moving["id"])
    rows = order[np.searchsorted(moving["id"][order], records["id"])]
    return records | {name: moving[name][rows] for name in DESCRIPTION if name in moving}


def columns_of(evaluations: Evaluations) -> Columns:
    """Evaluations as flat columns, the form in which they are stored."""
    genomes, outcomes = evaluations.genomes, evaluations.outcomes
    return {
        "id": genomes.ids,
        "genes": genomes.genes,
        "parent": genomes.parents,
        "purpose": genomes.purpose,
        "trial": genomes.trial,
        **({} if genomes.seeds is None else {"seed": genomes.seeds, "sigma": genomes.sigmas}),
        "fitness": outcomes.fitness,
        "length": outcomes.length,
        "truth": outcomes.truth,
        "failed": outcomes.failed,
        "reward_area": outcomes.reward_area,
        **{OBSERVATION + name: values for name, values in outcomes.observations.items()},
        **described_columns(evaluations.described),
    }


def described_columns(described: Described) -> Columns:
    """Descriptors, and surprise where there is one."""
    surprise = {} if described.surprise is None else {"surprise": described.surprise}
    return {"descriptor": described.descriptors, **surprise}


def evaluations_of(columns: Columns, space: int, lineage: Lineage | None = None) -> Evaluations:
    """The inverse of `columns_of`; a lineage is no column, for it is common to all rows."""
    return Evaluations(
        Genomes(
            columns["id"],
            columns["genes"],
            columns["parent"],
            columns["purpose"],
            columns["trial"],
            columns.get("seed"),
            columns.get("sigma"),
            lineage,
        ),
        Outcomes(
            columns["fitness"],
            columns["length"],
            columns["truth"],
            {
                name.removeprefix(OBSERVATION): values
                for name, values in columns.items()
                if name.startswith(OBSERVATION)
            },
            columns["failed"],
            columns["reward_area"],
            np.where(columns["failed"], "failed", ""),
        ),
        Described(columns["descriptor"], columns.get("surprise"), space),
    )


def empty_ids() -> Int64[Array, " 0"]:
    """No ids."""
    return np.zeros(0, np.int64)

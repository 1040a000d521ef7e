"""Small batches for tests: everything that is not given follows from the ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy import ndarray as Array

from qdx.core.records import Records, joined
from qdx.core.types import Described, Evaluations, Genomes, Outcomes, Purpose, State

NO_IDS = np.zeros(0, np.int64)


def genomes(n: int, *, first_id: int = 0, n_genes: int = 3) -> Genomes:
    """Genomes whose genes tell their ids apart."""
    ids = np.arange(first_id, first_id + n)
    genes = np.sin(ids[:, None] * 1.7 + np.arange(n_genes)).astype(np.float32)
    return Genomes(
        ids,
        genes,
        np.full(n, -1),
        np.full(n, Purpose.SEARCH, np.int32),
        np.zeros(n, np.int32),
    )


def outcomes(
    points: Any, fitness: Any = None, *, failed: Sequence[int] = (), area: Any = None
) -> Outcomes:
    """Outcomes that end at given points; rows in `failed` have NaN for results."""
    points = np.asarray(points, np.float32)
    n = len(points)
    bad = np.zeros(n, bool)
    bad[list(failed)] = True
    given = np.zeros(n) if fitness is None else np.asarray(fitness)
    return Outcomes(
        fitness=np.where(bad, np.nan, given).astype(np.float32),
        length=np.arange(n, dtype=np.int32),
        truth=np.where(bad[:, None], np.float32(np.nan), points),
        observations={"final": points},
        failed=bad,
        reward_area=np.where(bad, -1, -1 if area is None else area).astype(np.int8),
        reason=np.where(bad, "made to fail", ""),
    )


def evaluations(
    points: Any,
    fitness: Any = None,
    *,
    failed: Sequence[int] = (),
    first_id: int = 0,
    area: Any = None,
) -> Evaluations:
    """Evaluations whose descriptors are the points their episodes ended at."""
    ends = outcomes(points, fitness, failed=failed, area=area)
    return Evaluations(genomes(len(ends), first_id=first_id), ends, Described(ends.truth, None, 0))


def cloud(n: int, *, first_id: int = 0, seed: int = 0, failed: Sequence[int] = ()) -> Evaluations:
    """Points and fitness all over the unit square."""
    rng = np.random.default_rng([seed, first_id])
    fitness = rng.integers(0, 6, n) / 5
    return evaluations(rng.random((n, 2)), fitness, failed=failed, first_id=first_id)


def ids_of(batch: Evaluations) -> Array:
    """The ids of a batch."""
    return batch.genomes.ids


def travelled(state: State) -> State:
    """A state as it comes back from disk: other arrays, JSON read from text."""
    arrays = {name: np.array(values, copy=True) for name, values in state.arrays.items()}
    return State(arrays, json.loads(json.dumps(state.json)))


class Shelf:
    """What a commit has written of a record store and of archives, as storage would keep it."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[int, dict[str, Array]]] = {}
        self.members: dict[str, list[int]] = {}

    def commit(self, records: Records, archives: Mapping[str, Any]) -> None:
        """Apply what changed."""
        for table, changes in records.changes().items():
            rows = self.tables.setdefault(table, {})
            if changes.reset:
                rows.clear()
            for id_ in changes.removed.tolist():
                del rows[id_]
            for at, id_ in enumerate(changes.added.get("id", NO_IDS).tolist()):
                rows[id_] = {name: values[at] for name, values in changes.added.items()}
        for name, archive in archives.items():
            added, removed = archive.changes()
            gone = set(removed.tolist())
            kept = [i for i in self.members.get(name, []) if i not in gone]
            self.members[name] = kept + added.tolist()
            archive.committed()
        records.committed()

    def unpack(self, records: Records, archives: Mapping[str, Any]) -> None:
        """Fill freshly built parts."""
        records.load(joined({name: _columns(rows) for name, rows in self.tables.items()}))
        for name, archive in archives.items():
            archive.load(np.array(self.members[name], np.int64))


def _columns(rows: dict[int, dict[str, Array]]) -> dict[str, Array]:
    names = next(iter(rows.values()), {})
    return {name: np.stack([row[name] for row in rows.values()]) for name in names}


def unstored(records: Records) -> dict[str, Array]:
    """Whole rows of a store that was never committed."""
    return joined({name: changes.added for name, changes in records.changes().items()})


def equal(first: Any, second: Any) -> bool:
    """Whether two values are equal to the bit, NaN included, whatever they are made of."""
    if isinstance(first, np.ndarray):
        same = first.dtype.kind == second.dtype.kind and first.shape == second.shape
        floats = first.dtype.kind == "f"
        return same and bool(np.array_equal(first, second, equal_nan=floats))
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(equal(first[k], second[k]) for k in first)
    if is_dataclass(first):
        return all(equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first))
    if isinstance(first, (tuple, list)):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)

"""The nouns that fall down the stair: genomes, outcomes, described, verdict, record.

Axes: B genomes of a batch, G genes, M ground-truth measures, D descriptor, N archive rows, K
neighbours. Every batch is a frozen dataclass of arrays that share their first axis; `take` and
`join` work on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int32, Int64, Shaped, UInt64
from numpy import ndarray as Array

Json = dict[str, Any]


class Purpose(IntEnum):
    """Why a genome is evaluated."""

    SEARCH = 0
    BOOTSTRAP = 1
    EMITTER = 2
    VALIDATION = 3
    REPLAY = 4


class Status(IntEnum):
    """What an archive did with a row; falsy when it was refused."""

    REFUSED = 0
    IMPROVED = 1
    NEW = 2


@dataclass(frozen=True, eq=False)
class Lineage:
    """How individuals came about: seed chains as a tree, a node each.

    A node without a parent is drawn from its seed; any other is its parent plus sigma times the
    noise of its seed. Common to a whole batch, which may need only some of
    the nodes.

    Attributes:
        ids: Each once.
        parents: -1 for none; every other one is a node itself.
        seeds: What the noise follows from.
        sigmas: Standard deviation of the mutation; 0 where there is no parent.
    """

    ids: Int64[Array, " L"]
    parents: Int64[Array, " L"]
    seeds: UInt64[Array, " L"]
    sigmas: Float32[Array, " L"]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Genomes:
    """Individuals to evaluate, in canonical order.

    Direct genomes have genes. Seed chains have none, (B, 0): an individual is its parent and one
    mutation, (seed, sigma), and the lineage says what the parents are.

    Attributes:
        ids: Given out once, never reused.
        genes: Decoded by the encoding.
        parents: Id of the parent, -1 for none.
        purpose: A `Purpose` each.
        trial: Which episode of a repeated evaluation; 0 where episodes are not repeated.
        seeds: Of seed chains, what the noise of the last mutation follows from.
        sigmas: Of seed chains, the last mutation's standard deviation; 0 where there is no parent.
        lineage: Of seed chains, the ancestors of all rows, and perhaps others.
    """

    ids: Int64[Array, " B"]
    genes: Float32[Array, "B G"]
    parents: Int64[Array, " B"]
    purpose: Int32[Array, " B"]
    trial: Int32[Array, " B"]
    seeds: UInt64[Array, " B"] | None = None
    sigmas: Float32[Array, " B"] | None = None
    lineage: Lineage | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Outcomes:
    """What the episodes left behind.

    Attributes:
        fitness: Episode reward; NaN where failed.
        length: Steps taken.
        truth: Ground-truth measures at the end of the episode, in the task's units.
        observations: What the observer kept, by name.
        failed: The episode has no valid result.
        reward_area: Index of the rewarded goal, -1 for none.
        reason: Why a row failed; empty where it did not.
    """

    fitness: Float32[Array, " B"]
    length: Int32[Array, " B"]
    truth: Float32[Array, "B M"]
    observations: Mapping[str, Shaped[Array, "B ..."]]
    failed: Bool[Array, " B"]
    reward_area: Int8[Array, " B"]
    reason: Shaped[Array, " B"]

    def __len__(self) -> int:
        return len(self.fitness)


@dataclass(frozen=True)
class Described:
    """Points in behaviour space.

    Attributes:
        descriptors: NaN where the episode failed.
        surprise: Reconstruction error of a learned space, None elsewhere.
        space: Version of the behaviour space; rows of different versions are never compared.
    """

    descriptors: Float32[Array, "B D"]
    surprise: Float32[Array, " B"] | None
    space: int

    def __len__(self) -> int:
        return len(self.descriptors)


@dataclass(frozen=True)
class Evaluations:
    """Genomes, outcomes and descriptors, row by row."""

    genomes: Genomes
    outcomes: Outcomes
    described: Described

    def __len__(self) -> int:
        return len(self.genomes)


@dataclass(frozen=True)
class Verdict:
    """What an archive decided, row by row.

    Attributes:
        status: A `Status` each.
        novelty: Novelty at the moment of the decision; NaN for archives that do not measure it.
        improvement: Fitness less what the row had to beat; +inf where that was nothing, NaN where
            the row was not judged. None for archives that do not look at fitness.
    """

    status: Int8[Array, " B"]
    novelty: Float64[Array, " B"]
    improvement: Float64[Array, " B"] | None = None

    def __len__(self) -> int:
        return len(self.status)


@dataclass(frozen=True)
class Record:
    """One line of the journal: what a generation did and where the campaign stands. No times.

    Attributes:
        generation: Counted from 1.
        evaluations: Episodes so far.
        metrics: Coverage, best fitness and the like, over everything so far.
        archives: Per archive its counts, and the verdicts of this generation.
        searcher: What the searcher reports of itself.
        failures: Id and reason of the first failed rows of this generation.
        space: Version of the behaviour space at the end of the generation.
        lesson: What a training came to that ended it; empty, and not written, where none did.
    """

    generation: int
    evaluations: int
    metrics: Json
    archives: dict[str, Json]
    searcher: Json
    failures: list[Json]
    space: int
    lesson: Json = field(default_factory=dict)


class State(NamedTuple):
    """The state of a part: named arrays and JSON, nothing else.

    Attributes:
        arrays: Numeric state by name.
        json: Everything that is no array.
    """

    arrays: dict[str, Array]
    json: Json


def seen(genomes: Genomes, outcomes: Outcomes) -> dict[str, Shaped[Array, "B ..."]]:
    """What a descriptor may look at: the observations, and the genome as `genes` and `id`."""
    return {**outcomes.observations, "genes": genomes.genes, "id": genomes.ids}


Batch = TypeVar("Batch", Genomes, Outcomes, Described, Evaluations, Verdict)


def take(batch: Batch, rows: Array) -> Batch:
    """The rows of a batch, by index or mask."""
    rows_of: Batch = _take_all(batch, rows)
    return rows_of


def join(batches: Sequence[Batch]) -> Batch:
    """Batches one after the other; `join` of the shards of a batch gives the batch back."""
    first = batches[0]
    return type(first)(
        **{f.name: _join([getattr(b, f.name) for b in batches]) for f in fields(first)}
    )


def union(lineages: Sequence[Lineage]) -> Lineage:
    """The nodes of several lineages of one campaign, each once, by id."""
    if all(lineage is lineages[0] for lineage in lineages):
        return lineages[0]
    ids, at = np.unique(np.concatenate([each.ids for each in lineages]), return_index=True)
    columns = ("parents", "seeds", "sigmas")
    return Lineage(ids, *(np.concatenate([getattr(x, c) for x in lineages])[at] for c in columns))


def _take_all(batch: Any, rows: Array) -> Any:
    return type(batch)(**{f.name: _take(getattr(batch, f.name), rows) for f in fields(batch)})


def _take(value: Any, rows: Array) -> Any:
    if isinstance(value, np.ndarray):
        return value[rows]
    if isinstance(value, Mapping):
        return {name: array[rows] for name, array in value.items()}
    if isinstance(value, Genomes | Outcomes | Described):
        return _take_all(value, rows)
    return value


def _join(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, Mapping):
        return {name: np.concatenate([value[name] for value in values]) for name in first}
    if isinstance(first, (Genomes, Outcomes, Described)):
        return join(values)
    if isinstance(first, Lineage):
        return union(values)
    if any(value != first for value in values):
        raise ValueError(f"join: batches disagree on a shared value: {values}")
    return first

"""A batch on its way through a cluster: its shards, what became of each, and the outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import ndarray as Array

from qdx.core.types import Genomes, Outcomes, join, take
from qdx.executors.sharding import shards

Schema = tuple[Any, ...]  # what the columns of outcomes are, whatever their rows

COLUMNS = {  # kind of dtype, axes
    "fitness": ("f", 1),
    "length": ("i", 1),
    "truth": ("f", 2),
    "failed": ("b", 1),
    "reward_area": ("i", 1),
    "reason": ("U", 1),
}


@dataclass(eq=False)
class Job:
    """A shard and what has befallen it.

    Attributes:
        ticket: Of its batch.
        row: Its first row there.
        genomes: Its own.
        deaths: Workers lost to it since it was last divided.
        faults: Times it raised or came back as garbage.
        losses: Times its reply was lost though no worker died.
        launched_at: When it was last started, on the dispatcher's clock.
        is_alone: A single genome to which a worker was lost: it runs with nothing beside it, so
            that a further loss is its own doing.
    """

    ticket: int
    row: int
    genomes: Genomes
    deaths: int = 0
    faults: int = 0
    losses: int = 0
    launched_at: float = 0.0
    is_alone: bool = False

    def divided(self) -> list[Job]:
        """A job for each genome; what they were suspected of together is forgiven."""
        return [
            Job(self.ticket, self.row + i, take(self.genomes, np.array([i])), 0, self.faults)
            for i in range(len(self.genomes))
        ]

    def empty(self) -> Job:
        """A job without genomes: what comes back of it has the shape of all others."""
        return Job(self.ticket, self.row, take(self.genomes, np.zeros(0, np.intp)))


@dataclass
class Batch:
    """A batch under way.

    Attributes:
        rollout: Pickled.
        n: Genomes.
        done: Finished jobs by their first row, and their outcomes.
        failed: Genomes that killed their workers: row and reason.
        progress: Rows that are there.
    """

    rollout: bytes
    n: int
    done: dict[int, tuple[Job, Outcomes]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    progress: int = 0

    def finish(self, job: Job, outcomes: Outcomes) -> None:
        """A job came back."""
        self.done[job.row] = (job, outcomes)
        self.progress += len(outcomes)

    def fail(self, row: int, reason: str) -> None:
        """A genome cannot be evaluated."""
        self.failed[row] = reason
        self.progress += 1

    def is_whole(self) -> bool:
        """Whether every row is there, and at least one part: an empty batch has one too."""
        return self.progress == self.n and bool(self.done)

    def lacks_shape(self) -> bool:
        """Whether all rows have failed, so that nothing says what their outcomes look like."""
        return self.progress == self.n and not self.done

    def odd(self, known: Schema | None) -> list[Job]:
        """Jobs whose outcomes are not shaped as the others', or as those of earlier batches."""
        schemas = {row: schema(outcomes) for row, (_, outcomes) in self.done.items()}
        if known is None and schemas:
            most, n = Counter(schemas.values()).most_common(1)[0]
            known = most if 2 * n > len(schemas) else None
        return [self.done[row][0] for row, its in schemas.items() if its != known]

    def withdraw(self, job: Job) -> None:
        """It has to be run again."""
        _, outcomes = self.done.pop(job.row)
        self.progress -= len(outcomes)

    def outcomes(self) -> Outcomes:
        """All rows in order, failed ones in their places."""
        like = next(iter(self.done.values()))[1]
        parts = {row: outcomes for row, (_, outcomes) in self.done.items()}
        parts |= {row: failed_row(like, f"it {why}") for row, why in self.failed.items()}
        return join([parts[row] for row in sorted(parts)])


def jobs(ticket: int, genomes: Genomes, size: int) -> list[Job]:
    """A batch as jobs of at most `size` genomes."""
    size = size or shard_of(len(genomes))
    starts = range(0, max(len(genomes), 1), size)
    return [Job(ticket, s, part) for s, part in zip(starts, shards(genomes, size), strict=True)]


def shard_of(n: int) -> int:
    """Genomes per shard of a batch of n: a task costs a few ms, so few and large ones."""
    return int(min(max(-(-n // 16), 16), 1000))


def schema(outcomes: Outcomes) -> Schema:
    """Names, kinds and shapes of the columns, without the rows."""
    columns = {f"observations/{k}": v for k, v in outcomes.observations.items()}
    columns["truth"] = outcomes.truth
    return tuple((k, v.dtype.str, v.shape[1:]) for k, v in sorted(columns.items()))


def flaw(value: Any, n: int) -> str:
    """Why something cannot be the outcomes of n genomes; empty where it can."""
    if not isinstance(value, Outcomes):
        return f"expected Outcomes, got {type(value).__name__}"
    if not isinstance(value.observations, dict):
        return f"observations: expected a dict, got {type(value.observations).__name__}"
    for name, (kind, axes) in COLUMNS.items():
        wrong = _wrong(name, getattr(value, name), n, kind)
        if not wrong and getattr(value, name).ndim != axes:
            wrong = f"{name}: expected {axes} axes, got {getattr(value, name).shape}"
        if wrong:
            return wrong
    wrong = _first(_wrong(name, column, n, "") for name, column in value.observations.items())
    if wrong:
        return wrong
    if (np.isfinite(value.fitness) == value.failed).any():
        return "fitness: expected numbers, and NaN where failed"
    return ""


def _wrong(name: str, column: Any, n: int, kind: str) -> str:
    if not isinstance(column, np.ndarray):
        return f"{name}: expected an array, got {type(column).__name__}"
    if column.ndim == 0 or len(column) != n:
        return f"{name}: expected {n} rows, got {column.shape}"
    if kind and column.dtype.kind != kind:
        return f"{name}: expected numbers of kind {kind!r}, got {column.dtype}"
    return ""


def _first(findings: Iterable[str]) -> str:
    return next((finding for finding in findings if finding), "")


def failed_row(like: Outcomes, reason: str) -> Outcomes:
    """The outcome of a genome that left none, shaped as another one."""

    def blank(column: Array, value: Any) -> Array:
        return np.full((1, *column.shape[1:]), value, column.dtype)

    return Outcomes(
        fitness=blank(like.fitness, np.nan),
        length=blank(like.length, 0),
        truth=blank(like.truth, np.nan),
        observations={name: blank(column, 0) for name, column in like.observations.items()},
        failed=blank(like.failed, True),
        reward_area=blank(like.reward_area, -1),
        reason=np.array([reason]),
    )

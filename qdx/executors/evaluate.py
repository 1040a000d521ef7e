"""The blocking helper over an executor."""

from __future__ import annotations

from qdx.core.protocols import Executor, Rollout
from qdx.core.types import Genomes, Outcomes


def evaluate(executor: Executor, rollout: Rollout, genomes: Genomes) -> Outcomes:
    """Submit one batch and wait for it."""
    ticket = executor.submit(rollout, genomes)
    finished: dict[int, Outcomes] = {}
    while ticket not in finished:
        finished |= executor.collect()
    return finished[ticket]

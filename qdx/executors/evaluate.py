"""The blocking helper over an executor."""

from __future__ import annotations

from collections.abc import Callable

from qdx.core.errors import InterruptedRun
from qdx.core.protocols import Executor, Rollout
from qdx.core.types import Genomes, Outcomes

POLL_S = 0.25  # how often a waiting campaign looks whether it was asked to stop


def evaluate(
    executor: Executor,
    rollout: Rollout,
    genomes: Genomes,
    *,
    stopping: Callable[[], bool],
    waiting: Callable[[int], None] = lambda n: None,
) -> Outcomes:
    """Submit one batch and wait for it.

    Args:
        executor: Where.
        rollout: What runs.
        genomes: The batch.
        stopping: Whether to give up; asked several times a second.
        waiting: Told how many genomes are done, as often.

    Raises:
        InterruptedRun: `stopping` became true; the batch is abandoned, nothing was told.
        RolloutError: A shard could not be evaluated at all.
    """
    ticket = executor.submit(rollout, genomes)
    finished: dict[int, Outcomes] = {}
    while ticket not in finished:
        if stopping():
            executor.cancel(ticket)
            raise InterruptedRun("asked to stop")
        finished |= executor.collect(POLL_S)
        if ticket not in finished:
            waiting(executor.progress()[0])
    return finished[ticket]

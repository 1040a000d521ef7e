"""The local executor: threads over shards. Fused kernels release the interpreter while they run."""

from __future__ import annotations

import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Annotated, final

from annotated_types import Ge

from qdx.core.errors import QdxError, RolloutError
from qdx.core.protocols import Rollout
from qdx.core.types import Genomes, Outcomes
from qdx.executors.sharding import shards, unshard


def _gathered(shards_: list[Future[Outcomes]]) -> Outcomes:
    """The outcomes of a batch; whatever a rollout raised ends here as one kind of error."""
    try:
        return unshard([shard.result() for shard in shards_])
    except QdxError:
        raise
    except Exception as error:
        raise RolloutError(f"a shard could not be evaluated: {error!r}") from error


@dataclass(frozen=True)
class LocalParameters:
    """Threads of this process.

    Attributes:
        threads: Worker threads; 0 for one per core.
        shard: Genomes per shard; never derived from the number of threads.
        device: Where kernels run: cpu, cuda, cuda:1, …
    """

    threads: Annotated[int, Ge(0)] = 0
    shard: Annotated[int, Ge(1)] = 25
    device: str = "cpu"


@final
class Local:
    """Evaluates in this process."""

    Parameters = LocalParameters

    def __init__(self, parameters: LocalParameters) -> None:
        self._shard = parameters.shard
        self._pool = ThreadPoolExecutor(parameters.threads or os.cpu_count(), "rollout")
        self._tickets: dict[int, list[Future[Outcomes]]] = {}
        self._next = 0

    def submit(self, rollout: Rollout, genomes: Genomes) -> int:
        ticket, self._next = self._next, self._next + 1
        parts = shards(genomes, self._shard)
        self._tickets[ticket] = [self._pool.submit(rollout, part) for part in parts]
        return ticket

    def collect(self, timeout: float | None = None) -> dict[int, Outcomes]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._tickets:
            pending = {f for futures in self._tickets.values() for f in futures if not f.done()}
            done = [t for t, futures in self._tickets.items() if not pending & set(futures)]
            if done:
                return {
                    done[0]: _gathered(self._tickets.pop(done[0]))
                }  # one: an error loses no other
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            if not wait(pending, left, FIRST_COMPLETED).done:
                break
        return {}

    def cancel(self, ticket: int) -> None:
        for shard in self._tickets.pop(ticket, []):
            shard.cancel()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

"""The local executor: threads over shards. Fused kernels release the interpreter while they run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Annotated, Any, NamedTuple, final

from annotated_types import Ge

from qdx.core.errors import QdxError, RolloutError
from qdx.core.protocols import Divisible, Rollout
from qdx.core.types import Genomes, Json, Outcomes
from qdx.executors.sharding import shards, unshard


@dataclass(frozen=True)
class LocalParameters:
    """Threads of this process.

    Attributes:
        threads: Worker threads; 0 for one per core.
        shard: Genomes per shard; 0 for a sixteenth of the batch, between 2 and 24. Never derived
            from the number of threads.
        device: Where kernels run: cpu, cuda, cuda:1, …
    """

    threads: Annotated[int, Ge(0)] = 0
    shard: Annotated[int, Ge(0)] = 0
    device: str = "cpu"


class Batch(NamedTuple):
    """A batch under way: its genomes, its shards, and what makes outcomes of them."""

    n: int
    shards: list[Future[Any]]
    finish: Callable[[], Outcomes]

    def outcomes(self) -> Outcomes:
        """Of all shards; whatever a rollout raised ends here as one kind of error."""
        try:
            for shard in self.shards:
                shard.result()
            return self.finish()
        except (QdxError, MemoryError):
            raise
        except Exception as error:
            raise RolloutError(f"a shard could not be evaluated: {error!r}") from error

    def announce(self, ticket: int, finished: SimpleQueue[int]) -> None:
        """Put the ticket into the queue once, when the last shard is done."""
        left, lock = [len(self.shards)], Lock()

        def one_less(_: Future[Any]) -> None:
            with lock:
                left[0] -= 1
                is_last = left[0] == 0
            if is_last:
                finished.put(ticket)

        for shard in self.shards:
            shard.add_done_callback(one_less)
        if not self.shards:
            finished.put(ticket)


@final
class Local:
    """Evaluates in this process."""

    Parameters = LocalParameters

    def __init__(self, parameters: LocalParameters) -> None:
        self._shard = parameters.shard
        self._slots = parameters.threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._slots, "rollout")
        self._batches: dict[int, Batch] = {}
        self._finished: SimpleQueue[int] = SimpleQueue()  # tickets, cancelled ones among them
        self._next = 0

    def submit(self, rollout: Rollout, genomes: Genomes) -> int:
        ticket, self._next = self._next, self._next + 1
        size = self._shard or shard_of(len(genomes))
        if isinstance(rollout, Divisible):
            pieces, finish = _divided(rollout, genomes, size)
            batch = Batch(len(genomes), [self._pool.submit(piece) for piece in pieces], finish)
        else:
            parts = [self._pool.submit(rollout, part) for part in shards(genomes, size)]
            batch = Batch(len(genomes), parts, lambda: unshard([p.result() for p in parts]))
        self._batches[ticket] = batch
        batch.announce(ticket, self._finished)
        return ticket

    def collect(self, timeout: float | None = None) -> dict[int, Outcomes]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._batches:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                ticket = self._finished.get(timeout=left)
            except Empty:
                break
            if ticket in self._batches:  # one at a time: an error loses no other
                return {ticket: self._batches.pop(ticket).outcomes()}
        return {}

    def cancel(self, ticket: int) -> None:
        batch = self._batches.pop(ticket, None)
        for shard in batch.shards if batch else []:
            shard.cancel()

    def progress(self) -> tuple[int, int]:
        parts = [
            (b.n * sum(s.done() for s in b.shards) // max(len(b.shards), 1), b.n)
            for b in self._batches.values()
        ]
        return sum(done for done, _ in parts), sum(n for _, n in parts)

    def slots(self) -> int:
        return self._slots

    def report(self) -> Json:
        return {}

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _divided(rollout: Divisible, genomes: Genomes, size: int) -> Any:
    """Pieces and outcomes of a batch; what a rollout raises is one kind of error here too."""
    try:
        return rollout.divide(genomes, size)
    except (QdxError, MemoryError):
        raise
    except Exception as error:
        raise RolloutError(f"a batch could not be readied: {error!r}") from error


def shard_of(n: int) -> int:
    """Genomes per shard of a batch of n: even, for a CPU core runs two episodes side by side."""
    return int(min(max(2 * -(-n // 32), 2), 24))

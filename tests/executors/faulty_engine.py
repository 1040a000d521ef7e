"""An engine in this process that goes wrong by plan: the dispatcher's faults in milliseconds."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from qdx.core.host import host
from qdx.executors import worker
from qdx.executors.engine import Answered, Arrival, Attempt, EngineLost, Lost, Raised

LONG = 1000  # waits that somebody else's work takes
LASTING = 1e9  # seconds a shard may run in this process

Fault = Callable[["FaultyEngine", Attempt], Arrival | None]


def dies(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """The worker goes."""
    return Lost(attempt.id, 1)


def hangs(engine: FaultyEngine, attempt: Attempt) -> None:
    """Nothing is ever heard of it."""
    engine.hanging.add(attempt.id)


def waits(engine: FaultyEngine, attempt: Attempt) -> None:
    """It stands behind somebody else's work for a while."""
    engine.elsewhere.append(attempt)


def loses_the_reply(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """The worker lives, and its reply does not come home."""
    return Lost(attempt.id, 0)


def raises(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """The rollout raises once."""
    return Raised(attempt.id, OSError("a disk of a worker"))


def loses_the_engine(engine: FaultyEngine, attempt: Attempt) -> None:
    """The scheduler goes, with everything that is under way."""
    raise EngineLost("the scheduler died")


def answers(value: Any) -> Fault:
    """It comes back as something else."""

    def fault(engine: FaultyEngine, attempt: Attempt) -> Arrival:
        ids = worker.checksum(pickle.loads(attempt.genomes))
        return Answered(attempt.id, pickle.dumps(worker.Reply(ids, value, host())))

    return fault


def garbles(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """Bytes that are no reply."""
    return Answered(attempt.id, b"not a pickle")


def swaps(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """The reply of another shard."""
    reply = worker.unpack(worker.evaluate(attempt.rollout, attempt.genomes, LASTING))
    return Answered(attempt.id, pickle.dumps(reply._replace(ids=reply.ids + 1)))


def answers_from_elsewhere(engine: FaultyEngine, attempt: Attempt) -> Arrival:
    """A worker with another processor."""
    reply = worker.unpack(worker.evaluate(attempt.rollout, attempt.genomes, LASTING))
    return Answered(attempt.id, pickle.dumps(reply._replace(host=("vax", *host()[1:]))))


class FaultyEngine:
    """Runs shards in `wait`, one a call; `plan[k]` befalls the k-th shard that is run.

    Attributes:
        poison: Ids of genomes that end every worker they run on.
        n_slots: Workers that are there.
        closed: Openings that are to fail before one succeeds.
    """

    def __init__(
        self,
        plan: dict[int, Fault] | None = None,
        *,
        poison: Sequence[int] = (),
        n_slots: int = 2,
        closed: int = 0,
    ) -> None:
        self.plan, self.poison, self.n_slots, self.closed = plan or {}, set(poison), n_slots, closed
        self.queue: deque[Attempt] = deque()
        self.n_asked = 0  # times to evict
        self.idle = 0  # waits in which nothing was there to run
        self.n_run = self.n_opened = self.n_evicted = self.most_in_flight = 0
        self.hanging: set[int] = set()
        self.elsewhere: deque[Attempt] = deque()
        self.evaluated: list[int] = []  # ids whose outcomes were handed over
        self.beside: list[int] = []  # shards under way whenever a poisonous genome ran alone

    def open(self) -> None:
        self.n_opened += 1
        self.queue.clear()
        if self.n_opened <= self.closed:
            raise OSError("connection refused")

    def slots(self) -> int:
        return self.n_slots

    def launch(self, attempts: Sequence[Attempt]) -> None:
        self.queue.extend(attempts)
        self.most_in_flight = max(self.most_in_flight, len(self.queue))

    def wait(self, timeout_s: float) -> list[Arrival]:
        if not self.queue:
            self.idle += 1
            if self.elsewhere and self.idle > LONG:
                self.queue.append(self.elsewhere.popleft())
            return []
        attempt, k = self.queue.popleft(), self.n_run
        self.n_run += 1
        genomes = pickle.loads(attempt.genomes)
        is_poison = bool(self.poison & set(genomes.ids.tolist()))
        if is_poison and len(genomes) == 1:
            self.beside.append(len(self.queue))
        if k in self.plan:
            arrival = self.plan[k](self, attempt)
            return [arrival] if arrival else []
        if is_poison:
            beside = [Lost(a.id, 1) for a in self.queue]  # all workers go at once
            self.queue.clear()
            return [Lost(attempt.id, 1), *beside]
        try:
            reply = worker.evaluate(attempt.rollout, attempt.genomes, LASTING)
        except Exception as error:
            return [Raised(attempt.id, error)]
        self.evaluated += genomes.ids.tolist()
        return [Answered(attempt.id, reply)]

    def drop(self, ids: Sequence[int]) -> None:
        self.queue = deque(a for a in self.queue if a.id not in ids)

    def evict(self, ids: Sequence[int]) -> Sequence[int]:
        self.n_asked += 1
        ended = [id_ for id_ in ids if id_ in self.hanging]
        self.n_evicted += len(ended)
        self.drop(ended)
        return ended

    def close(self) -> None:
        self.queue.clear()

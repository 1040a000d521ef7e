"""Batches over a cluster: bounded shards in flight, lost ones again, culprits found out.

What can happen to a shard, and what follows:

    it comes back             checked for shape and kind; kept
    it comes back as garbage  run again, up to `tries` times; then the campaign ends
    it raises                 likewise
    its worker is lost        run again. After `deaths` losses its genomes are run one at a time. A
                              genome that loses a worker is from then on run with nothing beside it,
                              so a further loss is its own; after `deaths` it is marked failed.
                              Later batches wait for the suspects of earlier ones
    its reply is lost         run again, a bounded number of times; then the campaign ends
    it hangs                  its worker ends itself (`worker.Watchdog`) or is ended from here
    the scheduler is lost     all shards under way wait until the cluster was opened anew
    there are no workers      everything waits, up to `workers_timeout_s`; then the campaign ends

All of it happens inside `submit` and `collect`, on the campaign's thread, in waits of a quarter of
a second: nothing waits for ever, and a campaign that is asked to stop notices.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, final

from qdx.core.errors import QdxError, RolloutError
from qdx.core.host import host
from qdx.core.protocols import Rollout
from qdx.core.types import Genomes, Json, Outcomes
from qdx.executors import worker
from qdx.executors.batches import Batch, Job, Schema, flaw, jobs, schema
from qdx.executors.engine import Answered, Arrival, Attempt, Engine, EngineLost, Lost, Raised
from qdx.executors.lifeline import Lifeline
from qdx.executors.parameters import ClusterParameters

POLL_S = 0.25  # the longest wait inside
GRACE_S = 120.0  # beyond what shards may run: before then nobody is looked for
MOST_LOSSES = 30  # of a shard's replies, for which no worker died
LOOK_S = 1.0  # how often workers are counted


class Garbage(Exception):
    """What came back cannot be the outcomes of the shard."""


@final
class Dispatcher:
    """The executor over an engine; what Dask and Ray have in common."""

    def __init__(
        self,
        engine: Engine,
        parameters: ClusterParameters,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._p, self._clock = engine, parameters, clock
        limit_s = parameters.workers_timeout_s
        self._lifeline = Lifeline(engine, parameters.tries, limit_s, clock=clock)
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()  # run alone, one after the other
        self._running: dict[int, Job] = {}  # by attempt
        self._batches: dict[int, Batch] = {}
        self._whole: deque[int] = deque()
        self._schemas: dict[bytes, Schema] = {}
        self._counts: Counter[str] = Counter()
        self._strangers: set[tuple[str, ...]] = set()
        self._slots, self._counted_at = 0, -LOOK_S
        self._manned_at = clock()  # when last there was a worker
        self._next_ticket = self._next_attempt = 0

    def submit(self, rollout: Rollout, genomes: Genomes) -> int:
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        try:
            packed = worker.pack_rollout(rollout)
        except Exception as error:
            raise RolloutError(f"the rollout cannot be sent to workers: {error!r}") from error
        if not self._batches:  # idle until now: a cluster without workers is given its time anew
            self._manned_at = self._clock()
        self._batches[ticket] = Batch(packed, len(genomes))
        self._waiting.extend(jobs(ticket, genomes, self._p.shard))
        if self._lifeline.is_up:
            self._doomed(self._guarded, self._launch)
        return ticket

    def collect(self, timeout: float | None = None) -> dict[int, Outcomes]:
        deadline = None if timeout is None else self._clock() + timeout
        while self._batches:
            if self._whole:
                ticket = self._whole.popleft()
                return {ticket: self._batches.pop(ticket).outcomes()}
            left = POLL_S if deadline is None else deadline - self._clock()
            self._doomed(self._go_on, min(max(left, 0.0), POLL_S))
            if not self._whole and deadline is not None and self._clock() >= deadline:
                break
        return {}

    def cancel(self, ticket: int) -> None:
        if self._batches.pop(ticket, None) is None:
            return
        self._whole = deque(t for t in self._whole if t != ticket)
        for queue in (self._waiting, self._suspects):
            kept = [job for job in queue if job.ticket != ticket]
            queue.clear()
            queue.extend(kept)
        gone = [id_ for id_, job in self._running.items() if job.ticket == ticket]
        for id_ in gone:
            del self._running[id_]
        if gone and self._lifeline.is_up:
            self._engine.drop(gone)

    def report(self) -> Json:
        """What befell shards since last asked, by count; empty where nothing did."""
        counts = dict(sorted(self._counts.items()))
        self._counts.clear()
        return counts

    def progress(self) -> tuple[int, int]:
        """Rows that are there and rows asked for, of the batches under way."""
        batches = self._batches.values()
        return sum(b.progress for b in batches), sum(b.n for b in batches)

    def slots(self) -> int:
        """Shards that the workers that are there can run at once; 0 before any were counted."""
        return self._slots

    def close(self) -> None:
        self._lifeline.close()

    def _go_on(self, timeout_s: float) -> None:
        """One turn, where the cluster is there; else a step towards it."""
        was_up = self._lifeline.is_up
        if self._lifeline.hold(timeout_s):
            if not was_up:  # workers have their time from now on
                self._manned_at = self._clock()
            self._guarded(self._turn, timeout_s)

    def _doomed(self, action: Callable[..., None], *arguments: Any) -> None:
        """Run an action; if the campaign cannot go on, its batches are forgotten."""
        try:
            action(*arguments)
        except QdxError:
            for ticket in list(self._batches):
                self.cancel(ticket)
            raise

    def _guarded(self, action: Callable[..., None], *arguments: float) -> None:
        """Run an action; a lost engine puts everything under way back in line."""
        try:
            action(*arguments)
        except EngineLost as error:
            self._counts["rebuilt"] += 1
            lost = [self._running[id_] for id_ in sorted(self._running)]
            self._running.clear()
            self._again(*lost)
            self._slots, self._counted_at, self._manned_at = 0, -LOOK_S, self._clock()
            self._lifeline.broke(error)

    def _turn(self, timeout_s: float) -> None:
        """Start what there is room for, wait for what comes back."""
        self._look()
        self._launch()
        for arrival in self._engine.wait(timeout_s):
            self._arrive(arrival)
        self._end_the_overdue()
        self._launch()

    def _look(self) -> None:
        """Count the workers now and then."""
        now = self._clock()
        if now - self._counted_at >= LOOK_S:
            self._slots, self._counted_at = self._engine.slots(), now
        if self._slots:
            self._manned_at = now
        elif now - self._manned_at > self._p.workers_timeout_s:
            having = f" with resources {dict(self._p.resources)}" if self._p.resources else ""
            raise RolloutError(
                f"executor.workers_timeout_s: expected a worker{having} within "
                f"{self._p.workers_timeout_s:g} s, got none. Start workers, then resume."
            )

    def _launch(self) -> None:
        """Fill the room in flight."""
        attempts = []
        for job in self._next(self._p.in_flight * self._slots - len(self._running)):
            id_, self._next_attempt = self._next_attempt, self._next_attempt + 1
            self._running[id_], job.launched_at = job, self._clock()
            rollout = self._batches[job.ticket].rollout
            attempts.append(Attempt(id_, rollout, worker.pack(job.genomes)))
        if attempts:
            self._engine.launch(attempts)

    def _next(self, room: int) -> list[Job]:
        """What is to be started now, of the head of the line.

        A suspect runs with nothing beside it, once nothing of its own batch or an earlier one waits
        any more; what came later waits for it.
        """
        if any(job.is_alone for job in self._running.values()):
            return []
        queue, n = self._waiting, len(self._waiting)
        if self._suspects:
            last = min(job.ticket for job in self._suspects)
            n = sum(job.ticket <= last for job in queue)
            queue = deque(sorted(queue, key=lambda job: job.ticket > last))  # stable
            self._waiting = queue
            if not n:
                queue, n = self._suspects, int(self._slots > 0 and not self._running)
        return [queue.popleft() for _ in range(max(min(room, n), 0))]

    def _arrive(self, arrival: Arrival) -> None:
        """What an attempt came to; of attempts nobody waits for, nothing."""
        job = self._running.pop(arrival.id, None)
        if job is None:
            return
        if isinstance(arrival, Lost):
            self._bury(job, arrival.deaths)
            return
        self._lifeline.answered()
        if isinstance(arrival, Raised):
            self._fault(job, arrival.error, "raised")
            return
        self._check(job, arrival)

    def _check(self, job: Job, arrival: Answered) -> None:
        """Keep outcomes that can be the shard's."""
        try:
            reply = worker.unpack(arrival.reply)
            wrong = flaw(reply.outcomes, len(job.genomes))
            if reply.ids != worker.checksum(job.genomes):
                wrong = "the reply of another shard"
        except Exception as error:
            wrong = f"not readable: {error!r}"
        if wrong:
            self._fault(job, Garbage(wrong), "garbage")
            return
        if reply.host != host():
            self._stranger(reply.host)
        self._batches[job.ticket].finish(job, reply.outcomes)
        self._complete(job.ticket)

    def _stranger(self, its: tuple[str, ...]) -> None:
        """A worker on another kind of machine: its bits may differ, which is said once."""
        self._counts["elsewhere"] += 1
        if its not in self._strangers:
            self._strangers.add(its)
            differs = ", ".join(sorted(set(its) ^ set(host())))
            warnings.warn(
                "a worker is not like the campaign's machine, so the bits of its episodes may "
                f"differ; they differ in: {differs}",
                stacklevel=2,
            )

    def _complete(self, ticket: int) -> None:
        """A batch whose rows are all there is whole, unless shards disagree about its shape."""
        batch = self._batches[ticket]
        if not batch.is_whole():
            return
        odd = batch.odd(self._schemas.get(batch.rollout))
        for job in odd:
            batch.withdraw(job)
            self._fault(job, Garbage("shaped unlike the outcomes of other shards"), "garbage")
        if not odd:
            if batch.done:
                self._schemas[batch.rollout] = schema(next(iter(batch.done.values()))[1])
            self._whole.append(ticket)

    def _fault(self, job: Job, error: BaseException, kind: str) -> None:
        """A shard raised or is garbage: again, a bounded number of times."""
        self._counts[kind] += 1
        job.faults += 1
        if job.faults < self._p.tries and not isinstance(error, QdxError):
            self._again(job)
            return
        self.cancel(job.ticket)
        if isinstance(error, QdxError):
            raise error
        raise RolloutError(
            f"a shard could not be evaluated in {job.faults} tries: {error!r}"
        ) from error

    def _bury(self, job: Job, deaths: int) -> None:
        """A worker was lost with the shard: again, then divided, then the culprit is marked."""
        self._counts["lost"] += 1
        job.deaths += deaths
        job.losses += not deaths
        is_much = job.deaths >= self._p.deaths
        if len(job.genomes) > 1 and is_much:
            self._counts["divided"] += 1
            self._again(*job.divided())
        elif len(job.genomes) == 1 and deaths and not job.is_alone:
            job.is_alone, job.deaths = True, 0
            self._again(job)
        elif job.is_alone and is_much:
            self._convict(job)
        elif not deaths and job.losses >= MOST_LOSSES:
            lost = RuntimeError(f"its reply was lost {job.losses} times, though its workers live")
            self._fault(job, lost, "raised")
        elif is_much:
            self._fault(job, RuntimeError("workers were lost with an empty shard"), "raised")
        else:
            self._again(job)

    def _convict(self, job: Job) -> None:
        """A genome is marked failed; if its whole batch is, workers are asked for the shape."""
        self._counts["poisoned"] += 1
        batch = self._batches[job.ticket]
        batch.fail(job.row, f"ended {job.deaths} workers that ran it alone")
        if batch.lacks_shape():
            self._again(job.empty())
        self._complete(job.ticket)

    def _again(self, *lost: Job) -> None:
        """Back to the head of the line."""
        self._suspects.extendleft(reversed([job for job in lost if job.is_alone]))
        self._waiting.extendleft(reversed([job for job in lost if not job.is_alone]))

    def _end_the_overdue(self) -> None:
        """End workers that hang so deeply that they do not end themselves.

        A shard has at most `in_flight` - 1 others before it on its worker. One that is away for
        longer than all of them may run, and whose worker is silent, hangs or waits behind one that
        does; on a shared cluster it may just as well wait behind somebody else's work.
        """
        now, limit = self._clock(), self._p.in_flight * self._p.timeout_s + GRACE_S
        late = [id_ for id_, job in self._running.items() if now - job.launched_at > limit]
        ended = set(self._engine.evict(late)) if late else set()
        for id_ in late:
            if id_ in ended:
                self._counts["hung"] += 1
                self._bury(self._running.pop(id_), 1)
            else:
                self._running[id_].launched_at = now

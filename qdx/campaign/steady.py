"""The steady state: a result is told as soon as it is there, and the next is asked for.

    ask_more → submit … collect → write down → describe → admit_some → add → tell_some → count

In which order results come depends on the workers, so the bits of a run follow not from its seed
but from its event log: each result is an event, written and flushed before it is told. What is
asked for follows from what was told, so the log says only how many shards had been asked for at
each event. Told again from the log, a campaign is the same to the bit, genomes under way included.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, final

import numpy as np

from qdx.assembly.sections import SteadySection
from qdx.campaign.window import Window, refuse_failures
from qdx.core.errors import DamagedRunError, InterruptedRun
from qdx.core.types import Evaluations, Genomes, Outcomes, Record, State, join, seen, take
from qdx.executors.evaluate import POLL_S
from qdx.storage import Event, EventLog

if TYPE_CHECKING:
    from qdx.campaign.campaign import Campaign

SHARDS = 16  # of what stands for a generation, where the config does not say
GENOMES = ("ids", "genes", "parents", "purpose", "trial")


def generation(c: Campaign) -> Record:
    """Tell results as they come, until there are as many as a generation has."""
    s = c.steady
    if not s.window.evaluations:
        c.exchange.meet(c)
    while not s.is_due(c):
        genomes, outcomes = s.next_result(c)
        tell(c, genomes, outcomes)
    return s.record(c)


def tell(c: Campaign, genomes: Genomes, outcomes: Outcomes) -> None:
    """Describe, admit, add, tell, count: a shard whose event is written."""
    described = c.descriptor.describe(seen(genomes, outcomes), outcomes.failed)
    evaluations = Evaluations(genomes, outcomes, described)
    c.records.add(evaluations)
    admitted = c.searcher.admit_some(evaluations)
    verdicts = {
        name: c.archives[name].add(c.records.evaluations(ids)) for name, ids in admitted.items()
    }
    c.searcher.tell_some(evaluations, verdicts)
    c.records.sweep()
    c.tally.add(evaluations)
    c.steady.window.add(evaluations, verdicts)


def run(c: Campaign) -> None:
    """Results until the budget is spent: journal as often as generations would, commit when due."""
    while not c.is_finished() or c.steady.window.evaluations:
        c.journal(generation(c))
        if c.is_commit_due():
            c.commit("running")
    c.commit("finished")


def tell_again(c: Campaign) -> int:
    """What was written after the last commit, in its order and without an episode; how much."""
    s, before = c.steady, c.steady.told
    for event in s.log.beyond(s.told):
        if not s.window.evaluations:
            c.exchange.meet(c)
        s.ask_until(c, event)
        tell(c, s.under_way.pop(int(event.ids[0])), event.outcomes)
        s.told = event.number
        if s.is_full():
            c.journal(s.record(c), is_new=False)
    return s.told - before


@final
class Steady:
    """What is under way, and what was told since the last record.

    Attributes:
        log: Where results are written before they are told.
        told: Events told.
        asked: Shards asked for.
        under_way: Shards that were asked for and not told, by their first id, the oldest first.
        window: What was told since the last record.
    """

    def __init__(self, parameters: SteadySection, batch: int, archives: list[str]) -> None:
        """Nothing asked for yet; `batch` evaluations stand for a generation."""
        self._p, self._batch, self._archives = parameters, batch, archives
        self.log: EventLog
        self.told = self.asked = 0
        self.under_way: dict[int, Genomes] = {}
        self.window = Window.of(archives)
        self._tickets: dict[int, int] = {}  # of those submitted → first id
        self._arrived: deque[tuple[int, Outcomes]] = deque()

    def is_full(self) -> bool:
        """Whether as much was told as a generation has."""
        return self.window.evaluations >= self._batch

    def is_due(self, c: Campaign) -> bool:
        """Whether it is time for a record: also for what is left when the budget is spent."""
        return self.is_full() or c.is_finished()

    def record(self, c: Campaign) -> Record:
        """The journal line of what was told since the last one."""
        c.tally.end_generation()
        window, self.window = self.window, Window.of(self._archives)
        return c.line(window)

    def next_result(self, c: Campaign) -> tuple[Genomes, Outcomes]:
        """The next shard that comes back, its event on the disk; what is under way goes on.

        Raises:
            InterruptedRun: The campaign was asked to stop. What is under way is asked for still.
            RolloutError: It cannot be evaluated, or more fails than the config tolerates.
            MachineError: The disk did not take the event.
        """
        try:
            self._fill(c)
            while not self._arrived:
                if c.is_stopping():
                    raise InterruptedRun("asked to stop")
                self._arrived.extend(c.executor.collect(POLL_S).items())
                if not self._arrived:
                    c.on_waiting(self.window.evaluations + c.executor.progress()[0])
                    self._fill(c)  # workers may have come
            return self._written(c, *self._arrived.popleft())
        except BaseException:
            self._recall(c)
            raise

    def ask_until(self, c: Campaign, event: Event) -> None:
        """Ask for what had been asked for when an event was told, that shard among it.

        Raises:
            DamagedRunError: The event is of another campaign.
        """
        while self.asked < event.asked and len(self._ask(c)):
            pass
        genomes = self.under_way.get(int(event.ids[0]))
        if genomes is None or not np.array_equal(genomes.ids, event.ids):
            raise DamagedRunError(
                f"{c.path}: events: event {event.number} is of individuals {event.ids[0]} to "
                f"{event.ids[-1]}, which this campaign has not asked for. Were the files of two "
                "runs mixed? Move `events` away to go on from the last commit."
            )

    def state(self) -> State:
        """Counts, and the genomes under way."""
        shards = list(self.under_way.values())
        arrays = {name: getattr(join(shards), name) for name in GENOMES} if shards else {}
        arrays |= {"sizes": np.array([len(shard) for shard in shards], np.int32)}
        counts = {"told": self.told, "asked": self.asked}
        return State(arrays, {**counts, "window": asdict(self.window)})

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self.told, self.asked = state.json["told"], state.json["asked"]
        self.window = Window(**state.json["window"])
        ends = np.cumsum(state.arrays["sizes"])
        if len(ends):
            ids, genes, parents, purpose, trial = (state.arrays[name] for name in GENOMES)
            genomes = Genomes(ids, genes, parents, purpose, trial)
            shards = [take(genomes, r) for r in np.split(np.arange(len(genomes)), ends[:-1])]
            self.under_way = {int(shard.ids[0]): shard for shard in shards}

    def committed(self, oldest: int) -> None:
        """A commit holds all that was told; the oldest commit in place has so many events."""
        self.log.committed(None if self._p.keep_events else oldest)

    def _fill(self, c: Campaign) -> None:
        """Submit what is not, then ask for more while there is room and budget."""
        submitted = set(self._tickets.values())
        for first in [first for first in self.under_way if first not in submitted]:
            self._submit(c, first)
        room = self._p.in_flight * max(c.executor.slots(), 1)
        while len(self.under_way) < room and self._planned(c) < c.config.campaign.budget:
            genomes = self._ask(c)
            if not len(genomes):
                break
            self._submit(c, int(genomes.ids[0]))

    def _planned(self, c: Campaign) -> int:
        """Evaluations told and under way."""
        return int(c.tally.evaluations) + sum(map(len, self.under_way.values()))

    def _ask(self, c: Campaign) -> Genomes:
        genomes: Genomes = c.searcher.ask_more(self._p.shard or max(self._batch // SHARDS, 1))
        if len(genomes):
            self.under_way[int(genomes.ids[0])] = genomes
            self.asked += 1
        return genomes

    def _submit(self, c: Campaign, first: int) -> None:
        self._tickets[c.executor.submit(c.rollout, self.under_way[first])] = first

    def _written(self, c: Campaign, ticket: int, outcomes: Outcomes) -> tuple[Genomes, Outcomes]:
        """A result, once its event is on the disk."""
        first = self._tickets.pop(ticket)
        genomes = self.under_way[first]
        limit = c.config.campaign.max_failed_fraction
        refuse_failures(outcomes, limit, before=self.window, of=self._batch)
        self.log.append(Event(self.told + 1, self.asked, genomes.ids, outcomes))
        del self.under_way[first]
        self.told += 1
        return genomes, outcomes

    def _recall(self, c: Campaign) -> None:
        """Nothing is submitted any more; what is under way waits to be submitted again."""
        for ticket in self._tickets:
            c.executor.cancel(ticket)
        self._tickets.clear()
        self._arrived.clear()

"""What every executor must do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from qdx.core.errors import RolloutError
from qdx.core.types import Genomes, Outcomes
from tests.conformance.making import equal, genomes, outcomes

PATIENCE_S = 60.0  # a test that waits longer has failed


@dataclass(frozen=True)
class Echo:
    """A rollout whose outcomes say whose they are; ids divisible by `poison` fail."""

    poison: int = 10**9

    def __call__(self, batch: Genomes) -> Outcomes:
        points = np.stack([batch.ids, 2 * batch.ids], axis=1).astype(np.float32)
        failed = np.flatnonzero(batch.ids % self.poison == self.poison - 1)
        ends = outcomes(points, batch.genes[:, 0], failed=failed)
        return replace(ends, length=batch.ids.astype(np.int32))


@dataclass(frozen=True)
class Crash:
    """A rollout with a bug: it raises where it should have answered."""

    culprit: int

    def __call__(self, batch: Genomes) -> Outcomes:
        if self.culprit in batch.ids:
            raise ZeroDivisionError("a bug in a rollout")
        return Echo()(batch)


@dataclass(frozen=True)
class Gate:
    """A rollout that answers once the test says so, in whichever process."""

    path: Path

    def __call__(self, batch: Genomes) -> Outcomes:
        deadline = time.monotonic() + PATIENCE_S
        while not self.path.exists():
            assert time.monotonic() < deadline
            Event().wait(0.005)
        return Echo()(batch)

    def open(self) -> None:
        """Let all through."""
        self.path.touch()


def results(executor: Any, *tickets: int) -> dict[int, Outcomes]:
    """Collect until all tickets are there."""
    found: dict[int, Outcomes] = {}
    while not found.keys() >= set(tickets):
        finished = executor.collect(PATIENCE_S)
        assert finished
        assert not finished.keys() & found.keys()
        found |= finished
    return found


class ExecutorConformance:
    """Subclass in the executor's own test module and say how it is built."""

    @pytest.fixture
    def build(self) -> Callable[[], Any]:
        raise NotImplementedError

    @pytest.fixture
    def executor(self, build: Callable[[], Any]) -> Iterator[Any]:
        made = build()
        yield made
        made.close()

    @pytest.mark.parametrize("n", [1, 20, 21, 64])
    def test_rows_are_in_the_order_of_their_genomes(self, executor: Any, n: int) -> None:
        batch = genomes(n, first_id=100)
        ticket = executor.submit(Echo(), batch)
        assert equal(results(executor, ticket)[ticket], Echo()(batch))

    def test_order_is_kept_where_ids_are_not_ascending(self, executor: Any) -> None:
        batch = genomes(30)
        shuffled = Genomes(
            batch.ids[::-1].copy(), batch.genes, batch.parents, batch.purpose, batch.trial
        )
        ticket = executor.submit(Echo(), shuffled)
        assert equal(results(executor, ticket)[ticket].truth[:, 0].astype(int), shuffled.ids)

    def test_an_empty_batch_has_an_empty_outcome(self, executor: Any) -> None:
        ticket = executor.submit(Echo(), genomes(0))
        assert len(results(executor, ticket)[ticket]) == 0

    def test_failed_rows_come_back_in_their_places(self, executor: Any) -> None:
        ticket = executor.submit(Echo(poison=7), genomes(40))
        failed = np.flatnonzero(results(executor, ticket)[ticket].failed)
        assert failed.tolist() == [6, 13, 20, 27, 34]

    def test_several_batches_may_be_under_way(self, executor: Any) -> None:
        batches = [genomes(n, first_id=100 * n) for n in (5, 1, 33, 8)]
        tickets = [executor.submit(Echo(), batch) for batch in batches]
        assert len(set(tickets)) == 4
        found = results(executor, *tickets)
        for ticket, batch in zip(tickets, batches, strict=True):
            assert equal(found[ticket], Echo()(batch))

    def test_what_was_collected_is_not_collected_again(self, executor: Any) -> None:
        results(executor, executor.submit(Echo(), genomes(5)))
        assert executor.collect(0.0) == {}

    def test_tickets_are_not_used_twice(self, executor: Any) -> None:
        first = executor.submit(Echo(), genomes(1))
        results(executor, first)
        assert executor.submit(Echo(), genomes(1)) != first

    def test_nothing_under_way_is_not_waited_for(self, executor: Any) -> None:
        assert executor.collect() == {}

    def test_submitting_does_not_wait(self, executor: Any, tmp_path: Path) -> None:
        gate = Gate(tmp_path / "open")
        ticket = executor.submit(gate, genomes(50))  # would never return
        assert executor.collect(0.01) == {}
        gate.open()
        assert len(results(executor, ticket)[ticket]) == 50

    def test_a_shard_that_raises_is_a_rollout_error(self, executor: Any) -> None:
        executor.submit(Crash(3), genomes(30))
        with pytest.raises(RolloutError, match="a bug in a rollout"):
            executor.collect(PATIENCE_S)

    def test_goes_on_after_a_batch_that_raised(self, executor: Any) -> None:
        executor.submit(Crash(3), genomes(30))
        with pytest.raises((RolloutError, ZeroDivisionError)):
            executor.collect(PATIENCE_S)
        ticket = executor.submit(Echo(), genomes(30))
        assert equal(results(executor, ticket)[ticket], Echo()(genomes(30)))

    def test_progress_counts_genomes_of_the_batches_under_way(self, executor: Any) -> None:
        assert executor.progress() == (0, 0)
        ticket = executor.submit(Echo(), genomes(50))
        done, of = executor.progress()
        assert 0 <= done <= of == 50
        results(executor, ticket)
        assert executor.progress() == (0, 0)
        assert executor.report() == {}

    def test_slots_are_known_once_something_came_back(self, executor: Any) -> None:
        assert executor.slots() >= 0
        results(executor, executor.submit(Echo(), genomes(5)))
        assert executor.slots() >= 1

    def test_closes_with_work_under_way(self, build: Callable[[], Any]) -> None:
        executor = build()
        executor.submit(Echo(), genomes(50))
        executor.close()

"""The local executor and the blocking helper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.errors import InterruptedRun, RolloutError
from qdx.core.types import Genomes, Outcomes, join, take
from qdx.executors.evaluate import evaluate
from qdx.executors.local import Local, LocalParameters, shard_of
from tests.conformance.executor import PATIENCE_S, Echo, ExecutorConformance, Gate, results
from tests.conformance.making import equal, genomes


class TestLocal(ExecutorConformance):
    @pytest.fixture(
        params=[(t, s) for t in (1, 2, 4) for s in (0, 1, 3, 20)],
        ids=lambda p: f"{p[0]} threads, shards of {p[1]}",
    )
    def build(self, request: pytest.FixtureRequest) -> Callable[[], Local]:
        threads, shard = request.param
        return partial(Local, LocalParameters(threads, shard))


@pytest.fixture
def pair() -> Iterator[Local]:
    """Two threads, shards of two."""
    executor = Local(LocalParameters(threads=2, shard=2))
    yield executor
    executor.close()


@pytest.fixture
def single() -> Iterator[Local]:
    """One thread, shards of one."""
    executor = Local(LocalParameters(threads=1, shard=1))
    yield executor
    executor.close()


class LastFirst:
    """The first shard answers after all others have."""

    def __init__(self, last_id: int) -> None:
        self.last_id, self.last_is_done = last_id, Event()

    def __call__(self, batch: Genomes) -> Outcomes:
        if 0 in batch.ids:
            assert self.last_is_done.wait(PATIENCE_S)
        if self.last_id in batch.ids:
            self.last_is_done.set()
        return Echo()(batch)


class Together:
    """Two shards must be under way at once, or neither ends."""

    def __init__(self) -> None:
        self.barrier = Barrier(2)

    def __call__(self, batch: Genomes) -> Outcomes:
        self.barrier.wait(PATIENCE_S)
        return Echo()(batch)


class Slow:
    """Ten milliseconds a shard."""

    def __init__(self) -> None:
        self.n_done, self.never = 0, Event()

    def __call__(self, batch: Genomes) -> Outcomes:
        self.never.wait(0.01)
        self.n_done += 1
        return Echo()(batch)


def test_order_does_not_depend_on_which_shard_ends_first(pair: Local) -> None:
    ticket = pair.submit(LastFirst(9), genomes(10))
    assert equal(results(pair, ticket)[ticket], Echo()(genomes(10)))


def test_shards_run_side_by_side(pair: Local) -> None:
    ticket = pair.submit(Together(), genomes(4))
    assert len(results(pair, ticket)[ticket]) == 4


def test_a_later_batch_may_be_collected_first(pair: Local, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "open")
    blocked = pair.submit(gate, genomes(2))
    free = pair.submit(Echo(), genomes(2))
    assert pair.collect(PATIENCE_S).keys() == {free}
    gate.open()
    assert pair.collect(PATIENCE_S).keys() == {blocked}


def test_collect_waits_no_longer_than_the_timeout(single: Local) -> None:
    slow = Slow()
    single.submit(slow, genomes(60))
    single.collect(0.2)
    assert slow.n_done < 50  # 60 shards take 0.6 s or more


def test_evaluate_waits_for_its_batch(pair: Local) -> None:
    found = evaluate(pair, Echo(), genomes(9), stopping=lambda: False)
    assert equal(found, Echo()(genomes(9)))


def test_evaluate_stops_when_asked(pair: Local, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "open")
    with pytest.raises(InterruptedRun):
        evaluate(pair, gate, genomes(4), stopping=lambda: True)
    gate.open()


@given(st.integers(0, 10**6))
def test_a_shard_is_even_and_follows_from_the_batch_alone(n: int) -> None:
    assert shard_of(n) % 2 == 0
    assert 2 <= shard_of(n) <= 24
    assert n <= 384 or shard_of(n) == 24
    assert -(-n // shard_of(n)) <= 16 or shard_of(n) == 24


def test_a_rollout_that_divides_is_readied_once(pair: Local) -> None:
    readied: list[int] = []

    class Divided(Echo):
        def divide(self, batch: Genomes, size: int) -> Any:
            readied.append(len(batch))
            parts: dict[int, Outcomes] = {}
            starts = range(0, len(batch), size)

            def piece(start: int) -> None:
                parts[start] = self(take(batch, np.arange(start, min(start + size, len(batch)))))

            return [partial(piece, s) for s in starts], lambda: join([parts[s] for s in starts])

    batch = genomes(7)
    ticket = pair.submit(Divided(), batch)
    assert equal(results(pair, ticket)[ticket], Echo()(batch))
    assert readied == [7]


def test_a_batch_that_cannot_be_readied_is_a_rollout_error(pair: Local) -> None:
    class Unready(Echo):
        def divide(self, batch: Genomes, size: int) -> Any:
            raise RuntimeError("no room on the device")

    with pytest.raises(RolloutError, match=r"could not be readied.*no room on the device"):
        pair.submit(Unready(), genomes(7))


def test_evaluate_tells_how_far_it_is(single: Local) -> None:
    told: list[int] = []
    evaluate(single, Slow(), genomes(60), stopping=lambda: False, waiting=told.append)
    assert told == sorted(told)
    assert 0 < told[-1] < 60  # 60 shards take 0.6 s or more

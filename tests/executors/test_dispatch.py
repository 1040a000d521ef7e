"""The dispatcher over an engine that goes wrong by plan."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.errors import ConfigError, RolloutError
from qdx.core.types import Genomes, Outcomes, take
from qdx.executors import lifeline
from qdx.executors.batches import flaw, shard_of
from qdx.executors.dispatch import Dispatcher
from qdx.executors.parameters import ClusterParameters
from tests.conformance.executor import PATIENCE_S, Echo, ExecutorConformance, results
from tests.conformance.making import equal, genomes
from tests.executors import faulty_engine as faults
from tests.executors.faulty_engine import FaultyEngine

FAULTS = {
    "dies": faults.dies,
    "raises": faults.raises,
    "garbles": faults.garbles,
    "swaps": faults.swaps,
    "answers nothing": faults.answers(None),
    "loses the engine": faults.loses_the_engine,
}


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifeline, "BACKOFF_S", 0.0)


def dispatcher(engine: FaultyEngine, **more: Any) -> Dispatcher:
    return Dispatcher(engine, ClusterParameters(**{"shard": 4, "tries": 3, **more}))


def evaluated(engine: FaultyEngine, batch: Genomes, **more: Any) -> Outcomes:
    executor = dispatcher(engine, **more)
    try:
        ticket = executor.submit(Echo(), batch)
        return results(executor, ticket)[ticket]
    finally:
        executor.close()


class TestDispatcher(ExecutorConformance):
    @pytest.fixture(params=[0, 1, 3, 20], ids=lambda s: f"shards of {s}")
    def build(self, request: pytest.FixtureRequest) -> Callable[[], Dispatcher]:
        return lambda: dispatcher(FaultyEngine(), shard=request.param)

    # this engine runs shards while it is waited for, so nothing may wait for the test
    test_submitting_does_not_wait = None


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_no_bit_and_every_genome_counts_once(name: str) -> None:
    engine, batch = FaultyEngine({2: FAULTS[name]}), genomes(40)
    assert equal(evaluated(engine, batch), Echo()(batch))
    assert sorted(engine.evaluated) == list(range(40))
    assert engine.n_run > 10  # it was run again


@given(plan=st.dictionaries(st.integers(0, 25), st.sampled_from(sorted(FAULTS)), max_size=8))
def test_any_mixture_of_faults_ends_in_the_calm_outcomes(plan: dict[int, str]) -> None:
    engine = FaultyEngine({k: FAULTS[name] for k, name in plan.items()}, poison=[13])
    lifeline.BACKOFF_S = 0.0
    found = evaluated(engine, genomes(40), tries=30, deaths=9)
    calm = Echo()(genomes(40))
    healthy = np.arange(40) != 13
    assert equal(take(found, healthy), take(calm, healthy))
    assert np.flatnonzero(found.failed).tolist() == [13]
    assert set(engine.beside[-9:]) == {0}  # convicted with nothing beside it


def test_a_poisonous_genome_is_found_and_the_others_are_kept() -> None:
    engine = FaultyEngine(poison=[5, 22])
    executor = dispatcher(engine, deaths=2)
    ticket = executor.submit(Echo(), genomes(40))
    found = results(executor, ticket)[ticket]
    executor.close()
    assert np.flatnonzero(found.failed).tolist() == [5, 22]
    assert set(found.reason[found.failed]) == {"it ended 2 workers that ran it alone"}
    assert executor.report()["poisoned"] == 2


@pytest.mark.parametrize("shard", [1, 4])
def test_a_batch_of_nothing_but_poison_fails_row_by_row(shard: int) -> None:
    found = evaluated(FaultyEngine(poison=[0, 1]), genomes(2), shard=shard)
    like = Echo()(genomes(2))
    assert found.failed.all()
    assert np.isnan(found.fitness).all()
    assert {k: v.shape for k, v in found.observations.items()} == {
        k: v.shape for k, v in like.observations.items()
    }
    assert equal(evaluated(FaultyEngine(poison=[0, 1]), genomes(0)), Echo()(genomes(0)))


def test_a_suspect_is_not_put_off_for_ever_by_batches_that_follow() -> None:
    engine = FaultyEngine(poison=[2])
    executor = dispatcher(engine, deaths=2)
    tickets = [executor.submit(Echo(), genomes(1, first_id=i)) for i in range(4)]
    came: list[int] = []
    for following in range(4, 100):  # as in a steady campaign: whatever is told makes room for more
        (ticket,) = executor.collect(PATIENCE_S)
        came.append(ticket)
        tickets.append(executor.submit(Echo(), genomes(1, first_id=following)))
    executor.close()
    assert tickets[2] in came[:12]


def test_a_reply_that_is_lost_again_and_again_ends_the_campaign() -> None:
    engine = FaultyEngine(dict.fromkeys(range(10_000), faults.loses_the_reply))
    with pytest.raises(RolloutError, match=r"its reply was lost \d+ times"):
        evaluated(engine, genomes(4))


def test_a_whole_batch_that_nobody_collected_can_be_cancelled() -> None:
    executor = dispatcher(FaultyEngine())
    first, second = (executor.submit(Echo(), genomes(4, first_id=i)) for i in (0, 4))
    came = executor.collect(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while executor.progress()[0] < 4 and not executor._whole and time.monotonic() < deadline:
        executor._turn(0.0)
    other = second if first in came else first
    executor.cancel(other)
    third = executor.submit(Echo(), genomes(4, first_id=8))
    assert list(executor.collect(PATIENCE_S)) == [third]
    executor.close()


@pytest.mark.parametrize("name", ["raises", "garbles", "swaps", "answers nothing"])
def test_a_shard_that_never_comes_back_right_ends_the_campaign(name: str) -> None:
    plan = dict.fromkeys(range(100), FAULTS[name])
    with pytest.raises(RolloutError, match="in 3 tries"):
        evaluated(FaultyEngine(plan), genomes(4))


def test_what_the_user_did_wrong_is_not_tried_again() -> None:
    class Wrong(Echo):
        def __call__(self, batch: Genomes) -> Outcomes:
            raise ConfigError("executor.device: no such device")

    engine = FaultyEngine()
    executor = dispatcher(engine)
    executor.submit(Wrong(), genomes(3))
    with pytest.raises(ConfigError, match="no such device"):
        executor.collect(PATIENCE_S)
    assert engine.n_run == 1


def test_shards_in_flight_are_bounded() -> None:
    engine = FaultyEngine(n_slots=2)
    evaluated(engine, genomes(400), in_flight=3)
    assert engine.most_in_flight == 6


def test_a_cluster_that_cannot_be_opened_is_tried_so_often_and_no_more() -> None:
    engine = FaultyEngine(closed=2)
    assert len(evaluated(engine, genomes(4), tries=2)) == 4
    with pytest.raises(RolloutError, match=r"3 times in a row.*connection refused"):
        evaluated(FaultyEngine(closed=9), genomes(4), tries=2)


def test_a_cluster_lost_again_and_again_ends_the_campaign() -> None:
    plan = dict.fromkeys(range(100), faults.loses_the_engine)
    with pytest.raises(RolloutError, match="times in a row"):
        evaluated(FaultyEngine(plan), genomes(4), tries=2)


class Clock:
    """Goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_a_cluster_without_workers_says_so_after_the_stated_time() -> None:
    parameters = ClusterParameters(workers_timeout_s=500.0, resources={"GPU": 1.0})
    executor = Dispatcher(FaultyEngine(n_slots=0), parameters, clock=Clock())
    executor.submit(Echo(), genomes(3))
    with pytest.raises(RolloutError, match=r"a worker with resources \{'GPU': 1.0\} within 500 s"):
        executor.collect()
    assert executor.collect() == {}  # the batch is forgotten
    executor.close()


def test_a_shard_that_is_never_heard_of_is_evicted_and_run_again() -> None:
    engine = FaultyEngine({1: faults.hangs})
    executor = Dispatcher(engine, ClusterParameters(shard=4, timeout_s=50.0), clock=Clock())
    ticket = executor.submit(Echo(), genomes(12))
    assert equal(executor.collect()[ticket], Echo()(genomes(12)))
    assert engine.n_evicted == 1
    assert executor.report() == {"hung": 1, "lost": 1}
    executor.close()


def test_a_shard_that_hangs_is_evicted_also_while_others_answer() -> None:
    engine, clock = FaultyEngine({1: faults.hangs}), Clock()
    executor = Dispatcher(engine, ClusterParameters(shard=4, timeout_s=50.0), clock=clock)
    hanging = [executor.submit(Echo(), genomes(4, first_id=4 * i)) for i in range(2)][1]
    following, came = 8, False
    while not came:
        came = hanging in executor.collect(PATIENCE_S)
        executor.submit(Echo(), genomes(4, first_id=following))
        following += 4
    assert engine.n_evicted == 1
    assert clock.now < 1000
    executor.close()


def test_a_shard_that_waits_behind_the_work_of_others_is_not_taken_for_one_that_hangs() -> None:
    engine = FaultyEngine({1: faults.waits})
    parameters = ClusterParameters(shard=4, timeout_s=50.0, deaths=1)
    executor = Dispatcher(engine, parameters, clock=Clock())
    ticket = executor.submit(Echo(), genomes(12))
    assert equal(executor.collect()[ticket], Echo()(genomes(12)))
    assert (engine.n_evicted, executor.report()) == (0, {})
    assert 0 < engine.n_asked < faults.LONG / 10  # not at every look
    executor.close()


def test_a_cluster_that_never_opens_ends_the_campaign_and_is_let_go() -> None:
    gate, engine = threading.Event(), FaultyEngine()
    engine.open = lambda: gate.wait(PATIENCE_S)  # type: ignore[method-assign, assignment]
    closed = threading.Event()
    engine.close = closed.set  # type: ignore[method-assign]
    executor = dispatcher(engine, workers_timeout_s=0.1)
    executor.submit(Echo(), genomes(4))
    with pytest.raises(RolloutError, match=r"workers_timeout_s: .* open within 0.1 s"):
        executor.collect(PATIENCE_S)
    lifeline.CLOSING_S, before = 0.1, lifeline.CLOSING_S
    executor.close()
    lifeline.CLOSING_S = before
    assert not closed.is_set()  # for it is still being opened
    gate.set()
    assert closed.wait(PATIENCE_S)


def test_workers_have_their_time_from_when_the_cluster_is_open() -> None:
    engine, clock = FaultyEngine(n_slots=0), Clock()
    opened: list[float] = []

    def slow() -> None:
        clock.now += 250.0
        opened.append(clock.now)

    engine.open = slow  # type: ignore[method-assign]
    executor = Dispatcher(engine, ClusterParameters(workers_timeout_s=300.0), clock=clock)
    executor.submit(Echo(), genomes(3))
    executor._lifeline._clock = lambda: 0.0  # opening takes no time on the lifeline's own clock
    with pytest.raises(RolloutError, match="within 300 s"):
        executor.collect()
    assert clock.now - opened[0] >= 300
    executor.close()


def test_a_shard_shaped_unlike_the_others_is_run_again() -> None:
    odd = Echo()(genomes(4, first_id=4))
    odd = replace(odd, observations={"final": np.zeros((4, 7), np.float32)})
    engine = FaultyEngine({1: faults.answers(odd)})
    assert equal(evaluated(engine, genomes(12)), Echo()(genomes(12)))
    assert engine.n_run == 4


def test_a_later_batch_of_one_shard_is_held_to_the_shape_of_earlier_ones() -> None:
    odd = Echo()(genomes(4))
    odd = replace(odd, truth=np.zeros((4, 5), np.float32))
    engine = FaultyEngine({3: faults.answers(odd)})
    executor = dispatcher(engine)
    for n in (12, 4):
        ticket = executor.submit(Echo(), genomes(n))
        assert equal(results(executor, ticket)[ticket], Echo()(genomes(n)))
    assert engine.n_run == 5
    executor.close()


def test_a_cancelled_batch_leaves_no_shard_behind() -> None:
    engine = FaultyEngine()
    executor = dispatcher(engine)
    ticket = executor.submit(Echo(), genomes(400))
    deadline = time.monotonic() + PATIENCE_S
    while not engine.n_run and time.monotonic() < deadline:
        executor.collect(0.0)
    executor.cancel(ticket)
    assert not engine.queue
    assert executor.progress() == (0, 0)
    executor.close()


WRONG = {
    "a string": "garbage",
    "a row too few": take(Echo()(genomes(4)), np.arange(3)),
    "no observations": {"observations": None},
    "observations of another length": {"observations": {"final": np.zeros((3, 2))}},
    "a list for fitness": {"fitness": [0.0] * 4},
    "text for numbers": {"length": np.full(4, "x")},
    "NaN without failure": {"fitness": np.full(4, np.nan, np.float32)},
    "another axis": {"fitness": np.zeros((4, 1), np.float32)},
}


@pytest.mark.parametrize("name", WRONG)
def test_garbage_is_told_from_outcomes(name: str) -> None:
    good: Any = Echo()(genomes(4))
    wrong = WRONG[name]
    if isinstance(wrong, dict):
        bad = object.__new__(Outcomes)  # as a pickle makes it: nothing is checked
        bad.__dict__.update({**vars(good), **wrong})
        wrong = bad
    assert flaw(good, 4) == ""
    assert flaw(wrong, 4) != ""


@given(st.integers(0, 10**6))
def test_a_shard_of_a_cluster_follows_from_the_batch_alone(n: int) -> None:
    assert 16 <= shard_of(n) <= 1000
    assert n <= 256 or -(-n // shard_of(n)) <= 16 or shard_of(n) == 1000


def test_a_rollout_that_cannot_be_sent_is_a_rollout_error() -> None:
    executor = dispatcher(FaultyEngine())
    with pytest.raises(RolloutError, match="cannot be sent to workers"):
        executor.submit(partial(Echo(), (x for x in ())), genomes(3))


def test_workers_unlike_the_campaigns_machine_are_told_of_once() -> None:
    engine = FaultyEngine({1: faults.answers_from_elsewhere, 2: faults.answers_from_elsewhere})
    executor = dispatcher(engine)
    ticket = executor.submit(Echo(), genomes(40))
    with pytest.warns(UserWarning, match=r"they differ in: .*vax") as told:
        results(executor, ticket)
    assert len(told) == 1
    assert executor.report() == {"elsewhere": 2}
    executor.close()

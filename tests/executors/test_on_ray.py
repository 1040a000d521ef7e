"""The executor on Ray: conformance, the same run as elsewhere, and an actor that is killed."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import ray
from ray import exceptions
from ray._private import ray_constants

from qdx.campaign.campaign import Campaign
from qdx.executors import on_ray as module
from qdx.executors.dispatch import Dispatcher
from qdx.executors.engine import Answered, Attempt, EngineLost, Lost, Raised
from qdx.executors.on_ray import RayEngine, on_ray
from qdx.executors.parameters import RayParameters
from tests.campaign import striking
from tests.campaign.striking import Strike, strikes
from tests.campaign.test_clusters import STRUCK, befell, config, digests, whole
from tests.conformance.executor import PATIENCE_S, Echo, ExecutorConformance
from tests.conformance.making import genomes


@pytest.fixture(scope="module")
def runtime() -> Iterator[None]:
    """Ray on this machine, which executors find running and leave so."""
    with module._nobody_else_reaches(is_local=True):
        ray.init(**RayEngine(RayParameters(workers=8))._cluster(), log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def shared(runtime: None) -> Iterator[Dispatcher]:
    """One executor for all tests of the class, for an actor takes seconds to start."""
    executor = on_ray(RayParameters(workers=2, shard=3))
    yield executor
    executor.close()


@pytest.mark.slow
class TestOnRay(ExecutorConformance):
    @pytest.fixture
    def build(self, runtime: None) -> Callable[[], Dispatcher]:
        return partial(on_ray, RayParameters(workers=2, shard=3))

    @pytest.fixture
    def executor(self, shared: Dispatcher) -> Dispatcher:
        while shared.progress() != (0, 0):  # what the test before did not collect
            shared.collect(PATIENCE_S)
        shared.report()
        return shared


RAY = {"kind": "ray", "workers": 2, "shard": 20}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    return whole({"kind": "local", "threads": 1}, tmp_path_factory.mktemp("calm") / "run")


@pytest.mark.slow
def test_two_actors_give_the_same_run(tmp_path: Path, calm: Any, runtime: None) -> None:
    assert whole(RAY, tmp_path / "run") == calm
    assert befell(tmp_path / "run") == {}


@pytest.mark.slow
def test_an_actor_that_dies_changes_no_bit(tmp_path: Path, calm: Any, runtime: None) -> None:
    with Campaign(config(RAY), tmp_path / "run") as campaign:
        rollout = campaign.rollout
        campaign.rollout = Strike(rollout, STRUCK, striking.kill_itself, tmp_path)
        campaign.run()
    assert len(strikes(tmp_path)) == 1
    assert befell(tmp_path / "run")["lost"] >= 1
    assert digests(tmp_path / "run") == calm


@pytest.mark.slow
def test_everything_listens_on_this_machine_alone(shared: Dispatcher) -> None:
    me = psutil.Process()
    listening: set[tuple[str, str]] = set()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has ended since
            name, connections = process.name(), process.net_connections("inet")
            listening |= {
                (name, connection.laddr.ip.removeprefix("::ffff:"))  # IPv4 in an IPv6 socket
                for connection in connections
                if connection.status == psutil.CONN_LISTEN
            }
    assert {"gcs_server", "raylet"} <= {name for name, _ in listening}
    assert all(ipaddress.ip_address(ip).is_loopback for _, ip in listening), listening


@pytest.mark.slow
def test_a_culprit_on_the_only_actor_is_one_failed_genome(tmp_path: Path, runtime: None) -> None:
    executor = on_ray(RayParameters(workers=1, shard=4, deaths=2))
    ticket = executor.submit(Strike(Echo(), 0, striking.kill_itself, tmp_path, 99), genomes(4))
    outcomes = executor.collect(PATIENCE_S)[ticket]
    assert outcomes.failed.tolist() == [True, False, False, False]
    assert "rebuilt" not in executor.report()
    executor.close()


class Call:
    """What a call of an actor came to; nothing yet."""

    result: Any = None

    @property
    def is_over(self) -> bool:
        return self.result is not None


class FakeActor:
    """An actor that does what the test says."""

    def __init__(self, is_made: bool) -> None:
        self.pings: list[Call] = []
        self.shards: list[Call] = []
        self.is_made, self.has_died = is_made, False
        self.pid = SimpleNamespace(remote=self._ping)
        self.evaluate = SimpleNamespace(remote=self._evaluate)

    def _ping(self) -> Call:
        self.pings.append(Call())
        if self.has_died:
            self.pings[-1].result = exceptions.ActorDiedError()
        elif self.is_made:
            self.pings[-1].result = 1
        return self.pings[-1]

    def _evaluate(self, *_: Any) -> Call:
        self.shards.append(Call())
        if self.has_died:
            self.shards[-1].result = exceptions.ActorDiedError()
        return self.shards[-1]

    def die(self) -> None:
        self.has_died = True
        for call in [*self.pings, *self.shards]:
            if not call.is_over:
                call.result = exceptions.ActorDiedError()


class FakeRay:
    """As much of Ray as the engine uses, in this process."""

    def __init__(self) -> None:
        self.actors: list[FakeActor] = []
        self.killed: list[Any] = []
        self.is_up, self.took_clusters_for_granted = False, True
        self.makes = True  # whether new actors come at once

    def init(self, **_: Any) -> None:
        self.is_up, self.took_clusters_for_granted = True, ray_constants.ENABLE_RAY_CLUSTER

    def shutdown(self) -> None:
        self.is_up = False

    def is_initialized(self) -> bool:
        return self.is_up

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 8.0}

    def remote(self, _: Any) -> Any:
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._actor))

    def _actor(self, *_: Any) -> FakeActor:
        self.actors.append(FakeActor(self.makes))
        return self.actors[-1]

    def wait(self, refs: list[Call], num_returns: int = 1, timeout: float = 0) -> Any:
        assert refs
        return [ref for ref in refs if ref.is_over], [ref for ref in refs if not ref.is_over]

    def get(self, ref: Call, timeout: float = 0) -> Any:
        if not ref.is_over:
            raise exceptions.GetTimeoutError
        if isinstance(ref.result, Exception):
            raise ref.result
        return ref.result

    def cancel(self, ref: Call) -> None:
        pass

    def kill(self, actor: FakeActor) -> None:
        self.killed.append(actor)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    made = FakeRay()
    monkeypatch.setattr(module, "ray", made)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    return made


def opened(fake: FakeRay, workers: int = 1) -> RayEngine:
    engine = RayEngine(RayParameters(workers=workers))
    engine._has_signals = True  # SIGTERM stays pytest's
    engine.open()
    return engine


def attempts(*ids: int) -> list[Attempt]:
    return [Attempt(id_, b"", b"") for id_ in ids]


def test_the_only_actor_is_replaced_before_the_next_shards_start(fake: FakeRay) -> None:
    engine = opened(fake)
    engine.launch(attempts(0, 1))
    fake.actors[0].die()
    assert engine.wait(0.0) == [Lost(0, 1), Lost(1, 0)]
    fake.makes = False
    engine.launch(attempts(2))  # waits for the new one
    assert engine.wait(0.0) == []
    fake.actors[1].pings[0].result = 1
    fake.actors[1].shards[0].result = b"reply"
    assert engine.wait(0.0) == [Answered(2, b"reply")]


def test_an_actor_that_died_idle_blames_no_shard(fake: FakeRay) -> None:
    engine = opened(fake)
    assert engine.slots() == 1
    fake.actors[0].die()
    engine.launch(attempts(0))
    assert engine.wait(0.0) == []
    assert len(fake.actors[1].shards) == 1


def test_an_actor_that_never_came_blames_no_shard(fake: FakeRay) -> None:
    fake.makes = False
    engine = opened(fake)
    engine.launch(attempts(0, 1))
    fake.actors[0].die()
    assert engine.wait(0.0) == [Lost(0, 0), Lost(1, 0)]


def test_shards_of_an_actor_that_does_not_come_are_given_back(
    fake: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STARTING_S", -1.0)
    fake.makes = False
    engine = opened(fake, workers=2)
    engine.launch(attempts(0, 1))
    assert engine.slots() == 0
    assert engine.wait(0.0) == []
    fake.actors[0].pings[0].result = 1
    assert engine.slots() == 1
    assert engine.wait(0.0) == [Lost(1, 0)]


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ActorDiedError(),
        exceptions.OutOfMemoryError("too much"),
        exceptions.WorkerCrashedError(),
        exceptions.NodeDiedError("gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_befell_one_worker_is_its_shards_death(fake: FakeRay, error: Exception) -> None:
    engine = opened(fake)
    engine.launch(attempts(0))
    fake.actors[0].shards[0].result = error
    assert engine.wait(0.0) == [Lost(0, 1)]
    engine.slots()
    assert len(fake.actors) == 2


def test_a_reply_that_does_not_come_home_is_nobodys_death(fake: FakeRay) -> None:
    engine = opened(fake)
    engine.launch(attempts(0, 1))
    fake.actors[0].shards[0].result = exceptions.GetTimeoutError()
    assert engine.wait(0.0) == [Lost(0, 0)]
    fake.actors[0].die()
    assert engine.wait(0.0) == [Lost(1, 1)]


def test_a_full_store_is_a_fault_and_an_unknown_error_a_lost_cluster(fake: FakeRay) -> None:
    engine = opened(fake)
    engine.launch(attempts(0, 1))
    full = fake.actors[0].shards[0].result = exceptions.ObjectStoreFullError("x")
    assert engine.wait(0.0) == [Raised(0, full)]
    fake.actors[0].shards[1].result = exceptions.RaySystemError("x")
    with pytest.raises(EngineLost, match="RaySystemError"):
        engine.wait(0.0)


def test_a_ray_of_ours_is_shut_down_without_killing_its_actors(fake: FakeRay) -> None:
    engine = opened(fake, workers=2)
    engine.close()
    assert (fake.is_up, fake.killed) == (False, [])


def test_only_actors_are_ended_on_a_ray_that_was_there(fake: FakeRay) -> None:
    fake.is_up = True
    engine = opened(fake, workers=2)
    engine.close()
    assert (fake.is_up, fake.killed) == (True, fake.actors)


def test_a_ray_that_does_not_end_holds_nobody_up(
    fake: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(fake, "shutdown", lambda: let_go.wait(PATIENCE_S))
    engine = opened(fake)
    engine.close()
    with pytest.raises(EngineLost, match="does not end"):
        engine.open()
    let_go.set()


def test_ray_takes_this_machine_for_its_own_only_while_a_ray_of_ours_starts(fake: FakeRay) -> None:
    before = ray_constants.ENABLE_RAY_CLUSTER
    opened(fake)
    assert not fake.took_clusters_for_granted
    with module._nobody_else_reaches(is_local=False):
        assert ray_constants.ENABLE_RAY_CLUSTER is before
    assert ray_constants.ENABLE_RAY_CLUSTER is before

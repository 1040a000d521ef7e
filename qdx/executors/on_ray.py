"""Ray as an engine: an actor per worker, on this machine or on a running cluster.

An actor is a process that runs one shard at a time, in the order they were given to it. So of the
shards a lost actor leaves behind, the oldest is the one it ran, and the only suspect; not even that
one where the actor had gone before it could begin. Actors hold no state that a result depends on;
one that has gone is replaced by a new one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, final

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
import ray
from ray._private import ray_constants
from ray.exceptions import (
    ActorPlacementGroupRemoved,
    ActorUnschedulableError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from qdx.executors import worker
from qdx.executors.dispatch import Dispatcher
from qdx.executors.engine import Answered, Arrival, Attempt, EngineLost, Lost, Raised
from qdx.executors.machine import LOCALHOST, TIMEOUT_S, gpus_for, visible_gpus
from qdx.executors.parameters import RayParameters

STORE_BYTES = 256 << 20  # of shared memory on this machine: messages are small
PING_S = 1.0  # an idle actor answers within milliseconds
STARTING_S = 30.0  # an actor that takes longer keeps no shards while others could run them
GONE = (  # what says that an actor has gone, or never came
    RayActorError,
    WorkerCrashedError,
    NodeDiedError,
    OutOfMemoryError,
    ActorUnschedulableError,
    ActorPlacementGroupRemoved,
)
AWAY = (ObjectLostError, GetTimeoutError, TaskCancelledError)  # the reply; its actor may be well
FULL = (ObjectStoreFullError, OutOfDiskError)  # again it may fit, but not for ever


def on_ray(parameters: RayParameters) -> Dispatcher:
    """The executor on a Ray cluster, which is opened with the first batch."""
    return Dispatcher(RayEngine(parameters), parameters)


class Crew:
    """An actor and the attempts it was given, oldest first."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.attempts: dict[int, Any] = {}
        self.made_at = time.monotonic()
        self.has_gone = self.is_avenged = False  # one attempt at most is suspected
        self.ping()

    def ping(self) -> None:
        """Ask whether it is there; calls are answered in order, so also before what it is given."""
        self.is_there = self.handle.pid.remote()


@final
class RayEngine:
    """Shards as calls of actors."""

    def __init__(self, parameters: RayParameters) -> None:
        self._p = parameters
        self._crews: list[Crew] = []
        self._by_ref: dict[Any, tuple[Crew, int]] = {}
        self._returned: list[Arrival] = []  # attempts that are given back before they began
        self._is_ours = self._has_signals = False
        self._closing: threading.Thread | None = None

    def open(self) -> None:
        self.close()
        if self._closing is not None and self._closing.is_alive():
            raise EngineLost("Ray does not end")
        if not ray.is_initialized():
            with _nobody_else_reaches(is_local=not self._p.address):
                ray.init(**self._cluster(), log_to_driver=False, logging_level=logging.ERROR)
            self._is_ours, self._has_signals = True, False
        self._crews = [self._crew() for _ in range(self._n_workers())]

    def slots(self) -> int:
        if not ray.is_initialized():
            raise EngineLost("Ray was shut down")
        if not self._has_signals and threading.current_thread() is threading.main_thread():
            # Ray's C++ takes SIGTERM for a crash and aborts; give it back to whoever had it
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
            self._has_signals = True
        self._replace()
        there = self._present()
        if there:
            self._give_back_of(crew for crew in self._crews if crew not in there)
        return len(there)

    def launch(self, attempts: Sequence[Attempt]) -> None:
        # Idle ones may have died since: no shard is to be blamed for that.
        idle = [crew for crew in self._present() if not crew.attempts]
        for crew in idle:
            crew.ping()
        if idle:
            ray.wait([crew.is_there for crew in idle], num_returns=len(idle), timeout=PING_S)
        there = self._present()
        self._replace()
        for attempt in attempts:
            crew = min(there or self._crews, key=lambda crew: len(crew.attempts))
            call = crew.handle.evaluate
            ref = call.remote(attempt.rollout, attempt.genomes, self._p.timeout_s)
            crew.attempts[attempt.id] = ref
            self._by_ref[ref] = (crew, attempt.id)

    def wait(self, timeout_s: float) -> list[Arrival]:
        refs, returned, self._returned = list(self._by_ref), self._returned, []
        timeout_s = 0.0 if returned else timeout_s
        try:
            over = ray.wait(refs, timeout=timeout_s)[0] if refs else []
            if over:
                over = ray.wait(refs, num_returns=len(refs), timeout=0)[0]
        except Exception as error:
            raise EngineLost(f"Ray does not answer: {error!r}") from error
        ended = [(self._by_ref.pop(ref), ref) for ref in over]
        # Replies first: the oldest attempt that is left is the one a lost actor was running.
        read = [(crew, self._read(crew, id_, ref)) for (crew, id_), ref in ended]
        lost = [(crew, arrival) for crew, arrival in read if isinstance(arrival, Lost)]
        arrivals = [arrival for _, arrival in read if not isinstance(arrival, Lost)]
        lost.sort(key=lambda pair: pair[1].id)
        return returned + arrivals + [self._lost(crew, arrival) for crew, arrival in lost]

    def drop(self, ids: Sequence[int]) -> None:
        self._let_go(ids)

    def evict(self, ids: Sequence[int]) -> Sequence[int]:
        for crew in self._let_go(ids):
            crew.has_gone = crew.is_avenged = True
            with suppress(Exception):
                ray.kill(crew.handle)
        return ids

    def close(self) -> None:
        crews, self._crews, self._by_ref, self._returned = self._crews, [], {}, []
        if self._is_ours:  # its actors end with it: to end one that is being made may take minutes
            self._closing = _bounded(ray.shutdown)
        elif crews:
            self._closing = _bounded(lambda: [ray.kill(crew.handle) for crew in crews])
        self._is_ours = False

    def _let_go(self, ids: Sequence[int]) -> list[Crew]:
        """Forget attempts; the actors that had them."""
        wanted, crews = set(ids), []
        for ref, (crew, id_) in list(self._by_ref.items()):
            if id_ in wanted:
                del self._by_ref[ref], crew.attempts[id_]
                crews.append(crew)
                with suppress(Exception):
                    ray.cancel(ref)
        return crews

    def _replace(self) -> None:
        """A new actor for each that has gone, which need not have said all it has lost."""
        self._crews = [self._crew() if crew.has_gone else crew for crew in self._crews]

    def _give_back_of(self, crews: Iterator[Crew]) -> None:
        """What actors hold that do not come is for others to run."""
        late = time.monotonic() - STARTING_S
        ids = [id_ for crew in crews if crew.made_at < late for id_ in crew.attempts]
        self._let_go(ids)
        self._returned += [Lost(id_, 0) for id_ in ids]

    def _cluster(self) -> dict[str, Any]:
        """What Ray is started with, or where it is found."""
        if self._p.address:
            return {"address": self._p.address}
        gpus = visible_gpus(os.environ) if self._p.device == "cuda" else []
        return {
            "address": "local",  # whatever RAY_ADDRESS says
            "num_cpus": self._p.workers or len(gpus) or os.cpu_count() or 1,
            "num_gpus": len(gpus),
            "resources": {k: v for k, v in self._p.resources.items() if k not in ("CPU", "GPU")},
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_node_ip_address": LOCALHOST,
        }

    def _n_workers(self) -> int:
        """As told; else one per core or GPU of the cluster.

        Raises:
            ConfigError: There are fewer GPUs than workers.
        """
        has = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if self._p.device == "cuda":
            return len(gpus_for(self._p.workers, [str(i) for i in range(int(has.get("GPU", 0)))]))
        return self._p.workers or max(int(has.get("CPU", 1)), 1)

    def _crew(self) -> Crew:
        """A new actor, there once it answers; Ray gives libraries one thread per CPU of it."""
        asks = {k: v for k, v in self._p.resources.items() if k not in ("CPU", "GPU")}
        gpus = self._p.resources.get("GPU", 1.0 if self._p.device == "cuda" else 0.0)
        made = ray.remote(worker.Actor).options(
            num_cpus=self._p.resources.get("CPU", 1.0),
            num_gpus=gpus,
            resources=asks or None,
            max_restarts=0,
            max_task_retries=0,
        )
        return Crew(made.remote(worker.here()))

    def _present(self) -> list[Crew]:
        """Actors that have answered since they were last asked."""
        crews = [crew for crew in self._crews if not crew.has_gone and _is_over(crew.is_there)]
        for crew in crews:
            crew.has_gone = not _is_well(crew.is_there)  # or it could not be made
        return [crew for crew in crews if not crew.has_gone]

    def _read(self, crew: Crew, id_: int, ref: Any) -> Arrival:
        """How a call ended; of those lost, 1 death where the actor went with it."""
        arrival: Arrival
        try:
            arrival = Answered(id_, ray.get(ref, timeout=TIMEOUT_S))
        except RayTaskError as error:  # first: it is of its cause's type too
            arrival = Raised(id_, error.cause)
        except GONE:
            return Lost(id_, 1)
        except AWAY:
            return Lost(id_, 0)
        except FULL as error:
            arrival = Raised(id_, error)
        except Exception as error:
            raise EngineLost(f"a reply could not be brought home: {error!r}") from error
        crew.attempts.pop(id_, None)
        return arrival

    def _lost(self, crew: Crew, lost: Lost) -> Lost:
        """An attempt without a reply: of a lost actor's the oldest is suspected, if it began."""
        is_oldest = next(iter(crew.attempts), None) == lost.id
        crew.attempts.pop(lost.id, None)
        if not lost.deaths:
            return lost
        crew.has_gone = True
        was_running = is_oldest and not crew.is_avenged
        crew.is_avenged = crew.is_avenged or is_oldest
        return Lost(lost.id, int(was_running and _is_well(crew.is_there)))


@contextmanager
def _nobody_else_reaches(*, is_local: bool) -> Iterator[None]:
    """While Ray starts, make it take 127.0.0.1 for this machine's address and listen there alone.

    Ray replaces a loopback address it is told by one that others reach, and listens on all of them,
    unless it holds that there are no clusters here, as on macOS. A cluster's address stays real.
    """
    are_there = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = are_there and not is_local
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = are_there


def _is_over(ref: Any) -> bool:
    """Whether a call ended, well or not."""
    return bool(ray.wait([ref], timeout=0)[0])


def _is_well(ref: Any) -> bool:
    """Whether a call has been answered."""
    with suppress(Exception):
        ray.get(ref, timeout=0)
        return True
    return False


def _bounded(end: Callable[[], object]) -> threading.Thread:
    """Run what may hang for a while at most; it goes on behind."""

    def run() -> None:
        with suppress(Exception):
            end()

    thread = threading.Thread(target=run, name="qdx-ray-close", daemon=True)
    thread.start()
    thread.join(2 * TIMEOUT_S)
    return thread

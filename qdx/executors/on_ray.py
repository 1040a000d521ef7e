"""Ray as an engine: an actor per worker, on this machine or on a running cluster.

An actor is a process that runs one shard at a time, in the order they were given to it. So of the
shards a lost actor leaves behind, the oldest is the one it ran, and the only suspect. Actors hold
no state that a result depends on; one that has gone is replaced by a new one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, final

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
import ray
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError

from qdx.executors import worker
from qdx.executors.dispatch import Dispatcher
from qdx.executors.engine import Answered, Arrival, Attempt, EngineLost, Lost, Raised
from qdx.executors.machine import LOCALHOST, TIMEOUT_S, gpus_for, visible_gpus
from qdx.executors.parameters import RayParameters

STORE_BYTES = 256 << 20  # of shared memory on this machine: messages are small


def on_ray(parameters: RayParameters) -> Dispatcher:
    """The executor on a Ray cluster, which is opened with the first batch."""
    return Dispatcher(RayEngine(parameters), parameters)


class Crew:
    """An actor and the attempts it was given, oldest first."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.is_there = handle.pid.remote()
        self.attempts: dict[int, Any] = {}
        self.has_gone = False


@final
class RayEngine:
    """Shards as calls of actors."""

    def __init__(self, parameters: RayParameters) -> None:
        self._p = parameters
        self._crews: list[Crew] = []
        self._by_ref: dict[Any, tuple[Crew, int]] = {}
        self._is_ours = self._has_signals = False

    def open(self) -> None:
        self.close()
        if not ray.is_initialized():
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
        for i, crew in enumerate(self._crews):
            if crew.has_gone and not crew.attempts:
                self._crews[i] = self._crew()
        return len(self._present())

    def launch(self, attempts: Sequence[Attempt]) -> None:
        crews = self._present()
        for attempt in attempts:
            crew = min(crews, key=lambda crew: len(crew.attempts), default=None)
            if crew is None:
                raise EngineLost("all workers went just now")
            call = crew.handle.evaluate
            ref = call.remote(attempt.rollout, attempt.genomes, self._p.timeout_s)
            crew.attempts[attempt.id] = ref
            self._by_ref[ref] = (crew, attempt.id)

    def wait(self, timeout_s: float) -> list[Arrival]:
        refs = list(self._by_ref)
        try:
            over = ray.wait(refs, timeout=timeout_s)[0] if refs else []
            if over:
                over = ray.wait(refs, num_returns=len(refs), timeout=0)[0]
        except Exception as error:
            raise EngineLost(f"Ray does not answer: {error!r}") from error
        ended = [(self._by_ref.pop(ref), ref) for ref in over]
        # Replies first: the oldest attempt that is left is the one a lost actor was running.
        read = [(crew, id_, self._read(crew, id_, ref)) for (crew, id_), ref in ended]
        arrivals = [arrival for _, _, arrival in read if not isinstance(arrival, Lost)]
        lost = sorted((id_, crew) for crew, id_, arrival in read if isinstance(arrival, Lost))
        return arrivals + [self._lost(crew, id_) for id_, crew in lost]

    def drop(self, ids: Sequence[int]) -> None:
        for crew in self._crews:
            for id_ in set(ids) & crew.attempts.keys():
                ref = crew.attempts.pop(id_)
                self._by_ref.pop(ref, None)
                with suppress(Exception):
                    ray.cancel(ref)

    def evict(self, ids: Sequence[int]) -> Sequence[int]:
        hung = [crew for crew in self._crews if set(ids) & crew.attempts.keys()]
        self.drop(ids)
        for crew in hung:
            crew.has_gone = True
            with suppress(Exception):
                ray.kill(crew.handle)
        return ids

    def close(self) -> None:
        for crew in self._crews:
            with suppress(Exception):
                ray.kill(crew.handle)
        self._crews, self._by_ref = [], {}
        if self._is_ours:
            with suppress(Exception):
                ray.shutdown()
            self._is_ours = False

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
        """Actors that answer."""
        there = {crew.is_there: crew for crew in self._crews if not crew.has_gone}
        answered = ray.wait(list(there), num_returns=len(there), timeout=0)[0] if there else []
        for ref in answered:
            try:
                ray.get(ref, timeout=TIMEOUT_S)
            except Exception:  # it could not be made, or has gone before it was asked for anything
                there[ref].has_gone = True
        return [there[ref] for ref in answered if not there[ref].has_gone]

    def _read(self, crew: Crew, id_: int, ref: Any) -> Arrival:
        """How a call ended; what was answered is no longer the actor's."""
        arrival: Arrival
        try:
            arrival = Answered(id_, ray.get(ref, timeout=TIMEOUT_S))
        except RayActorError:
            return Lost(id_, 1)
        except ObjectLostError:
            return Lost(id_, 0)
        except RayTaskError as error:
            arrival = Raised(id_, error.cause)
        except Exception as error:
            raise EngineLost(f"a reply could not be brought home: {error!r}") from error
        crew.attempts.pop(id_, None)
        return arrival

    def _lost(self, crew: Crew, id_: int) -> Lost:
        """An attempt that went with its actor: the oldest is suspected, the others waited."""
        was_running = not crew.has_gone and next(iter(crew.attempts), None) == id_
        crew.attempts.pop(id_, None)
        crew.has_gone = crew.has_gone or was_running
        return Lost(id_, int(was_running))

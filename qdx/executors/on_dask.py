"""Dask as an engine: a scheduler on this machine, at an address, in a file, or made by a package.

A shard is one task, and its key is never used twice. Nothing is kept on the cluster: no scattered
data, no actors, so a lost worker loses nothing but the shards it ran. Tasks and results are bytes.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, final

from distributed import WorkerPlugin
from distributed.scheduler import KilledWorker

from qdx.core.errors import ConfigError
from qdx.executors.clusters import (
    check_address,
    connect,
    hush,
    installed_cluster,
    make_cluster,
    shards_ask,
)
from qdx.executors.dispatch import Dispatcher
from qdx.executors.engine import Answered, Arrival, Attempt, EngineLost, Lost, Raised
from qdx.executors.machine import TIMEOUT_S
from qdx.executors.parameters import DaskParameters
from qdx.executors.worker import Home, evaluate, here, settle

SILENT_S = 30.0  # a worker that has not been heard of for so long hangs
LONGEST_S = 600.0  # that replies may be on their way


def on_dask(parameters: DaskParameters) -> Dispatcher:
    """The executor on a Dask cluster, which is opened with the first batch.

    Raises:
        ConfigError: More than one cluster is named, or one that is not installed; options without a
            cluster; something that is no address.
    """
    named = [key for key in ("address", "scheduler_file", "cluster") if getattr(parameters, key)]
    named += ["workers"] * bool(parameters.workers)
    if len(named) > 1:
        raise ConfigError(
            f"executor: expected one of workers, address, scheduler_file and cluster, got "
            f"{' and '.join(named)}. Name the one to use."
        )
    if parameters.cluster:
        installed_cluster(parameters.cluster)  # says now what is not there
    elif parameters.options:
        raise ConfigError(
            "executor.options: given without executor.cluster, which they are for. Name the "
            "cluster, or leave them out."
        )
    if parameters.address:
        check_address(parameters.address)
    return Dispatcher(DaskEngine(parameters), parameters)


class Fetch(NamedTuple):
    """Replies on their way home: nobody stands still for those of workers that have died.

    Attributes:
        futures: Of all attempts that are over, by id.
        coming: The replies by id.
        until: When they are given up, on the monotonic clock.
    """

    futures: dict[int, Any]
    coming: Future[dict[int, Any]]
    until: float


@final
class DaskEngine:
    """Shards as tasks of a Dask client."""

    def __init__(self, parameters: DaskParameters) -> None:
        self._p = parameters
        self._asks = shards_ask(parameters)
        self._cluster: Any = None
        self._client: Any = None
        self._futures: dict[int, Any] = {}
        self._fetch: Fetch | None = None
        self._patience_s = TIMEOUT_S  # with replies on their way
        self._over: SimpleQueue[int] = SimpleQueue()  # attempts whose futures are done
        self._prefix = ""

    def open(self) -> None:
        self.close()
        hush()
        self._cluster, address = make_cluster(self._p)
        self._client = connect(address)
        home = here()
        self._client.register_plugin(SettledWorker(home), name=f"qdx-settled-{home.token}")
        self._prefix = f"qdx-{uuid.uuid4().hex[:12]}"
        self._over = SimpleQueue()

    def slots(self) -> int:
        if not self._asks:
            return sum(self._ask("ncores").values())
        workers = self._ask("identity", n_workers=-1)["workers"].values()
        return sum(min(w["nthreads"], self._holds(w["resources"])) for w in workers)

    def launch(self, attempts: Sequence[Attempt]) -> None:
        over = self._over  # of this opening: a late callback must not be taken for a new one
        try:
            futures = self._client.map(
                evaluate,
                [a.rollout for a in attempts],
                [a.genomes for a in attempts],
                [self._p.timeout_s] * len(attempts),
                key=[f"{self._prefix}-{a.id}" for a in attempts],
                pure=False,
                retries=0,
                priority=self._p.priority,
                resources=self._asks or None,
            )
        except Exception as error:
            raise EngineLost(f"shards could not be submitted: {error!r}") from error
        for attempt, future in zip(attempts, futures, strict=True):
            self._futures[attempt.id] = future
            future.add_done_callback(lambda _, id_=attempt.id: over.put(id_))

    def wait(self, timeout_s: float) -> list[Arrival]:
        if self._fetch is None:
            over = self._drain(timeout_s)
            if not over and self._client.status not in ("running", "connecting"):
                raise EngineLost(f"the client is {self._client.status}")
            futures = {id_: self._futures.pop(id_) for id_ in over if id_ in self._futures}
            if any(future.status == "cancelled" for future in futures.values()):
                raise EngineLost("the connection to the scheduler was lost")
            if not futures:
                return []
            self._fetch = self._fetched(futures)
        replies = self._replies(self._fetch, timeout_s)
        if replies is None:
            return []
        fetch, self._fetch = self._fetch, None
        arrivals: list[Arrival] = [Answered(i, reply) for i, reply in replies.items()]
        return arrivals + [self._sad(i, f) for i, f in fetch.futures.items() if i not in replies]

    def drop(self, ids: Sequence[int]) -> None:
        futures = [f for f in (self._futures.pop(i, None) for i in ids) if f is not None]
        with suppress(Exception):  # a scheduler that has gone has forgotten them too
            self._client.cancel(futures, asynchronous=False, force=True)

    def evict(self, ids: Sequence[int]) -> Sequence[int]:
        held = self._ask("processing")
        workers = self._ask("identity", n_workers=-1)["workers"]
        hung = [a for a, w in workers.items() if time.time() - w["last_seen"] > SILENT_S]
        keys = {key for address in hung for key in held.get(address, ())}
        ended = [i for i in ids if i in self._futures and self._futures[i].key in keys]
        ours = {self._futures[i].key for i in ended}
        hung = [address for address in hung if ours & set(held.get(address, ()))]
        self.drop(ended)
        nannies = [a for a in hung if workers[a]["nanny"]]
        with suppress(Exception):  # whoever cannot be restarted is given up below
            self._client.restart_workers(nannies, timeout=TIMEOUT_S, raise_for_error=False)
        for address in set(hung) - set(nannies):
            with suppress(Exception):
                self._client.run_on_scheduler(give_up, address=address)
        return ended

    def close(self) -> None:
        self._futures.clear()
        fetch, self._fetch = self._fetch, None
        if fetch is not None:
            fetch.coming.cancel()
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        for part in (client, cluster):
            if part is not None:
                _close(part)

    def _drain(self, timeout_s: float) -> list[int]:
        """Attempts that are over; waits for one."""
        over = []
        with suppress(Empty):
            over.append(self._over.get(timeout=timeout_s))
            while True:
                over.append(self._over.get_nowait())
        return over

    def _fetched(self, futures: dict[int, Any]) -> Fetch:
        """Begin to bring the replies home, all in one message."""
        client = self._client
        finished = {i: f for i, f in futures.items() if f.status == "finished"}

        async def gathered() -> Any:
            if not finished:
                return {}
            return await client.gather(finished, errors="skip", asynchronous=True)

        coming = asyncio.run_coroutine_threadsafe(gathered(), client.loop.asyncio_loop)
        return Fetch(futures, coming, time.monotonic() + self._patience_s)

    def _replies(self, fetch: Fetch, timeout_s: float) -> dict[int, bytes] | None:
        """The replies, of those whose worker went just now none; None while they are under way."""
        try:
            replies = fetch.coming.result(timeout_s)
            self._patience_s = TIMEOUT_S
        except TimeoutError:
            if time.monotonic() < fetch.until and self._client.status == "running":
                return None
            fetch.coming.cancel()
            self._patience_s = min(2 * self._patience_s, LONGEST_S)  # they may be large
            replies = {}
        except Exception as error:
            if self._client.status != "running":
                raise EngineLost(f"replies could not be brought home: {error!r}") from error
            replies = {}
        return {id_: reply for id_, reply in replies.items() if isinstance(reply, bytes)}

    def _sad(self, id_: int, future: Any) -> Arrival:
        """How an attempt ended that left no reply."""
        error = future.exception(timeout=TIMEOUT_S) if future.status == "error" else None
        if isinstance(error, KilledWorker):
            return Lost(id_, error.allowed_failures + 1)
        if error is None:  # it had finished, and its worker went before the reply was fetched
            future.cancel(force=True)
            return Lost(id_, 0)
        return Raised(id_, error)

    def _ask(self, what: str, **arguments: Any) -> Any:
        """A question to the scheduler, which must answer in time."""
        try:
            question = getattr(self._client.scheduler, what)
            return self._client.sync(question, callback_timeout=TIMEOUT_S, **arguments)
        except Exception as error:
            raise EngineLost(f"the scheduler does not answer: {error!r}") from error

    def _holds(self, resources: dict[str, float]) -> int:
        """Shards that a worker's resources suffice for."""
        return min(int(resources.get(name, 0.0) // n) for name, n in self._asks.items())


class SettledWorker(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """Makes a process a worker of qdx, also one that a nanny starts anew."""

    def __init__(self, campaign: Home) -> None:
        self._campaign = campaign

    def setup(self, worker: Any) -> None:
        """Called by Dask once per worker."""
        settle(self._campaign)


async def give_up(address: str, dask_scheduler: Any = None) -> None:
    """Run on the scheduler: a worker that hangs and has no nanny is forgotten."""
    await dask_scheduler.remove_worker(address, stimulus_id="qdx-hung", safe=True, close=True)


def _close(part: Any) -> None:
    """Close a client or a cluster, which may have gone, and may hang, within bounds."""

    def close() -> None:
        with suppress(Exception):
            part.close(timeout=TIMEOUT_S)

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(2 * TIMEOUT_S)

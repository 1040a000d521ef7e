"""What happens on a worker: a rollout is opened once per process, shards run in one thread each."""

from __future__ import annotations

import faulthandler
import functools
import os
import pickle
import socket
import sys
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Lock
from typing import Any, NamedTuple, final

import cloudpickle
import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.host import host
from qdx.core.protocols import Rollout
from qdx.core.types import Genomes, Lineage, take

STDERR = 2  # file descriptor: engines replace sys.stderr by things that have none
OPENED = 8  # rollouts a process keeps open
OPENING_S = 600.0  # rollouts may be opened in: kernels are compiled, networks are made
TOKEN = uuid.uuid4().hex  # of this process
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Home(NamedTuple):
    """A process among all machines; containers may share names and ids, but no token."""

    host: str
    pid: int
    token: str


def here() -> Home:
    """This process."""
    return Home(socket.gethostname(), os.getpid(), TOKEN)


class Reply(NamedTuple):
    """What comes back of a shard.

    Attributes:
        ids: Checksum of the ids that were evaluated.
        outcomes: What the rollout returned, whatever that is.
        host: What the machine is that ran it.
    """

    ids: int
    outcomes: Any
    host: tuple[str, ...]


def pack_rollout(rollout: Rollout) -> bytes:
    """A rollout for the wire; classes of `__main__` travel whole."""
    packed: bytes = cloudpickle.dumps(rollout)
    return packed


def pack(genomes: Genomes) -> bytes:
    """Genomes for the wire; of seed chains with their own ancestors and no others."""
    if genomes.lineage is not None:
        genomes = replace(genomes, lineage=ancestors(genomes.lineage, genomes.parents))
    return pickle.dumps(genomes, protocol=5)


def ancestors(lineage: Lineage, ids: Int64[Array, " B"]) -> Lineage:
    """The nodes that some individuals and all they descend from are, in the order they stood in."""
    row_of = {id_: row for row, id_ in enumerate(lineage.ids.tolist())}
    parents, needed = lineage.parents.tolist(), set[int]()
    for id_ in np.unique(ids).tolist():  # a walk up each chain, until it joins one walked before
        row = row_of.get(id_)
        while row is not None and row not in needed:
            needed.add(row)
            row = row_of.get(parents[row])
    rows = np.array(sorted(needed), np.intp)
    columns = (lineage.ids, lineage.parents, lineage.seeds, lineage.sigmas)
    return Lineage(*(column[rows] for column in columns))


def unpack(reply: bytes) -> Reply:
    """A reply from the wire."""
    read: Reply = pickle.loads(reply)
    return read


def evaluate(rollout: bytes, genomes: bytes, timeout_s: float) -> bytes:
    """Run a shard; the process ends if it takes longer than `timeout_s`.

    Raises:
        Exception: Whatever the rollout raised.
    """
    batch: Genomes = pickle.loads(genomes)
    with WATCHDOG.limit(OPENING_S):
        run = ready(rollout, batch)
    with WATCHDOG.limit(timeout_s):
        outcomes = run(batch)
    return pickle.dumps(Reply(checksum(batch), outcomes, host()), protocol=5)


def ready(rollout: bytes, batch: Genomes) -> Rollout:
    """A rollout with its kernels and tables open, once per process; that counts to no shard."""
    run = _unpickled(rollout)
    with _OPENING:
        if rollout not in _IS_OPEN:
            with suppress(Exception):  # it will raise again where somebody listens
                run(take(batch, np.zeros(0, np.intp)))
            settle()
            _IS_OPEN.add(rollout)
    return run


@functools.lru_cache(OPENED)
def _unpickled(rollout: bytes) -> Rollout:
    made: Rollout = pickle.loads(rollout)
    return made


def checksum(genomes: Genomes) -> int:
    """Of the ids, in order: says that a reply belongs to its shard."""
    return zlib.crc32(np.ascontiguousarray(genomes.ids, np.int64).tobytes())


def settle(campaign: Home | None = None) -> None:
    """Make this process a worker: one thread in every library, and a watchdog of its own.

    Args:
        campaign: The campaign's process, which no watchdog may end; not given where it is known.
    """
    if campaign is not None:
        WATCHDOG.is_armed = here() != campaign
    torch = sys.modules.get("torch")
    if torch is not None and WATCHDOG.is_armed:
        torch.set_num_threads(1)


@final
class Actor:
    """A worker as an object that is called: what Ray starts in a process of its own."""

    def __init__(self, campaign: Home) -> None:
        settle(campaign)

    def pid(self) -> int:
        """Answers once it is there."""
        return os.getpid()

    def evaluate(self, rollout: bytes, genomes: bytes, timeout_s: float) -> bytes:
        """Run a shard."""
        return evaluate(rollout, genomes, timeout_s)


@final
class Watchdog:
    """Ends this process when a shard runs longer than it may, with its stack on stderr.

    The timer is a thread outside the interpreter, so a call that hangs while it holds the
    interpreter is ended too. There is one timer; of several shards it watches the earliest limit.
    """

    def __init__(self) -> None:
        self.is_armed = False
        self._limits: dict[object, float] = {}
        self._lock = Lock()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """What is inside must end within so many seconds."""
        token = object()
        self._watch(token, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._watch(token, None)

    def _watch(self, token: object, until: float | None) -> None:
        if not self.is_armed:
            return
        with self._lock:
            if until is None:
                self._limits.pop(token, None)
            else:
                self._limits[token] = until
            faulthandler.cancel_dump_traceback_later()
            if self._limits:
                left = max(min(self._limits.values()) - time.monotonic(), 1e-3)
                faulthandler.dump_traceback_later(left, exit=True, file=STDERR)


WATCHDOG = Watchdog()
_OPENING = Lock()  # one thread of a process opens, the others wait for it
_IS_OPEN: set[bytes] = set()

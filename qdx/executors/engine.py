"""What a distributed engine must do for the dispatcher: run shards, and say how each one ended.

An engine decides nothing. It does not run a shard twice, does not judge outcomes, and forgets a
shard once it has said how it ended; what follows from that is the dispatcher's business, the same
on Dask and on Ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class Attempt(NamedTuple):
    """One run of one shard.

    Attributes:
        id: Never used twice.
        rollout: Pickled.
        genomes: Pickled.
    """

    id: int
    rollout: bytes
    genomes: bytes


class Answered(NamedTuple):
    """The rollout returned; `reply` is what `worker.evaluate` made of it."""

    id: int
    reply: bytes


class Raised(NamedTuple):
    """The rollout raised, or its reply could not be brought home."""

    id: int
    error: BaseException


class Lost(NamedTuple):
    """The worker went while it ran or held the shard.

    Attributes:
        id: Of the attempt.
        deaths: Workers the shard is suspected of; 0 where it was only waiting there.
    """

    id: int
    deaths: int


Arrival = Answered | Raised | Lost


class EngineLost(Exception):
    """The scheduler does not answer any more: everything under way is forgotten."""


@runtime_checkable
class Engine(Protocol):
    """Dask or Ray. All methods but `open` and `close` return within seconds.

    Called from one thread, except that `open` runs in another while nothing else is called.
    """

    def open(self) -> None:
        """Start the cluster or connect to it. Called first, and again after `EngineLost`.

        Raises:
            Exception: Whatever stood in the way; another try may follow.
        """
        ...

    def slots(self) -> int:
        """Shards the workers that are there can run at once.

        Raises:
            EngineLost: Nobody answers.
        """
        ...

    def launch(self, attempts: Sequence[Attempt]) -> None:
        """Start them; returns at once.

        Raises:
            EngineLost: Nobody answers.
        """
        ...

    def wait(self, timeout_s: float) -> list[Arrival]:
        """How attempts ended since the last call; waits for one. Unknown ids may be among them.

        Raises:
            EngineLost: Nobody answers.
        """
        ...

    def drop(self, ids: Sequence[int]) -> None:
        """Nobody waits for these any more. What has started may run to its end."""
        ...

    def evict(self, ids: Sequence[int]) -> Sequence[int]:
        """End the workers that hang with these; says with which, and drops them.

        A worker that gives signs of life does not hang: `worker.Watchdog` ends shards that take too
        long. What waits behind another's work stays.

        Raises:
            EngineLost: Nobody answers.
        """
        ...

    def close(self) -> None:
        """Let go of the cluster, and end it where it is ours. Never raises for a lost one."""
        ...

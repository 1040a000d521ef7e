"""The interface of stepped tasks: worlds side by side, moved one step at a time.

For simulators that cannot run inside a kernel. `rollout/stepped.py` drives them, with a batch of
policies and as many worlds:

    worlds = task.open(n)
    over   = worlds.reset(seeds)
    for each step, with the rows that are not over yet:
        over = worlds.step(rows, policies(worlds.observe(rows)))
        worlds.measure() is sampled where the observer asks for it
    finish = worlds.finish()
    worlds.close()

An implementer guarantees that a world does not depend on the worlds beside it, to the bit, and that
a world which fails is over and takes no other with it.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float32, Int64, Shaped, UInt8
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts


class Finish(NamedTuple):
    """What the episodes were worth.

    Attributes:
        fitness: Reward of the episode.
        area: Index of the goal it was rewarded for, -1 for none.
        reason: Why the world failed; empty where it did not.
    """

    fitness: Float32[Array, " B"]
    area: Int64[Array, " B"]
    reason: Shaped[Array, " B"]


class Worlds(Protocol):
    """Worlds of one shard, an episode each. Used by one thread."""

    def reset(self, seeds: Int64[Array, " B"]) -> Bool[Array, " B"]:
        """Begin the episodes; called once. Says which are over already, because they failed."""
        ...

    def observe(self, rows: Int64[Array, " R"]) -> Float32[Array, "R O"]:
        """What the policies of some worlds see."""
        ...

    def step(self, rows: Int64[Array, " R"], actions: Float32[Array, "R A"]) -> Bool[Array, " R"]:
        """Move some worlds, actions in [-1, 1]. Says whose episode ended with this step."""
        ...

    def measure(self) -> Float32[Array, "B M"]:
        """The ground-truth measures of all worlds; of those that are over, as they ended."""
        ...

    def finish(self) -> Finish:
        """What the episodes were worth. Called once, when all are over or the horizon is."""
        ...

    def close(self) -> None:
        """Let the worlds go. Called once, also after errors."""
        ...


@runtime_checkable
class RenderingWorlds(Worlds, Protocol):
    """Worlds of a task whose `facts.renders`, opened with a `frame_size`."""

    def render(self) -> UInt8[Array, "B H W 3"]:
        """A frame of each world, row 0 at the top; of those that are over, as they ended."""
        ...


@runtime_checkable
class SteppedTask(Protocol):
    """A task whose worlds are stepped from outside. Implementations are picklable.

    Attributes:
        libraries: Distributions whose versions the outcomes depend on; recorded in every commit.
    """

    libraries: ClassVar[tuple[str, ...]]

    @property
    def facts(self) -> TaskFacts: ...

    def open(self, n: int, *, frame_size: int = 0) -> Worlds:
        """Worlds for `n` episodes; called for each shard, in its thread.

        With a `frame_size` they are asked for frames of so many pixels a side.

        `open(0)` is also called before a campaign begins, to see that this machine can.

        Raises:
            ConfigError: A library is missing.
        """
        ...

    def ceiling(self) -> Ceiling | None: ...
    def scenery(self) -> Scenery: ...

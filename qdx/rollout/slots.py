"""Slots: worlds side by side, each taking one episode after another.

What drives them (`networks.py`) begins an episode wherever one has ended, so that nobody waits for
the longest. `FusedSlots` (`fused_slots.py`) steps a fused task on a device, `WorldSlots` any
stepped task on the CPU; a task that steps all its worlds at once brings slots of its own.
"""

from __future__ import annotations

from typing import Any, Protocol, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from numpy import ndarray as Array

from qdx.rollout.fused_kernels import Sampled
from qdx.rollout.fused_slots import FusedSlots
from qdx.tasks.stepped import Finish, SteppedTask, Worlds


class Slots(Protocol):
    """N worlds, used by one thread. `slots` are indices of some of them, ascending."""

    def begin(self, slots: Int64[Array, " R"], seeds: Int64[Array, " R"]) -> Bool[Array, " R"]:
        """Begin an episode in each. Says which are over already, because they failed."""
        ...

    def observe(self, slots: Int64[Array, " R"]) -> torch.Tensor | Array:
        """What policies see, (N, …), best on the device; of other slots it may be anything."""
        ...

    def step(self, slots: Int64[Array, " R"], actions: torch.Tensor) -> Bool[Array, " R"]:
        """Move some by the outputs (N, A) of their policies. Says whose episode ended."""
        ...

    def sample(self, slots: Int64[Array, " R"]) -> Float32[Array, "R S"]:
        """What the observer asks for, measures or sketches, as it is now."""
        ...

    def measure(self, slots: Int64[Array, " R"]) -> Float32[Array, "R M"]:
        """The ground-truth measures, as they are now."""
        ...

    def finish(self, slots: Int64[Array, " R"]) -> Finish:
        """What their episodes were worth. Called once for each episode, when it is over."""
        ...

    def close(self) -> None:
        """Let the worlds go. Called once, also after errors."""
        ...


@final
class WorldSlots:
    """Slots of a stepped task: a world of its own for every episode, opened for it."""

    def __init__(self, task: SteppedTask, n: int) -> None:
        """Nothing is opened yet."""
        self._task = task
        self._worlds: list[Worlds | None] = [None] * n
        n_seen = task.facts.image or (len(task.facts.observation),)
        self._sights = np.zeros((n, *n_seen), np.float32)

    def begin(self, slots: Int64[Array, " R"], seeds: Int64[Array, " R"]) -> Bool[Array, " R"]:
        over = np.zeros(len(slots), bool)
        for i, (slot, seed) in enumerate(zip(slots.tolist(), seeds, strict=True)):
            self._close(slot)
            self._worlds[slot] = world = self._task.open(1)
            over[i] = world.reset(np.array([seed]))[0]
        return over

    def observe(self, slots: Int64[Array, " R"]) -> torch.Tensor | Array:
        for slot in slots.tolist():
            self._sights[slot] = self._world(slot).observe(ONE)[0]
        return self._sights

    def step(self, slots: Int64[Array, " R"], actions: torch.Tensor) -> Bool[Array, " R"]:
        moves = actions.cpu().numpy()
        return np.array([self._world(s).step(ONE, moves[s : s + 1])[0] for s in slots], bool)

    def sample(self, slots: Int64[Array, " R"]) -> Float32[Array, "R S"]:
        return self.measure(slots)

    def measure(self, slots: Int64[Array, " R"]) -> Float32[Array, "R M"]:
        return np.concatenate([self._world(slot).measure() for slot in slots])

    def finish(self, slots: Int64[Array, " R"]) -> Finish:
        each = [self._world(slot).finish() for slot in slots]
        return Finish(*(np.concatenate(parts) for parts in zip(*each, strict=True)))

    def close(self) -> None:
        for slot in range(len(self._worlds)):
            self._close(slot)

    def _world(self, slot: Any) -> Worlds:
        world: Worlds | None = self._worlds[slot]
        assert world is not None  # for the type checker: it has begun
        return world

    def _close(self, slot: int) -> None:
        world, self._worlds[slot] = self._worlds[slot], None
        if world is not None:
            world.close()


def open_slots(task: Any, n: int, device: str, sampled: Sampled) -> Slots:
    """Slots for any task; a device and what is sampled matter to fused ones."""
    own = getattr(task, "slots", None)
    if own is not None:  # a task that steps all its worlds at once
        made: Slots = own(n)
        return made
    if isinstance(task, SteppedTask):
        return WorldSlots(task, n)
    return FusedSlots(task, n, device, sampled)


ONE = np.zeros(1, np.int64)  # the only row of a world of its own

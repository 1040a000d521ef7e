"""The interface of fused tasks: a state struct and five small Warp functions.

A whole episode runs in one thread of one kernel (`rollout/fused.py` composes it):

    state = reset(world, seed)
    for each step:
        action = policy(observe(world, state), step)
        state  = step(world, state, action)
        measure(world, state) is sampled where the observer asks for it
    reward = finish(world, state)

`reset, observe, step, measure, finish` are `wp.func`s; `world` is a `wp.struct` of constants and
tables that lives on the device. The state struct has an int field `done`; an episode ends early
when `step` sets it.

A task that can be looked at has two functions more, and names what is kept in `facts.sketch`:

    sketch(world, state)       → the few numbers a frame is drawn from, a float vector
    draw(world, sketch, x, y)  → the colour at a point of the frame (`tasks/pictures.py`)

Frames are drawn when they are looked at, and again when a behaviour space moves: what an episode
leaves behind is its sketches, some dozens of bytes a frame instead of twelve thousand.
"""

from __future__ import annotations

from typing import Any, Protocol

import warp as wp

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts


@wp.struct
class Reward:
    """What an episode is worth: its fitness and the goal it was rewarded for, -1 for none."""

    fitness: wp.float32
    area: wp.int32


class FusedTask(Protocol):
    """A task whose episodes run inside a kernel. Implementations are hashable and picklable."""

    @property
    def facts(self) -> TaskFacts: ...
    @property
    def World(self) -> Any: ...
    @property
    def State(self) -> Any: ...
    @property
    def reset(self) -> Any: ...
    @property
    def observe(self) -> Any: ...
    @property
    def step(self) -> Any: ...
    @property
    def measure(self) -> Any: ...
    @property
    def finish(self) -> Any: ...

    def world(self, device: str) -> Any:
        """Constants and tables on a device; called once per process and device."""
        ...

    def ceiling(self) -> Ceiling | None: ...
    def scenery(self) -> Scenery: ...

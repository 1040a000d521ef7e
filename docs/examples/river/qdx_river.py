"""River: a swimmer crosses a river whose current is strongest in the middle.

The whole of a fused task: facts, a world, a state, five Warp functions and the class that ties
them together. The river is the unit square; the swimmer starts at the near bank (y = 0), and the
episode ends when the far bank (y = 1) is reached. Landing at one of two piers is rewarded.
"""

# no `from __future__ import annotations`: Warp reads the annotations of its functions
from dataclasses import dataclass
from typing import Annotated, Any

import warp as wp
from annotated_types import Interval

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks.fused import Reward

# Numbers may be used inside Warp functions as they are; tuples may not, so piers go into the world.
START_X = 0.5
STROKE = 0.03  # distance of a step at full speed, river widths
REACH = 0.1  # half width of a pier
PIERS = (0.15, 0.8)  # along the far bank; the first lies upstream

FACTS = TaskFacts(
    name="river",
    summary="A swimmer in a current; rewarded for landing at one of two piers.",
    observation=("x", "y", "current here"),
    action=("stroke along", "stroke across"),
    horizon=100,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(50, 50),
    goals=(
        Goal("upstream pier", (PIERS[0], 1.0), REACH),
        Goal("downstream pier", (PIERS[1], 1.0), REACH),
    ),
    hidden=(5, 2),
    source="documentation of qdx",
)

Sight = wp.types.vector(3, wp.float32)  # one number per name in FACTS.observation


@wp.struct
class Water:
    """The world: what every episode reads. Arrays are welcome here too."""

    current: wp.float32
    piers: wp.vec2


@wp.struct
class Swimmer:
    """The state. An episode ends early when `step` sets `done` to 1."""

    position: wp.vec2
    done: wp.int32


@wp.func
def current_at(world: Water, y: wp.float32) -> wp.float32:
    """A parabola across the river, `world.current` in the middle."""
    return 4.0 * world.current * y * (1.0 - y)


@wp.func
def reset(world: Water, seed: wp.int32) -> Swimmer:
    """The near bank. The world is deterministic, so the seed is not used."""
    state = Swimmer()
    state.position = wp.vec2(START_X, 0.0)
    return state


@wp.func
def observe(world: Water, state: Swimmer) -> Sight:
    """Where the swimmer is, and how strong the current is there."""
    y = state.position[1]
    return Sight(state.position[0], y, current_at(world, y))


@wp.func
def step(world: Water, state: Swimmer, action: wp.vec2) -> Swimmer:
    """A stroke, the drift, and the banks. Actions are in (-1, 1)."""
    x = state.position[0] + STROKE * action[0] + current_at(world, state.position[1])
    y = state.position[1] + STROKE * action[1]
    after = Swimmer()
    after.position = wp.vec2(wp.clamp(x, 0.0, 1.0), wp.clamp(y, 0.0, 1.0))
    after.done = wp.where(y >= 1.0, 1, 0)
    return after


@wp.func
def measure(world: Water, state: Swimmer) -> wp.vec2:
    """The ground truth, one number per name in FACTS.measures."""
    return state.position


@wp.func
def finish(world: Water, state: Swimmer) -> Reward:
    """1 at the middle of a pier, 0 at its ends; nothing for whoever has not landed."""
    reward = Reward()
    reward.area = wp.int32(-1)
    if state.done == 1:
        for i in range(2):
            distance = wp.abs(state.position[0] - world.piers[i])
            if distance < REACH:
                reward.fitness = 1.0 - distance / REACH
                reward.area = wp.int32(i)
    return reward


@dataclass(frozen=True)
class River:
    """The task. Its fields are the keys of the config's `task` section.

    Attributes:
        current: Drift per step in the middle of the river, river widths.
    """

    current: Annotated[float, Interval(ge=0, le=0.1)] = 0.01

    World = Water
    State = Swimmer
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)

    @property
    def facts(self) -> TaskFacts:
        """Names, sizes and goals; builds nothing."""
        return FACTS

    def world(self, device: str) -> Any:
        """What the episodes read, on a device; called once per process and device."""
        water = Water()
        water.current = self.current
        water.piers = wp.vec2(*PIERS)
        return water

    def ceiling(self) -> Ceiling | None:
        """Unknown: nobody has computed how much of the river can be reached."""
        return None

    def scenery(self) -> Scenery:
        """What pictures are drawn on: no walls, and where episodes start."""
        return Scenery(None, (START_X, 0.0))

"""Point: a point in a square, rewarded at each step it spends in one of four small boxes.

The Walker2D / Point2D task of the SERENE and STAX code: x ← clip(x + 0.05 u, -1, 1), 50 steps from
the centre; only the first box entered counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import warp as wp

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import BLACK, WHITE, is_in_disc

BOXES = (  # x low, x high, y low, y high
    (0.75, 0.80, 0.75, 0.80),
    (-0.98, -0.93, 0.90, 0.95),
    (0.0, 0.05, -0.75, -0.70),
    (-0.75, -0.70, -0.05, 0.0),
)

DOT = 0.08  # radius of the point in pictures, 2.5 of 64 pixels

FACTS = TaskFacts(
    name="point",
    summary="A point that moves freely in a square; rewarded for time spent in small boxes.",
    observation=("x", "y"),
    action=("x speed", "y speed"),
    horizon=50,
    measures=("x", "y"),
    bounds=((-1.0, 1.0), (-1.0, 1.0)),
    bins=(50, 50),
    goals=tuple(
        Goal(f"box {i}", ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0) / 2, is_box=True)
        for i, (x0, x1, y0, y1) in enumerate(BOXES)
    ),
    hidden=(5, 2),
    source="SERENE and STAX code, Walker2D",
    sketch=("x", "y"),
)


@wp.struct
class Square:
    """The boxes, (x low, x high, y low, y high) a row."""

    boxes: wp.mat44


@wp.struct
class PointState:
    """Position, the first box entered (-1 before) and the steps spent in it."""

    position: wp.vec2
    area: wp.int32
    reward: wp.float32
    done: wp.int32


@wp.func
def reset(world: Square, seed: wp.int32) -> PointState:
    """The centre."""
    state = PointState()
    state.area = wp.int32(-1)
    return state


@wp.func
def observe(world: Square, state: PointState) -> wp.vec2:
    """The position."""
    return state.position


@wp.func
def step(world: Square, state: PointState, action: wp.vec2) -> PointState:
    """A twentieth of the action, inside the square."""
    after = PointState()
    after.position = wp.vec2(
        wp.clamp(state.position[0] + 0.05 * action[0], -1.0, 1.0),
        wp.clamp(state.position[1] + 0.05 * action[1], -1.0, 1.0),
    )
    after.area = state.area
    after.reward = state.reward
    for i in range(4):
        inside = (
            after.position[0] >= world.boxes[i, 0]
            and after.position[0] <= world.boxes[i, 1]
            and after.position[1] >= world.boxes[i, 2]
            and after.position[1] <= world.boxes[i, 3]
        )
        if inside and (after.area == -1 or after.area == i):
            after.area = wp.int32(i)
            after.reward = after.reward + 1.0
    return after


@wp.func
def measure(world: Square, state: PointState) -> wp.vec2:
    """The position."""
    return state.position


@wp.func
def finish(world: Square, state: PointState) -> Reward:
    """Steps spent in the first box entered."""
    reward = Reward()
    reward.fitness = state.reward
    reward.area = state.area
    return reward


@wp.func
def draw(world: Square, sketch: wp.vec2, x: wp.float32, y: wp.float32) -> wp.vec3:
    """A white dot on black; y grows upwards."""
    here = wp.vec2(2.0 * x - 1.0, 1.0 - 2.0 * y)
    return wp.where(is_in_disc(here, sketch, DOT), WHITE, BLACK)


@dataclass(frozen=True)
class Point:
    """The task; it has no parameters."""

    World = Square
    State = PointState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)
    sketch = measure
    draw = staticmethod(draw)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        square = Square()
        square.boxes = wp.mat44(*[edge for box in BOXES for edge in box])
        return square

    def ceiling(self) -> Ceiling:
        """The whole square: 50 steps of 0.05 reach every corner."""
        return Ceiling(1.0, "50 steps of 0.05 reach every corner from the centre")

    def scenery(self) -> Scenery:
        return Scenery(None, (0.0, 0.0))

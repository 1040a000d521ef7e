"""Curling: a two-link arm pushes a ball over a table; rewarded for where the ball ends.

Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty search and emitters",
GECCO 2021; scene and constants of the released environment (SERENE; the engine is the author's
billiard on Box2D 2.3). Table frame: the origin at the centre, ±1.5 m. The motors are velocity
controlled; reward comes at the last step only. Physics: `table_step` and `table_impact`.

Beside Box2D (tests/reference/table_twins): over 500 controllers that hit the ball, final balls
differ from Box2D's no more than Box2D's do when genes are moved by 1e-5: at every decile, and in
the share that ends more than a coverage cell away, 1 % against 2.4 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import warp as wp

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import table_room
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import BLACK, BLUE, GREY
from qdx.tasks.table_bodies import Table
from qdx.tasks.table_boxes import Rooms, drop_contacts, rooms_of
from qdx.tasks.table_impact import solve_impacts
from qdx.tasks.table_room import (
    Joints,
    Sight,
    Sketch,
    arm_place,
    ball_place,
    has_left,
    is_in_arm,
    is_in_ball,
    look,
    set_up,
    sketch_of,
    starts_of,
)
from qdx.tasks.table_scene import Scene, Settings
from qdx.tasks.table_step import solve_step

GOALS = (((0.8, 0.8), 0.4), ((0.8, -0.8), 0.2))  # centre and radius, m, table frame
SETTINGS = Settings(
    radius=0.15,
    density=1.0,
    bounce=0.9,
    damping=1.1,
    spin_damping=2.0,
    pivot_torque=100.0,
    elbow_torque=100.0,
)

FACTS = TaskFacts(
    name="curling",
    summary="A two-link arm pushes a ball over a walled table; rewarded for where the ball ends.",
    observation=table_room.OBSERVATION,
    action=table_room.ACTION,
    horizon=500,
    measures=table_room.MEASURES,
    bounds=table_room.BOUNDS,
    bins=table_room.BINS,
    goals=tuple(
        Goal(name, centre, radius)
        for name, (centre, radius) in zip(("large goal", "small goal"), GOALS, strict=True)
    ),
    hidden=(5, 3),
    source="Paolo et al. 2021",
    sketch=table_room.SKETCH,
)


@wp.struct
class Goals:
    """The table, and centre and radius of the two goals in its frame."""

    scene: Scene
    centre_0: wp.vec2
    centre_1: wp.vec2
    radius_0: wp.float32
    radius_1: wp.float32


@wp.struct
class CurlingState:
    """The table; an episode ends early where the ball leaves it."""

    table: Table
    rooms: Rooms
    done: wp.int32


@wp.func
def reset(world: Goals, seed: wp.int32) -> CurlingState:
    """The same start for every episode."""
    state = CurlingState()
    state.table = set_up()
    state.rooms = rooms_of(world.scene, state.table)
    return state


@wp.func
def observe(world: Goals, state: CurlingState) -> Sight:
    """Ball, joint angles, joint speeds."""
    return look(state.table)


@wp.func
def step(world: Goals, state: CurlingState, action: wp.vec2) -> CurlingState:
    """Motor speeds of -1 to 1 rad/s for 1/60 s."""
    before = state.table
    before.ages = drop_contacts(before.ages, state.rooms)
    pivot = wp.clamp(action[0], -1.0, 1.0)
    elbow = wp.clamp(action[1], -1.0, 1.0)
    moved = solve_step(world.scene, before, pivot, elbow)
    table, rooms = solve_impacts(world.scene, moved, starts_of(before), state.rooms)
    state.table = table
    state.rooms = rooms
    state.done = wp.where(has_left(state.table), 1, 0)
    return state


@wp.func
def measure(world: Goals, state: CurlingState) -> wp.vec2:
    """The ball, table frame."""
    return ball_place(state.table)


@wp.func
def pose(world: Goals, state: CurlingState) -> Joints:
    """The arm's joints, table frame; for pictures."""
    return arm_place(state.table)


@wp.func
def finish(world: Goals, state: CurlingState) -> Reward:
    """(r - d) / r inside a goal; nothing for a ball that left the table."""
    position = measure(world, state)
    reward = Reward()
    reward.area = wp.int32(-1)
    d0 = wp.length(position - world.centre_0)
    d1 = wp.length(position - world.centre_1)
    if d0 <= world.radius_0 and state.done == 0:
        reward.fitness = (world.radius_0 - d0) / world.radius_0
        reward.area = wp.int32(0)
    if d1 <= world.radius_1 and state.done == 0:
        reward.fitness = (world.radius_1 - d1) / world.radius_1
        reward.area = wp.int32(1)
    return reward


@wp.func
def sketch(world: Goals, state: CurlingState) -> Sketch:
    """Ball and links."""
    return sketch_of(state.table)


@wp.func
def draw(world: Goals, kept: Sketch, x: wp.float32, y: wp.float32) -> wp.vec3:
    """A blue ball and a grey arm on black."""
    if is_in_ball(world.scene, kept, x, y):
        return BLUE
    return wp.where(is_in_arm(kept, x, y), GREY, BLACK)


@dataclass(frozen=True)
class Curling:
    """The task; it has no parameters."""

    World = Goals
    State = CurlingState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)
    sketch = staticmethod(sketch)
    draw = staticmethod(draw)
    pose = staticmethod(pose)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        goals = Goals()
        goals.scene = SETTINGS.scene()
        goals.centre_0 = wp.vec2(*GOALS[0][0])
        goals.centre_1 = wp.vec2(*GOALS[1][0])
        goals.radius_0 = GOALS[0][1]
        goals.radius_1 = GOALS[1][1]
        return goals

    def ceiling(self) -> Ceiling:
        return table_room.ceiling(SETTINGS)

    def scenery(self) -> Scenery:
        return table_room.scenery()

"""Billiard: a two-link arm pushes a ball over a table; two corners are holes that end the episode.

Paolo, Laflaquière, Coninx & Doncieux, "Unsupervised learning and exploration of reachable outcome
space" (TAXONS), ICRA 2020; constants of the released environment. The arm and the table are those
of `curling`; the ball is larger, lighter and less bouncy, the motors are nearly unlimited, bodies
fall asleep (`table_sleep`). The ball is in a hole where its centre is within 0.4 m of the corner;
that is worth 100, which TAXONS does not use. The paper's policy is open loop (`policies/dmp`).

Pictures are the paper's: ball, walls and holes on black, no arm. Other tasks' pictures hide where
reward is; holes show, for they are part of the world: a ball that falls into one is gone.

Beside Box2D (tests/reference/table_twins): until something touches, all six observed numbers agree
to 1e-4. Afterwards, over 500 genomes that hit the ball, final balls differ from Box2D's no more
than Box2D's do when genes are moved by 1e-5: at every decile, or by less than 1e-5 m, and in the
share that ends more than a coverage cell away. Sleep matters: without it four balls in ten end more
than 0.1 mm, and none more than 6 mm, elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import warp as wp

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import table_room
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import BLACK, BLUE, GREY, WHITE, is_in_disc
from qdx.tasks.table_bodies import Table
from qdx.tasks.table_boxes import Rooms, drop_contacts, rooms_of
from qdx.tasks.table_impact import solve_impacts
from qdx.tasks.table_room import (
    Joints,
    Sight,
    arm_place,
    ball_place,
    has_left,
    is_in_wall,
    look,
    on_table,
    set_up,
    starts_of,
)
from qdx.tasks.table_scene import Scene, Settings
from qdx.tasks.table_sleep import Rest, fall_asleep, sleep_on, wake
from qdx.tasks.table_step import solve_step

HOLES = ((-1.5, 1.5), (1.5, 1.5))  # m, table frame
HOLE_RADIUS = 0.4  # m
REWARD = 100.0
SETTINGS = Settings(
    radius=0.2,
    density=0.5,
    bounce=0.7,
    damping=1.0,
    spin_damping=1.0,
    pivot_torque=1e5,
    elbow_torque=1e4,
)

FACTS = TaskFacts(
    name="billiard",
    summary="A two-link arm pushes a ball over a walled table; rewarded for a ball in a hole.",
    observation=table_room.OBSERVATION,
    action=table_room.ACTION,
    horizon=300,
    measures=table_room.MEASURES,
    bounds=table_room.BOUNDS,
    bins=table_room.BINS,
    goals=tuple(
        Goal(name, centre, HOLE_RADIUS)
        for name, centre in zip(("left hole", "right hole"), HOLES, strict=True)
    ),
    hidden=(5, 3),
    policy="dmp",
    source="Paolo et al. 2020",
    sketch=table_room.MEASURES,
)


@wp.struct
class Holes:
    """The table, and the centres of the two holes in its frame."""

    scene: Scene
    left: wp.vec2
    right: wp.vec2


@wp.struct
class BilliardState:
    """The table and what sleeps; an episode ends where the ball is in a hole or off the table."""

    table: Table
    rooms: Rooms
    rest: Rest
    done: wp.int32


@wp.func
def hole_at(world: Holes, place: wp.vec2) -> wp.int32:
    """The hole a ball at a place is in, -1 for none."""
    if wp.length(place - world.left) <= HOLE_RADIUS:
        return 0
    return wp.where(wp.length(place - world.right) <= HOLE_RADIUS, 1, -1)


@wp.func
def reset(world: Holes, seed: wp.int32) -> BilliardState:
    """The same start for every episode."""
    state = BilliardState()
    state.table = set_up()
    state.rooms = rooms_of(world.scene, state.table)
    return state


@wp.func
def observe(world: Holes, state: BilliardState) -> Sight:
    """Ball, joint angles, joint speeds."""
    return look(state.table)


@wp.func
def step(world: Holes, state: BilliardState, action: wp.vec2) -> BilliardState:
    """Motor speeds of -1 to 1 rad/s for 1/60 s."""
    before = state.table
    before.ages = drop_contacts(before.ages, state.rooms)
    pivot = wp.clamp(action[0], -1.0, 1.0)
    elbow = wp.clamp(action[1], -1.0, 1.0)
    table, rest = sleep_on(solve_step(world.scene, before, pivot, elbow), before, state.rest)
    table, rest = fall_asleep(table, rest)
    after, rooms = solve_impacts(world.scene, table, starts_of(before), state.rooms)
    state.table = after
    state.rooms = rooms
    state.rest = wake(rest, after.ball, table.ball)
    in_hole = hole_at(world, ball_place(state.table)) >= 0
    state.done = wp.where(in_hole or has_left(state.table), 1, 0)
    return state


@wp.func
def measure(world: Holes, state: BilliardState) -> wp.vec2:
    """The ball, table frame."""
    return ball_place(state.table)


@wp.func
def pose(world: Holes, state: BilliardState) -> Joints:
    """The arm's joints, table frame; for pictures."""
    return arm_place(state.table)


@wp.func
def finish(world: Holes, state: BilliardState) -> Reward:
    """A hundred for a ball in a hole; nothing for one that left the table."""
    reward = Reward()
    reward.area = wp.int32(-1)
    if not has_left(state.table):
        reward.area = hole_at(world, ball_place(state.table))
        reward.fitness = wp.where(reward.area >= 0, REWARD, 0.0)
    return reward


@wp.func
def draw(world: Holes, ball: wp.vec2, x: wp.float32, y: wp.float32) -> wp.vec3:
    """A blue ball, grey holes and white walls on black."""
    here = on_table(x, y) - wp.vec2(table_room.HALF_TABLE, table_room.HALF_TABLE)
    if is_in_disc(here, ball, world.scene.radius):
        return BLUE
    if hole_at(world, here) >= 0:
        return GREY
    return wp.where(is_in_wall(here), WHITE, BLACK)


@dataclass(frozen=True)
class Billiard:
    """The task; it has no parameters."""

    World = Holes
    State = BilliardState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)
    sketch = measure
    draw = staticmethod(draw)
    pose = staticmethod(pose)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        holes = Holes()
        holes.scene = SETTINGS.scene()
        holes.left = wp.vec2(*HOLES[0])
        holes.right = wp.vec2(*HOLES[1])
        return holes

    def ceiling(self) -> Ceiling:
        return table_room.ceiling(SETTINGS)

    def scenery(self) -> Scenery:
        return table_room.scenery()

"""RedundantArm: a planar arm of 20 segments among four stubs of wall, stopped by illegal moves.

RedArm (`NDofArm`) of SERENE and STAX: Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward
exploration via novelty search and emitters", GECCO 2021. The base is the centre of the unit
square, the start a spiral; an action is an angular acceleration per joint, held for two sub-steps.
A move is illegal where a joint leaves the square, lies inside a wall or comes too near another
joint, and where the last joint turns too fast: the episode ends in the posture before it.

Two readings of the reward. The released environment pays when it says done, by an illegal move or
after 250 steps, and the released experiment stops asking after 100: `reward="stop"` pays early
stops only. `reward="end"`, the default, pays at the end for whatever reason it came.

Arithmetic is float32, positions are relative to the base. The original takes the speed of a joint
from angles, w = (a' - a) / dt with a' = a + w dt + u dt² / 2; here a joint's turn per sub-step
w dt is kept and raised by u dt² / 2, which is the same without the cancellation. Of the limit
|tip' - tip| / 2 + w_20 ≤ 1 it is not known whether w_20 is the speed before or after the move;
before is used. It hardly matters: full acceleration reaches a speed of 1 at the horizon. Close
pairs of joints are found among all pairs instead of in order of x, which finds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import warp as wp
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks.fastsim import cos_sin
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import BLACK, WHITE, is_in_disc, is_near_segment

N = 20  # segments
LENGTH = 0.05  # of a segment, in sides of the square
BASE = 0.5  # x and y
SUB_STEPS = 2
DT = 0.01  # s, a sub-step
KICK = 0.5 * DT * DT  # rad: what an action of 1 adds to the turn of each sub-step
TIP_SPEED = 1.0  # limit of half the end effector's move plus the last joint's speed
TOUCH = 0.95 * LENGTH  # joints are too near below this |dx| + |dy|
HALF_SIDE = 0.5
WALL_HALF_WIDTH = 0.01
WALL_FROM = 0.3  # inner end of a wall, from the base; the outer end is the square's side
GOALS = ((0.25, 0.25), (0.85, 0.85), (0.25, 0.90))
GOAL_RADIUS = 0.05
PER_PI = float(np.float32(1.0 / np.pi))
START = np.linspace(4 * np.pi / N, np.pi / N, N)  # rad, from segment to segment
RASTER = 100  # pixels of the scenery per side: walls are two wide
HALF_ARM = 0.012  # half the width of the arm in pictures, 0.8 of 64 pixels

LANES = 24  # the 21 joints, padded to whole vector registers
Angles = wp.types.vector(N, wp.float32)
Lanes = wp.types.vector(LANES, wp.float32)
Ring = wp.types.vector(2 * LANES, wp.float32)
Goals = wp.types.matrix((len(GOALS), 2), wp.float32)
Sketch = wp.types.vector(2 * N, wp.float32)
Places = wp.types.vector(2 * (N + 1), wp.float32)

FACTS = TaskFacts(
    name="redundant_arm",
    summary="An arm of 20 segments that halts at its first illegal move; rewarded in three discs.",
    observation=tuple(f"angle {i}" for i in range(1, N + 1)),
    action=tuple(f"acceleration {i}" for i in range(1, N + 1)),
    horizon=100,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(50, 50),
    goals=tuple(
        Goal(name, centre, GOAL_RADIUS)
        for name, centre in zip(("near goal", "opposite goal", "far goal"), GOALS, strict=True)
    ),
    hidden=(5, 2),
    source="Paolo et al. 2021",
    sketch=tuple(f"joint {i} {axis}" for i in range(1, N + 1) for axis in "xy"),
)


@wp.struct
class Room:
    """Start posture, goals relative to the base, and whether the horizon is paid."""

    start: Angles
    start_tip: wp.vec2
    goals: Goals
    pays_at_horizon: wp.int32


@wp.struct
class ArmState:
    """Posture, the turn of each joint in the last sub-step, and the end effector."""

    angles: Angles
    turns: Angles
    tip: wp.vec2
    done: wp.int32


@wp.struct
class Joints:
    """Positions relative to the base: joint i of 21 is at i and again at 21 + i."""

    x: Ring
    y: Ring


@wp.func
def reset(world: Room, seed: wp.int32) -> ArmState:
    """The spiral, at rest."""
    state = ArmState()
    state.angles = world.start
    state.tip = world.start_tip
    return state


@wp.func
def observe(world: Room, state: ArmState) -> Angles:
    """Angles over pi."""
    return state.angles * PER_PI


@wp.func
def joints(angles: Angles) -> Joints:
    """Where the joints of a posture are; segment i points along pi/2 + a_1 + … + a_i."""
    bend = Lanes()  # the direction less pi/2
    total = wp.float32(0.0)
    for i in range(N):
        total = total + angles[i]
        bend[i] = total
    dx = Lanes()
    dy = Lanes()
    for i in range(LANES):
        ahead = cos_sin(bend[i])
        dx[i] = -LENGTH * ahead[1]
        dy[i] = LENGTH * ahead[0]
    at = Joints()
    x = wp.float32(0.0)
    y = wp.float32(0.0)
    for i in range(N):
        x = x + dx[i]
        y = y + dy[i]
        at.x[i + 1] = x
        at.y[i + 1] = y
        at.x[i + N + 2] = x
        at.y[i + N + 2] = y
    return at


@wp.func
def distances(at: Joints) -> Lanes:
    """|dx| + |dy| of the joints: its smallest number is that of the nearest pair.

    All pairs i < j at once: on a ring of 21 places j lies at most 10 places after i or i after j,
    so ten shifts of the ring against itself meet each pair once. The first of them holds the two
    ends of each segment, which are far enough, and the pair of base and end effector.
    """
    x = at.x[0:LANES]
    y = at.y[0:LANES]
    nearest = Lanes(wp.abs(at.x[N]) + wp.abs(at.y[N]))
    for k in range(2, 11):
        dx = wp.abs(x - at.x[wp.static(k) : wp.static(k + LANES)])
        dy = wp.abs(y - at.y[wp.static(k) : wp.static(k + LANES)])
        nearest = wp.min(nearest, dx + dy)
    return nearest


@wp.func
def margin(at: Joints) -> wp.float32:
    """How far a posture is from breaking a rule; negative where it breaks one.

    The four walls are one by symmetry: less than 0.01 from an axis, more than 0.3 along it.
    """
    x = wp.abs(at.x[0:LANES])
    y = wp.abs(at.y[0:LANES])
    across = wp.min(x, y)
    along = wp.max(x, y)
    rules = wp.min(
        wp.max(across - Lanes(WALL_HALF_WIDTH), Lanes(WALL_FROM) - along),
        wp.min(Lanes(HALF_SIDE) - along, distances(at) - Lanes(TOUCH)),
    )
    # halves against halves: wp.min of one vector goes through it number by number
    eight = wp.min(wp.min(rules[0:8], rules[8:16]), rules[16:24])
    return wp.min(wp.min(eight[0:4], eight[4:8]))


@wp.func
def step(world: Room, state: ArmState, action: Angles) -> ArmState:
    """Two sub-steps, or the legal one of them, or none."""
    after = state
    sub_step = wp.int32(0)
    while sub_step < SUB_STEPS and after.done == 0:
        turns = after.turns + action * KICK
        angles = after.angles + turns
        at = joints(angles)
        tip = wp.vec2(at.x[N], at.y[N])
        speed = 0.5 * wp.length(tip - after.tip) + after.turns[N - 1] / DT
        if speed <= TIP_SPEED and margin(at) >= 0.0:
            after.turns = turns
            after.angles = angles
            after.tip = tip
        else:
            after.done = wp.int32(1)
        sub_step += 1
    return after


@wp.func
def measure(world: Room, state: ArmState) -> wp.vec2:
    """Position of the end effector in the square."""
    return wp.vec2(BASE + state.tip[0], BASE + state.tip[1])


@wp.func
def pose(world: Room, state: ArmState) -> Places:
    """All joints in the square; for pictures."""
    at = joints(state.angles)
    places = Places()
    for i in range(N + 1):
        places[2 * i] = BASE + at.x[i]
        places[2 * i + 1] = BASE + at.y[i]
    return places


@wp.func
def finish(world: Room, state: ArmState) -> Reward:
    """(0.05 - d) / 0.05 inside a goal, by the last legal posture."""
    reward = Reward()
    reward.area = wp.int32(-1)
    if world.pays_at_horizon == 1 or state.done == 1:
        for i in range(3):
            d = wp.length(state.tip - world.goals[i])
            if d < GOAL_RADIUS:
                reward.fitness = (GOAL_RADIUS - d) / GOAL_RADIUS
                reward.area = wp.int32(i)
    return reward


@wp.func
def sketch(world: Room, state: ArmState) -> Sketch:
    """The joints, relative to the base, which is the first of them and left out."""
    at = joints(state.angles)
    kept = Sketch()
    for i in range(N):
        kept[2 * i] = at.x[i + 1]
        kept[2 * i + 1] = at.y[i + 1]
    return kept


@wp.func
def draw(world: Room, kept: Sketch, x: wp.float32, y: wp.float32) -> wp.vec3:
    """The arm and the four walls, white on black; y grows upwards."""
    here = wp.vec2(x - BASE, 1.0 - BASE - y)
    across = wp.min(wp.abs(here[0]), wp.abs(here[1]))
    along = wp.max(wp.abs(here[0]), wp.abs(here[1]))
    is_white = across < WALL_HALF_WIDTH and along > WALL_FROM
    joint = wp.vec2()
    for i in range(N):
        following = wp.vec2(kept[2 * i], kept[2 * i + 1])
        if is_in_disc(here, joint, LENGTH + HALF_ARM):  # others cannot be near
            is_white = is_white or is_near_segment(here, joint, following, HALF_ARM)
        joint = following
    return wp.where(is_white, WHITE, BLACK)


def start_joints() -> Array:
    """Joints of the start posture relative to the base, (21, 2)."""
    bend = np.cumsum(START)
    steps = LENGTH * np.stack([-np.sin(bend), np.cos(bend)], axis=1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def walls() -> Array:
    """The four stubs, (100, 100) bool, row 0 at y = 0."""
    centres = (np.arange(RASTER) + 0.5) / RASTER - BASE
    x, y = np.abs(np.meshgrid(centres, centres))
    return (np.minimum(x, y) < WALL_HALF_WIDTH) & (np.maximum(x, y) > WALL_FROM)


@dataclass(frozen=True)
class RedundantArm:
    """The task.

    Attributes:
        reward: "end" pays the last posture; "stop" only where an illegal move ended the episode,
            as the released code comes to.
    """

    reward: Literal["end", "stop"] = "end"

    World = Room
    State = ArmState
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
        room = Room()
        room.start = Angles(*START.astype(np.float32).tolist())
        room.start_tip = wp.vec2(*start_joints()[-1].tolist())
        room.goals = Goals(*[c - BASE for centre in GOALS for c in centre])
        room.pays_at_horizon = int(self.reward == "end")
        return room

    def ceiling(self) -> Ceiling:
        """An upper bound: the end effector may not touch the base."""
        cells = FACTS.bins[0]
        far_edge = np.abs((np.arange(cells) + 0.5) / cells - BASE) + 0.5 / cells
        free = int((far_edge[:, None] + far_edge >= TOUCH).sum())
        return Ceiling(
            free / cells**2,
            "upper bound: cells not wholly within touch of the base; each holds the end effector "
            "of a legal posture with joints turned by no more than the horizon allows, 1 rad "
            "(by inverse kinematics), but the way there from the spiral may not be legal",
        )

    def scenery(self) -> Scenery:
        limbs = start_joints() + BASE
        x, y = limbs[-1].tolist()
        return Scenery(walls(), (x, y), limbs=limbs)

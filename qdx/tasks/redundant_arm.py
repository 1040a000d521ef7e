"""RedundantArm: a planar arm of 20 segments among four stubs of wall, stopped by illegal moves.

RedArm (`NDofArm`) of SERENE and STAX: Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward
exploration via novelty search and emitters", GECCO 2021. The base is the centre of the unit
square, the start a spiral; actions are the joints' accelerations. A move is illegal where a joint
leaves the square, enters a wall or comes too near another joint, and where the last joint turns
too fast; it ends the episode in the posture before it.

Arithmetic is float32: speeds are kept as turns per sub-step and raised by u dt² / 2, which is the
original's w = (a' - a) / dt without its cancellation. Positions are relative to the base.
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

N = 20  # segments
JOINTS = N + 1  # with the base
LENGTH = 0.05  # of a segment, in sides of the square
BASE = (0.5, 0.5)
DT = 0.01  # s, a sub-step; a step has two
KICK = 0.5 * DT * DT  # turn per sub-step that an action of 1 adds in a sub-step, rad
TIP_SPEED_MAX = 1.0
TOUCH = 0.95 * LENGTH  # |dx| + |dy| of two joints that touch
HALF = 0.5  # of the square
WALL_HALF_WIDTH = 0.01
WALL_INNER_END = 0.3  # distance from the base
GOALS = ((0.25, 0.25), (0.85, 0.85), (0.25, 0.90))
GOAL_RADIUS = 0.05
START = tuple(float(a) for a in np.linspace(4 * np.pi / N, np.pi / N, N).astype(np.float32))

Angles = wp.types.vector(N, wp.float32)
Ring = wp.types.vector(48, wp.float32)  # joints 0 … 20, 0 … 20: every pair is a shift of at most 10
Row = wp.types.vector(32, wp.float32)

FACTS = TaskFacts(
    name="redundant_arm",
    summary="An arm of 20 segments that stops at its first illegal move; three small goals.",
    observation=tuple(f"angle {i + 1}" for i in range(N)),
    action=tuple(f"acceleration {i + 1}" for i in range(N)),
    horizon=100,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(50, 50),
    goals=tuple(Goal(f"goal {i}", centre, GOAL_RADIUS) for i, centre in enumerate(GOALS)),
    hidden=(5, 2),
    source="Paolo et al. 2021",
)


@wp.struct
class Room:
    """The start posture, and whether an episode that lasts to the horizon is rewarded."""

    start: Angles
    start_tip: wp.vec2
    pays_at_horizon: wp.int32


@wp.struct
class ArmState:
    """Posture, turns of the last sub-step, end effector relative to the base."""

    angles: Angles
    turns: Angles
    tip: wp.vec2
    done: wp.int32


@wp.struct
class Joints:
    """Positions of all joints relative to the base, twice in a row."""

    x: Ring
    y: Ring


@wp.func
def reset(world: Room, seed: wp.int32) -> ArmState:
    """The spiral."""
    state = ArmState()
    state.angles = world.start
    state.tip = world.start_tip
    return state


@wp.func
def observe(world: Room, state: ArmState) -> Angles:
    """Angles over pi."""
    return state.angles * 0.31830989


@wp.func
def joints(angles: Angles) -> Joints:
    """Where a posture has its joints."""
    direction = Row()
    total = wp.float32(0.0)
    for i in range(N):
        total = total + angles[i]
        direction[i] = total
    dx = Row()
    dy = Row()
    for i in range(32):
        ahead = cos_sin(direction[i])
        dx[i] = -0.05 * ahead[1]
        dy[i] = 0.05 * ahead[0]
    at = Joints()
    x = wp.float32(0.0)
    y = wp.float32(0.0)
    for i in range(N):
        x = x + dx[i]
        y = y + dy[i]
        at.x[i + 1] = x
        at.y[i + 1] = y
        at.x[i + 22] = x
        at.y[i + 22] = y
    return at


@wp.func
def is_legal(at: Joints) -> wp.bool:
    """Inside the square, outside the walls, no two joints near each other."""
    x = at.x[0:24]
    y = at.y[0:24]
    worst = wp.abs(x - at.x[2:26]) + wp.abs(y - at.y[2:26])
    worst = wp.min(worst, wp.abs(x - at.x[3:27]) + wp.abs(y - at.y[3:27]))
    worst = wp.min(worst, wp.abs(x - at.x[4:28]) + wp.abs(y - at.y[4:28]))
    worst = wp.min(worst, wp.abs(x - at.x[5:29]) + wp.abs(y - at.y[5:29]))
    worst = wp.min(worst, wp.abs(x - at.x[6:30]) + wp.abs(y - at.y[6:30]))
    worst = wp.min(worst, wp.abs(x - at.x[7:31]) + wp.abs(y - at.y[7:31]))
    worst = wp.min(worst, wp.abs(x - at.x[8:32]) + wp.abs(y - at.y[8:32]))
    worst = wp.min(worst, wp.abs(x - at.x[9:33]) + wp.abs(y - at.y[9:33]))
    worst = wp.min(worst, wp.abs(x - at.x[10:34]) + wp.abs(y - at.y[10:34]))
    return wp.min(worst) >= TOUCH


@wp.func
def step(world: Room, state: ArmState, action: Angles) -> ArmState:
    """Two sub-steps, or as many as are legal."""
    after = state
    for _sub in range(2):
        if after.done == 0:
            turns = after.turns + action * KICK
            angles = after.angles + turns
            at = joints(angles)
            if is_legal(at):
                after.turns = turns
                after.angles = angles
                after.tip = wp.vec2(at.x[20], at.y[20])
            else:
                after.done = wp.int32(1)
    return after


@wp.func
def measure(world: Room, state: ArmState) -> wp.vec2:
    """Position of the end effector."""
    return wp.vec2(0.5 + state.tip[0], 0.5 + state.tip[1])


@wp.func
def finish(world: Room, state: ArmState) -> Reward:
    reward = Reward()
    reward.area = wp.int32(-1)
    return reward

@dataclass(frozen=True)
class RedundantArm:
    reward: Literal["end", "stop"] = "end"
    World = Room
    State = ArmState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        w = Room()
        w.start = Angles(*START)
        return w

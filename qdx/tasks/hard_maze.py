"""HardMaze: the deceptive maze of Lehman & Stanley (2011) with the rewards of SERENE.

Lehman & Stanley, "Abandoning objectives: evolution through the search for novelty alone",
Evolutionary Computation 19(2), 2011; Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward
exploration via novelty search and emitters", GECCO 2021. 600 x 600 world units drawn on 200 x 200
pixels, y grows downwards; the robot starts at (60, 450), heading 45 degrees. Reward comes at the
last step only, by the position before the last move, as in the released environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import raster
from qdx.tasks.fastsim import Arena, Robot, build_arena, cos_sin, drive, lasers
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import arena_picture

SIZE = 200  # pixels
WORLD = 600.0  # world units
BORDER = 3  # pixels
START = (60.0, 450.0)
GOALS = ((60.0, 60.0), (100.0, 200.0))
GOAL_RADIUS = 50.0

SLABS: tuple[raster.Polygon, ...] = (
    ((1.8, 41.3), (61.2, 45.8), (58.4, 51.6), (-1.2, 47.3)),
    ((55.2, 46.1), (127.45, 24.5), (132.1, 24.3), (132.4, 28.1), (58.9, 51.2)),
    ((55.6, 46.0), (60.3, 46.0), (60.0, 152.6), (55.5, 152.2)),
    ((4.4, 72.4), (7.05, 74.75), (37.7, 114.3), (32.65, 116.85), (-1.5, 72.0)),
    ((61.3, 100.7), (154.45, 152.7), (152.8, 157.1), (57.8, 103.9)),
    ((85.45, 84.9), (88.6, 84.3), (198.2, 141.6), (197.75, 146.4), (86.25, 88.2)),
    ((104.6, 156.65), (110.5, 157.4), (72.95, 201.0), (67.45, 200.0)),
)

FACTS = TaskFacts(
    name="hard_maze",
    summary="A two-wheeled robot in a deceptive maze; rewarded for ending near one of two goals.",
    observation=("laser +45°", "laser 0°", "laser -45°", "left bumper", "right bumper"),
    action=("left wheel", "right wheel"),
    horizon=2000,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(50, 50),
    goals=tuple(
        Goal(name, (x / WORLD, y / WORLD), GOAL_RADIUS / WORLD)
        for name, (x, y) in zip(("far goal", "near goal"), GOALS, strict=True)
    ),
    hidden=(5, 2),
    source="Lehman & Stanley 2011; Paolo et al. 2021",
    sketch=("x", "y"),
)

Sight = wp.types.vector(5, wp.float32)


@wp.struct
class Maze:
    """The arena and the goals."""

    arena: Arena
    goal_0: wp.vec2
    goal_1: wp.vec2


@wp.struct
class MazeState:
    """The robot; no episode ends early."""

    robot: Robot
    done: wp.int32


@wp.func
def reset(world: Maze, seed: wp.int32) -> MazeState:
    """The same start for every episode."""
    state = MazeState()
    state.robot.x = wp.float32(60.0)
    state.robot.y = wp.float32(450.0)
    state.robot.heading = wp.float32(0.78539816)
    state.robot.ahead = cos_sin(state.robot.heading)
    state.robot.x_before = state.robot.x
    state.robot.y_before = state.robot.y
    return state


@wp.func
def observe(world: Maze, state: MazeState) -> Sight:
    """Three lasers (0 to 100 world units, unscaled) and two bumpers."""
    sight = lasers(world.arena, state.robot)
    return Sight(sight[0], sight[1], sight[2], state.robot.left, state.robot.right)


@wp.func
def step(world: Maze, state: MazeState, action: wp.vec2) -> MazeState:
    """Wheel displacements of -1 to 1 world units."""
    after = MazeState()
    after.robot = drive(world.arena, state.robot, action[0], action[1])
    return after


@wp.func
def measure(world: Maze, state: MazeState) -> wp.vec2:
    """Position over 600."""
    return wp.vec2(state.robot.x / 600.0, state.robot.y / 600.0)


@wp.func
def finish(world: Maze, state: MazeState) -> Reward:
    """(50 - d) / 50 inside a goal, by the position before the last move."""
    position = wp.vec2(state.robot.x_before, state.robot.y_before)
    reward = Reward()
    reward.area = wp.int32(-1)
    d0 = wp.length(position - world.goal_0)
    d1 = wp.length(position - world.goal_1)
    if d0 <= GOAL_RADIUS:
        reward.fitness = (GOAL_RADIUS - d0) / GOAL_RADIUS
        reward.area = wp.int32(0)
    if d1 <= GOAL_RADIUS:
        reward.fitness = (GOAL_RADIUS - d1) / GOAL_RADIUS
        reward.area = wp.int32(1)
    return reward


@wp.func
def draw(world: Maze, sketch: wp.vec2, x: wp.float32, y: wp.float32) -> wp.vec3:
    """White walls and a blue robot on black."""
    return arena_picture(world.arena, WORLD * sketch, x, y)


def walls() -> Array:
    """The bitmap: a border and seven slabs, (200, 200) bool, row = y."""
    bitmap = np.ones((SIZE, SIZE), bool)
    bitmap[BORDER:-BORDER, BORDER:-BORDER] = False
    for slab in SLABS:
        raster.fill(bitmap, slab)
    return bitmap


@dataclass(frozen=True)
class HardMaze:
    """The task; it has no parameters."""

    World = Maze
    State = MazeState
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
        maze = Maze()
        maze.arena = build_arena(walls(), device)
        maze.goal_0 = wp.vec2(*GOALS[0])
        maze.goal_1 = wp.vec2(*GOALS[1])
        return maze

    def ceiling(self) -> Ceiling:
        """Cells that hold a position which rounds to a pixel the robot's centre can reach."""
        free = raster.disc_contacts(walls(), radius=3).mask == 0
        start = (round(START[0] / 3), round(START[1] / 3))
        cells = raster.covered_cells(raster.reachable(free, start), 3.0, WORLD / FACTS.bins[0])
        total = FACTS.bins[0] * FACTS.bins[1]
        return Ceiling(cells / total, "flood fill of the bitmap from the start, robot radius 3 px")

    def scenery(self) -> Scenery:
        return Scenery(walls(), (START[0] / WORLD, START[1] / WORLD), y_down=True)

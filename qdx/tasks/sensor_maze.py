"""The hard maze of Such et al. (2017), seen by range finders and a radar.

Such et al., arXiv 1712.06567, whose image maze this is without the images: the same walls, robot
and reward (`maze_geometry.py`). 400 steps; the reward is minus the distance to the goal, at the
last step, which leads into a dead end. The goal is reached within 10 units; that ends nothing.
The released code measures the distance at the end; `distance: smallest` is how a summary of the
paper words it.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import warp as wp

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import raster
from qdx.tasks.fused import Reward
from qdx.tasks.maze_geometry import (
    EXTENT,
    GOAL,
    GOAL_RADIUS,
    RADIUS,
    START,
    WALLS,
    Body,
    centres,
    drive,
    finder,
    gap,
    gaps,
    radar,
)

STROKE = 1.5  # units: half the width of a drawn wall
GOAL_DRAWN = 5.0  # units

FACTS = TaskFacts(
    name="sensor_maze",
    summary="A robot in the deceptive maze of Deep GA; rewarded by how near to the goal it ends.",
    observation=(
        "bias",
        *(f"range finder {angle}°" for angle in (-90, -45, 0, 45, 90, -180)),
        *(f"goal {where}" for where in ("ahead", "right", "behind", "left")),
    ),
    action=("turn", "speed"),
    horizon=400,
    measures=("x", "y"),
    bounds=((0.0, EXTENT), (0.0, EXTENT)),
    bins=(50, 50),
    goals=(Goal("goal", GOAL, GOAL_RADIUS),),
    hidden=(10, 2),
    source="Such et al. 2017, released code",
    sketch=("x", "y", "heading"),
)

Sight = wp.types.vector(11, wp.float32)


@wp.struct
class Maze:
    """Walls and goal; the rest is the image maze's, its background in grey of 0 to 1."""

    walls: wp.array(dtype=wp.vec4)
    goal: wp.vec2
    is_smallest: wp.int32
    background: wp.array2d(dtype=wp.float32)
    pixel: wp.float32
    held: wp.int32


@wp.struct
class MazeState:
    """The robot, and how near it has been to the goal; no episode ends early."""

    body: Body
    nearest: wp.float32
    done: wp.int32


@wp.func
def reset(world: Maze, seed: wp.int32) -> MazeState:
    """The same start for every episode."""
    state = MazeState()
    state.body.place = wp.vec2(36.0, 184.0)
    state.nearest = wp.length(state.body.place - world.goal)
    return state


@wp.func
def observe(world: Maze, state: MazeState) -> Sight:
    """1, six range finders and four quarters, as released."""
    body = state.body
    goal = radar(body, world.goal)
    return Sight(
        1.0,
        finder(world.walls, body, -90.0),
        finder(world.walls, body, -45.0),
        finder(world.walls, body, 0.0),
        finder(world.walls, body, 45.0),
        finder(world.walls, body, 90.0),
        finder(world.walls, body, -180.0),
        goal[0],
        goal[1],
        goal[2],
        goal[3],
    )


@wp.func
def step(world: Maze, state: MazeState, action: wp.vec2) -> MazeState:
    """Turn and speed."""
    after = MazeState()
    after.body = drive(world.walls, state.body, action[0], action[1])
    after.nearest = wp.min(state.nearest, wp.length(after.body.place - world.goal))
    return after


@wp.func
def measure(world: Maze, state: MazeState) -> wp.vec2:
    """Where the robot is."""
    return state.body.place


@wp.func
def finish(world: Maze, state: MazeState) -> Reward:
    """Minus the distance to the goal."""
    distance = wp.length(state.body.place - world.goal)
    if world.is_smallest == 1:
        distance = state.nearest
    reward = Reward()
    reward.fitness = -distance
    reward.area = wp.where(distance < GOAL_RADIUS, 0, -1)
    return reward


@wp.func
def sketch(world: Maze, state: MazeState) -> wp.vec3:
    """Where the robot is and looks."""
    return wp.vec3(state.body.place[0], state.body.place[1], state.body.heading)


@wp.func
def robot_grey(place: wp.vec2, heading: wp.float32, p: wp.vec2, behind: wp.float32) -> wp.float32:
    """The robot over what is behind it: a disc, brighter in the quarter it looks to."""
    offset = p - place
    distance = wp.length(offset)
    if distance > RADIUS:
        return behind
    ahead = wp.vec2(wp.cos(wp.radians(heading)), wp.sin(wp.radians(heading)))
    if wp.dot(offset, ahead) > 0.7071 * distance:
        return wp.float32(1.0)
    return wp.float32(0.6)


@wp.func
def draw(world: Maze, sketch: wp.vec3, x: wp.float32, y: wp.float32) -> wp.vec3:
    """White walls, a grey goal and the robot on black, at any resolution."""
    p = EXTENT * wp.vec2(x, y)
    grey = wp.where(wp.length(p - world.goal) <= GOAL_DRAWN, 0.3, 0.0)
    for i in range(13):
        if gap(p, world.walls[i]) <= STROKE:
            grey = wp.float32(0.8)
    grey = robot_grey(wp.vec2(sketch[0], sketch[1]), sketch[2], p, grey)
    return wp.vec3(grey, grey, grey)


def open_maze(device: str, *, is_smallest: bool) -> Any:
    """The world on a device."""
    maze = Maze()
    maze.walls = wp.array(np.array(WALLS, np.float32), dtype=wp.vec4, device=device)
    maze.goal = wp.vec2(*GOAL)
    maze.is_smallest = int(is_smallest)
    return maze


@functools.cache
def reachable_share() -> float:
    """Cells of the coverage grid with a place where the robot can be, at half a unit."""
    n = int(2 * EXTENT)
    free = gaps(centres(n)) >= RADIUS
    reached = raster.reachable(free, (round(2 * START[0]), round(2 * START[1])))
    rows, columns = np.nonzero(reached)
    cells = np.unique((rows * 50 // n) * 50 + columns * 50 // n)
    return len(cells) / 2500


@dataclass(frozen=True)
class SensorMaze:
    """The task.

    Attributes:
        distance: To the goal, which is the reward: at the end, or the smallest of the episode.
    """

    distance: Literal["final", "smallest"] = "final"

    World = Maze
    State = MazeState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)
    sketch = staticmethod(sketch)
    draw = staticmethod(draw)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        return open_maze(device, is_smallest=self.distance == "smallest")

    def ceiling(self) -> Ceiling:
        return Ceiling(reachable_share(), "flood fill of half units from the start, robot radius 8")

    def scenery(self) -> Scenery:
        return Scenery(gaps(centres(int(EXTENT))) <= STROKE, START, y_down=True)

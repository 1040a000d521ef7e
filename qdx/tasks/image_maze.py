"""The image hard maze of Such et al. (2017): the same maze, seen from above in frames.

Such et al., arXiv 1712.06567. Frames are 84 x 84, the present one and the three before it, those
before the start black. How robot, heading and goal were drawn was never released, so the drawing is
ours: walls 0.8, the goal 0.3, the robot a disc of 0.6 whose front quarter is 1, on 0. It is
computed where the robot moves, a constant picture and a disc, so a GPU keeps episodes to itself.
Policies without eyes see the sensors of `sensor_maze`.

Two reductions, neither of the paper, for machines on which 400 frames of 84 x 84 an episode are too
much: smaller frames, and actions that are held for some steps, as on Atari.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import warp as wp
from annotated_types import Ge, Interval
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts
from qdx.tasks import sensor_maze
from qdx.tasks.maze_geometry import EXTENT, GOAL, centres, gaps
from qdx.tasks.sensor_maze import GOAL_DRAWN, STROKE, Maze, MazeState, SensorMaze, robot_grey

FRAMES, SIDE = 4, 84  # of the history that a policy sees; pixels
LEAST_SIDE = 20  # pixels: the least that two unpadded convolutions of 8 / 4 and 4 / 2 need

FACTS = replace(
    sensor_maze.FACTS,
    name="image_maze",
    summary="The deceptive maze of Deep GA, seen from above; rewarded by the distance to its goal.",
    policy="dqn_large",
    image=(FRAMES, SIDE, SIDE),
)

move = sensor_maze.step


@wp.func
def step(world: Maze, state: MazeState, action: wp.vec2) -> MazeState:
    """Turn and speed, held."""
    after = move(world, state, action)
    for _again in range(world.held - 1):
        after = move(world, after, action)
    return after


@wp.func
def view(world: Maze, state: MazeState, row: wp.int32, column: wp.int32) -> wp.float32:
    """Grey of a pixel of the frame that policies see: a constant maze and the robot."""
    p = world.pixel * wp.vec2(wp.float32(column) + 0.5, wp.float32(row) + 0.5)
    return robot_grey(state.body.place, state.body.heading, p, world.background[row, column])


def background(side: int = SIDE) -> Array:
    """The empty maze, (side, side) float32: walls over the goal over nothing.

    Where pixels are wider than walls, a wall is all pixels that it passes through the middle of.
    """
    at = centres(side)
    goal = np.linalg.norm(at - np.array(GOAL), axis=-1) <= GOAL_DRAWN
    stroke = max(STROKE, EXTENT / side / 2)
    return np.where(gaps(at) <= stroke, 0.8, np.where(goal, 0.3, 0.0)).astype(np.float32)


@dataclass(frozen=True)
class ImageMaze:
    """The task.

    Attributes:
        distance: To the goal, which is the reward: at the end, or the smallest of the episode.
        side: Pixels of the frames that policies see.
        held: Steps of the robot that an action lasts; an episode has 400 of them.
    """

    distance: Literal["final", "smallest"] = "final"
    side: Annotated[int, Ge(LEAST_SIDE)] = SIDE
    held: Annotated[int, Interval(ge=1, le=400)] = 1

    World = Maze
    State = MazeState
    reset = staticmethod(sensor_maze.reset)
    observe = staticmethod(sensor_maze.observe)
    step = staticmethod(step)
    measure = staticmethod(sensor_maze.measure)
    finish = staticmethod(sensor_maze.finish)
    sketch = staticmethod(sensor_maze.sketch)
    draw = staticmethod(sensor_maze.draw)
    view = staticmethod(view)

    @property
    def facts(self) -> TaskFacts:
        horizon = FACTS.horizon // self.held
        return replace(FACTS, image=(FRAMES, self.side, self.side), horizon=horizon)

    def world(self, device: str) -> Any:
        maze = sensor_maze.open_maze(device, is_smallest=self.distance == "smallest")
        maze.background = wp.array(background(self.side), dtype=wp.float32, device=device)
        maze.pixel, maze.held = EXTENT / self.side, self.held
        return maze

    def ceiling(self) -> Ceiling:
        return SensorMaze().ceiling()

    def scenery(self) -> Scenery:
        return SensorMaze().scenery()

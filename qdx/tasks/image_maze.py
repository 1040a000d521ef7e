"""The image hard maze of Such et al. (2017): the same maze, seen from above in frames.

Such et al., arXiv 1712.06567. Frames are 84 x 84, the present one and the three before it, those
before the start black. How robot, heading and goal were drawn was never released, so the drawing is
ours: walls 0.8, the goal 0.3, the robot a disc of 0.6 whose front quarter is 1, on 0. It is
computed where the robot moves, a constant picture and a disc, so a GPU keeps episodes to itself.
Policies without eyes see the sensors of `sensor_maze`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts
from qdx.tasks import sensor_maze
from qdx.tasks.sensor_maze import SIDE, Maze, MazeState, SensorMaze

FRAMES = 4  # of the history that a policy sees

FACTS = replace(
    sensor_maze.FACTS,
    name="image_maze",
    summary="The deceptive maze of Deep GA, seen from above; rewarded by the distance to its goal.",
    policy="dqn_large",
    image=(FRAMES, SIDE, SIDE),
)


@dataclass(frozen=True)
class ImageMaze:
    """The task.

    Attributes:
        distance: To the goal, which is the reward: at the end, or the smallest of the episode.
    """

    distance: Literal["final", "smallest"] = "final"

    World = Maze
    State = MazeState
    reset = staticmethod(sensor_maze.reset)
    observe = staticmethod(sensor_maze.observe)
    step = staticmethod(sensor_maze.step)
    measure = staticmethod(sensor_maze.measure)
    finish = staticmethod(sensor_maze.finish)
    sketch = staticmethod(sensor_maze.sketch)
    draw = staticmethod(sensor_maze.draw)
    view = staticmethod(sensor_maze.view)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        return SensorMaze(self.distance).world(device)

    def ceiling(self) -> Ceiling:
        return SensorMaze().ceiling()

    def scenery(self) -> Scenery:
        return SensorMaze().scenery()

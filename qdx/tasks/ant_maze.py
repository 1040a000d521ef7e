"""AntMaze: a four-legged MuJoCo robot in a large walled arena, rewarded at the end in two corners.

The AntMaze of SERENE: Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty
search and emitters", GECCO 2021. The ant and its world come from Frans, Ho, Chen, Abbeel &
Schulman, "Meta learning shared hierarchies", ICLR 2018, the walls from Colas, Madhavan, Huizinga &
Clune, "Scaling MAP-Elites to deep neuroevolution", GECCO 2020. MuJoCo, a step of 5 x 5 ms.

* The reward comes with the last step, whatever the horizon is: (3 - d) / 3 within 3 m of a goal.
  SERENE has 3 000 steps; the release of STAX sets 1 000, and when it pays is not known.
* The model sets the mass of all its bodies to 25 755 kg. One of them is a ball of 3 m radius that
  hangs 100 m above the floor, left over from Frans et al.; it takes nearly all of it, and the ant
  weighs 41.4 kg. The ball is kept, since the ant's mass follows from it. The plate that floats
  above a goal in the original, out of the ant's reach, is left out.
* An episode starts at the reference position (joints at 0, so ankles start outside their range)
  plus U(-0.1, 0.1) on every position and 0.1 N(0, 1) on every velocity, drawn from the episode's
  seed; the orientation is normalised. All episodes of a campaign have one seed, as the papers' do:
  so all begin in the same state, and another campaign seed is another start.

Differences to the original, which ran on MuJoCo 1.5 or 2: contacts are solved by a newer version,
and without the warm start, so that a step depends on the state alone. While no part of an ant can
come near a wall, its steps do not look for contacts with walls: the same bits for less work.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.core.rng import draw
from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import raster
from qdx.tasks.ant_maze_model import ACTUATORS, JOINTS, START, TORSO_RADIUS, TOTAL_MASS, WALLS, mjcf
from qdx.tasks.mujoco_stepping import Simulation, open_mujoco
from qdx.tasks.stepped import Finish

NAME = "ant_maze"
FRAME_SKIP = 5  # simulation steps per action
NOISE = 0.1  # of the start
CENTRE, SIDE = 5.0, 70.0  # m: the arena is a square, in x as in y
GOALS = ((35.0, -25.0), (-25.0, 35.0))
GOAL_RADIUS = 3.0
PIXEL = 0.1  # m, of the scenery
# An ant this far from all walls, and slower than this, touches none during an action (25 ms): its
# legs end 1.2 m from its centre, and it would have to be thrown on at 70 m/s.
FAR, SLOW = 3.0, 20.0  # m, m/s
POSITIONS = ("x", "y", "z", "qw", "qx", "qy", "qz", *JOINTS)
SPEED = 1 + len(POSITIONS)  # where velocities begin in a state
SPEEDS = ("x", "y", "z", "roll", "pitch", "yaw", *JOINTS)

FACTS = TaskFacts(
    name=NAME,
    summary="A four-legged robot in a maze; rewarded for ending near one of two corners.",
    observation=tuple(
        name.replace("_", " ") for name in (*POSITIONS, *(f"{s} speed" for s in SPEEDS))
    ),
    action=tuple(name.replace("_", " ") for name in ACTUATORS),
    horizon=3000,
    measures=("x", "y"),
    bounds=((-0.5, 0.5), (-0.5, 0.5)),
    bins=(50, 50),
    goals=tuple(
        Goal(name, ((x - CENTRE) / SIDE, (y - CENTRE) / SIDE), GOAL_RADIUS / SIDE)
        for name, (x, y) in zip(("south-east goal", "north-west goal"), GOALS, strict=True)
    ),
    hidden=(10, 3),
    source="Frans et al. 2018; Colas et al. 2020; Paolo et al. 2021",
)


@final
@dataclass(frozen=True)
class AntMaze:
    """The task.

    Attributes:
        horizon: Steps of an episode: 3000 in SERENE, 1000 in the release of STAX.
    """

    libraries: ClassVar = ("mujoco",)
    horizon: Annotated[int, Ge(1)] = FACTS.horizon

    @property
    def facts(self) -> TaskFacts:
        return replace(FACTS, horizon=self.horizon)

    def open(self, n: int, *, frame_size: int = 0) -> AntWorlds:
        return AntWorlds(n)

    def ceiling(self) -> Ceiling:
        """Cells that hold a place the torso's centre can reach."""
        free = clearance_map() >= TORSO_RADIUS
        start = tuple(int((x - CENTRE + SIDE / 2) / PIXEL) for x in START[:2])
        n = FACTS.bins[0]
        reached = raster.reachable(free, start)
        cells = reached.reshape(n, len(reached) // n, n, -1).any(axis=(1, 3))
        return Ceiling(
            float(cells.mean()), "flood fill of the floor from the start, the torso a disc of 25 cm"
        )

    def scenery(self) -> Scenery:
        return Scenery(clearance_map() == 0, tuple((x - CENTRE) / SIDE for x in START[:2]))


@final
class AntWorlds:
    """Ants of one shard."""

    def __init__(self, n: int) -> None:
        mujoco = open_mujoco(f"task: {NAME}")
        self._simulation = Simulation(mujoco, open_model(), n)
        self._reason = np.full(n, "", object)

    def reset(self, seeds: Int64[Array, " B"]) -> Bool[Array, " B"]:
        self._simulation.state[:] = [start_state(seed) for seed in seeds.tolist()]
        return np.zeros(len(seeds), bool)

    def observe(self, rows: Int64[Array, " R"]) -> Float32[Array, "R O"]:
        sight = self._simulation.state[rows, 1:]
        sight[:, :2] = (sight[:, :2] - CENTRE) / SIDE
        return sight.astype(np.float32)

    def step(self, rows: Int64[Array, " R"], actions: Float32[Array, "R A"]) -> Bool[Array, " R"]:
        models = [open_model(solid=near) for near in self._near_walls(rows).tolist()]
        diverged = self._simulation.step(
            rows, actions.astype(np.float64), FRAME_SKIP, models=models
        )
        self._reason[rows[diverged]] = "the simulation diverged"
        return diverged

    def _near_walls(self, rows: Int64[Array, " R"]) -> Bool[Array, " R"]:
        """Which ants may touch a wall during the next action."""
        state = self._simulation.state[rows]
        speed = np.hypot(*state[:, SPEED : SPEED + 2].T)
        return ~((clearance(*state[:, 1:3].T) > FAR) & (speed < SLOW))

    def measure(self) -> Float32[Array, "B M"]:
        return ((self._simulation.state[:, 1:3] - CENTRE) / SIDE).astype(np.float32)

    def finish(self) -> Finish:
        """(3 - d) / 3 inside a goal; the goals are far apart."""
        offsets = self._simulation.state[:, None, 1:3] - np.array(GOALS)
        reward = 1 - np.hypot(offsets[..., 0], offsets[..., 1]) / GOAL_RADIUS
        nearest = reward.argmax(axis=1)
        best = reward.max(axis=1)
        area = np.where(best >= 0, nearest, -1)
        return Finish(best.clip(0).astype(np.float32), area, self._reason)

    def close(self) -> None:
        self._simulation.close()


@functools.cache
def open_model(*, solid: bool = True) -> Any:
    """The compiled model, with walls or without; nobody changes it, so all threads share it."""
    compile_ = open_mujoco(f"task: {NAME}").MjModel.from_xml_string
    mass_at_one = float(compile_(mjcf(1.0)).body_mass.sum())
    return compile_(mjcf(TOTAL_MASS / mass_at_one, solid=solid))


def start_state(seed: int) -> Float64[Array, " S"]:
    """Time, positions and velocities at the start of an episode."""
    rng = draw(seed, "ant start")
    positions = np.array([*START, 1.0, 0.0, 0.0, 0.0, *(0.0 for _ in JOINTS)])
    positions += rng.uniform(-NOISE, NOISE, len(positions))
    positions[3:7] /= np.sqrt(np.square(positions[3:7]).sum())
    return np.array([0.0, *positions, *(NOISE * rng.standard_normal(len(SPEEDS)))])


def clearance(x: Float64[Array, "..."], y: Float64[Array, "..."]) -> Float64[Array, "..."]:
    """Distance of places to the nearest wall, metres; 0 inside."""
    cx, cy, half_x, half_y = np.array(WALLS).T.reshape(4, -1, *np.ones(np.ndim(x), int))
    sides = np.hypot(np.maximum(abs(x - cx) - half_x, 0), np.maximum(abs(y - cy) - half_y, 0))
    nearest: Array = sides.min(axis=0)
    return nearest


def clearance_map() -> Float64[Array, "H W"]:
    """Clearance of each pixel's centre, row 0 at the smallest y."""
    centres = CENTRE - SIDE / 2 + PIXEL * (np.arange(round(SIDE / PIXEL)) + 0.5)
    return clearance(*np.meshgrid(centres, centres))

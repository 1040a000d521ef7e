"""The ant and its maze as a MuJoCo model: numbers, and the MJCF text made from them.

The model of Frans et al. (2018) with the walls of Colas et al. (2020), as `tasks/ant_maze.py` cites
them. Lengths are metres, masses kilograms, angles degrees. Parts of the ant touch the floor and the
walls, not one another.
"""

from __future__ import annotations

from typing import NamedTuple

TIMESTEP = 0.005  # s
TOTAL_MASS = 25755.0  # kg, of all bodies: the ant and the ballast
BALLAST = (0.0, 0.0, 100.0, 3.0)  # x, y, z and radius of a ball that stands still above the maze
START = (-25.0, -25.0, 0.6)  # of the torso
TORSO_RADIUS = 0.25
HEAD = (0.4, 0.0, 0.25)  # in the torso's frame; as large as the torso, and nearly without mass
HEAD_DENSITY = 0.01 / 5.0  # of the other parts'
LIMB_RADIUS = 0.08
UPPER, LOWER = 0.2, 0.4  # extent of the two upper segments and of the lower one along x and y
LEGS = ((1, 1), (-1, 1), (-1, -1), (1, -1))  # directions in x and y, leg 1 first
HIP_RANGE = (-30, 30)
ANKLE_RANGES = ((30, 70), (-70, -30), (-70, -30), (30, 70))
ANKLE_AXES = ("-1 1 0", "1 1 0", "-1 1 0", "1 1 0")
ACTUATED_LEGS = (4, 1, 2, 3)  # hip and ankle of each, in the order of the actions
JOINTS = tuple(f"{joint}_{leg}" for leg in (1, 2, 3, 4) for joint in ("hip", "ankle"))
ACTUATORS = tuple(f"{joint}_{leg}" for leg in ACTUATED_LEGS for joint in ("hip", "ankle"))
GEAR = 150
WALL_HALF_HEIGHT = 2.0


class Wall(NamedTuple):
    """A box on the floor: its centre and its half extents."""

    x: float
    y: float
    half_x: float
    half_y: float


FLOOR = Wall(5.0, 5.0, 35.0, 35.0)
BORDER = (
    Wall(5.0, 40.0, 35.0, 0.3),
    Wall(5.0, -30.0, 35.0, 0.3),
    Wall(40.0, 5.0, 0.3, 35.0),
    Wall(-30.0, 5.0, 0.3, 35.0),
)
INNER = (
    Wall(-15.0, 20.0, 0.3, 17.0),
    Wall(-3.0, -15.0, 13.0, 0.3),
    Wall(10.0, -15.0, 0.3, 15.0),
)
WALLS = BORDER + INNER

MODEL = """<mujoco model="ant maze">
  <option integrator="RK4" timestep="{timestep}">
    <flag warmstart="disable" autoreset="disable"/>
  </option>
  <default>
    <joint armature="1" damping="1"/>
    <geom density="{density!r}" friction="1 0.5 0.5" margin="0.01" contype="1" conaffinity="0"/>
    <default class="world">
      <geom conaffinity="1"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" class="world" type="plane" pos="{floor.x} {floor.y} 0"
          size="{floor.half_x} {floor.half_y} 1"/>
{walls}
    <body name="ballast" pos="{ballast}">
      <geom type="sphere" size="{ballast_radius}" contype="0"/>
    </body>
    <body name="torso" pos="{start}">
      <freejoint name="root"/>
      <geom type="sphere" size="{torso_radius}"/>
      <geom name="head" type="sphere" pos="{head}" size="{torso_radius}"
            density="{head_density!r}"/>
{legs}
    </body>
  </worldbody>
  <actuator>
{motors}
  </actuator>
</mujoco>"""
WALL = """    <geom class="world" type="box" pos="{x} {y} 0" size="{half_x} {half_y} {half_z}"/>"""
LEG = """      <geom type="capsule" fromto="0 0 0 {upper}" size="{radius}"/>
      <body name="leg_{n}" pos="{upper}">
        <joint name="hip_{n}" axis="0 0 1" range="{hip}"/>
        <geom type="capsule" fromto="0 0 0 {upper}" size="{radius}"/>
        <body name="shin_{n}" pos="{upper}">
          <joint name="ankle_{n}" axis="{axis}" range="{ankle}"/>
          <geom type="capsule" fromto="0 0 0 {lower}" size="{radius}"/>
        </body>
      </body>"""
MOTOR = """    <motor name="{joint}" joint="{joint}" gear="{gear}" ctrlrange="-1 1"/>"""


def mjcf(density: float) -> str:
    """The model, its parts at a density in kg/m³; what it weighs follows from it."""
    walls = [WALL.format(**w._asdict(), half_z=WALL_HALF_HEIGHT) for w in WALLS]
    motors = [MOTOR.format(joint=joint, gear=GEAR) for joint in ACTUATORS]
    return MODEL.format(
        timestep=TIMESTEP,
        density=density,
        floor=FLOOR,
        walls="\n".join(walls),
        ballast=_numbers(*BALLAST[:3]),
        ballast_radius=BALLAST[3],
        start=_numbers(*START),
        torso_radius=TORSO_RADIUS,
        head=_numbers(*HEAD),
        head_density=HEAD_DENSITY * density,
        legs="\n".join(_leg(n) for n in (1, 2, 3, 4)),
        motors="\n".join(motors),
    )


def _leg(n: int) -> str:
    """Two upper segments with the hip between them, the ankle and the lower segment."""
    x, y = LEGS[n - 1]
    return LEG.format(
        n=n,
        upper=_numbers(UPPER * x, UPPER * y, 0.0),
        lower=_numbers(LOWER * x, LOWER * y, 0.0),
        radius=LIMB_RADIUS,
        hip=_numbers(*HIP_RANGE),
        ankle=_numbers(*ANKLE_RANGES[n - 1]),
        axis=ANKLE_AXES[n - 1],
    )


def _numbers(*values: float) -> str:
    return " ".join(map(str, values))

"""The maze of Such et al. as geometry: walls, a robot, its sensors, in Warp.

`maze/hard_maze.txt` and `maze/maze.h` of the released code (arXiv 1712.06567): 13 wall segments,
y grows downwards, angles are in degrees. The robot is a disc; its speed and turning rate move
towards what the policy wants by at most 0.2 a step. It moves along its old heading, then turns; a
move that would bring a wall closer than its radius does not happen.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import numpy as np
import warp as wp
from numpy import ndarray as Array

EXTENT = 210.0  # of the square that pictures and the coverage grid show
START = (36.0, 184.0)
GOAL = (31.0, 20.0)
GOAL_RADIUS = 10.0  # solved: nearer than this
RADIUS = 8.0  # of the robot
FASTEST = 3.0  # units, and degrees, a step
CHANGE = 0.2  # of speed and turning rate in a step, at most
RANGE = 100.0  # of the range finders
N_WALLS = 13
WALLS = (  # x1 y1 x2 y2; the first six are the boundary
    (41, 5, 3, 8), (3, 8, 4, 49), (4, 49, 7, 202), (7, 202, 195, 198), (195, 198, 186, 8),
    (186, 8, 39, 5), (4, 49, 57, 53), (56, 54, 56, 157), (57, 106, 158, 162),
    (77, 201, 108, 164), (6, 80, 33, 121), (192, 146, 87, 91), (56, 55, 133, 30),
)  # fmt: skip

Finders = wp.types.vector(6, wp.float32)


@wp.struct
class Body:
    """The robot: units and degrees, per step where they are rates."""

    place: wp.vec2
    heading: wp.float32
    speed: wp.float32
    turn: wp.float32


@wp.func
def gap(p: wp.vec2, wall: wp.vec4) -> wp.float32:
    """Distance of a point to a segment."""
    a = wp.vec2(wall[0], wall[1])
    along = wp.vec2(wall[2], wall[3]) - a
    share = wp.clamp(wp.dot(p - a, along) / wp.dot(along, along), 0.0, 1.0)
    return wp.length(p - a - share * along)


@wp.func
def collides(walls: wp.array(dtype=wp.vec4), p: wp.vec2) -> wp.bool:
    """Whether some wall is closer than the robot's radius."""
    nearest = wp.float32(RADIUS)
    for i in range(N_WALLS):
        nearest = wp.min(nearest, gap(p, walls[i]))
    return nearest < RADIUS


@wp.func
def finder(walls: wp.array(dtype=wp.vec4), body: Body, angle: wp.float32) -> wp.float32:
    """Distance to the first wall in a direction over the range, 1 for none.

    Ends of segments do not count (strict inequality, as released).
    """
    radians = wp.radians(body.heading + angle)
    ray = RANGE * wp.vec2(wp.cos(radians), wp.sin(radians))
    nearest = wp.float32(1.0)
    for i in range(N_WALLS):
        wall = walls[i]
        a = wp.vec2(wall[0], wall[1])
        along = wp.vec2(wall[2], wall[3]) - a
        cross = along[0] * ray[1] - along[1] * ray[0]
        if cross != 0.0:
            d = a - body.place
            on_ray = (along[0] * d[1] - along[1] * d[0]) / cross
            on_wall = (ray[0] * d[1] - ray[1] * d[0]) / cross
            if on_ray > 0.0 and on_ray < 1.0 and on_wall > 0.0 and on_wall < 1.0:
                nearest = wp.min(nearest, on_ray)
    return nearest


@wp.func
def drive(walls: wp.array(dtype=wp.vec4), body: Body, turn: wp.float32, speed: wp.float32) -> Body:
    """One step. What the policy says is cut to [-0.5, 0.5] and stands for -3 to 3."""
    after = Body()
    wanted_turn = 2.0 * FASTEST * wp.clamp(turn, -0.5, 0.5)
    wanted_speed = 2.0 * FASTEST * wp.clamp(speed, -0.5, 0.5)
    after.turn = body.turn + wp.clamp(wanted_turn - body.turn, -CHANGE, CHANGE)
    after.speed = body.speed + wp.clamp(wanted_speed - body.speed, -CHANGE, CHANGE)
    radians = wp.radians(body.heading)
    moved = body.place + after.speed * wp.vec2(wp.cos(radians), wp.sin(radians))
    after.heading = body.heading + after.turn
    if after.heading >= 360.0:
        after.heading = after.heading - 360.0
    if after.heading < 0.0:
        after.heading = after.heading + 360.0
    after.place = body.place
    if not collides(walls, moved):
        after.place = moved
    return after


@wp.func
def radar(body: Body, goal: wp.vec2) -> wp.vec4:
    """1 for the quarter that the goal lies in: ahead, right, behind, left (y grows downwards)."""
    to = goal - body.place
    angle = wp.degrees(wp.atan2(to[1], to[0])) - body.heading
    while angle < 0.0:
        angle = angle + 360.0
    while angle >= 360.0:
        angle = angle - 360.0
    quarter = wp.vec4()
    if angle < 45.0 or angle >= 315.0:
        quarter[0] = 1.0
    elif angle < 135.0:
        quarter[1] = 1.0
    elif angle < 225.0:
        quarter[2] = 1.0
    else:
        quarter[3] = 1.0
    return quarter


def gaps(points: Array) -> Array:
    """Distance of points (..., 2) to the nearest wall, in NumPy, for tables and pictures."""
    walls = np.array(WALLS, float)
    a, along = walls[:, :2], walls[:, 2:] - walls[:, :2]
    offset = points[..., None, :] - a
    share = np.clip((offset * along).sum(-1) / (along**2).sum(-1), 0, 1)
    return np.linalg.norm(offset - share[..., None] * along, axis=-1).min(-1)


def centres(n: int) -> Array:
    """Centres of the pixels of an n x n picture, (n, n, 2), row 0 at the top."""
    at = (np.arange(n) + 0.5) * EXTENT / n
    return np.stack(np.meshgrid(at, at), axis=-1)

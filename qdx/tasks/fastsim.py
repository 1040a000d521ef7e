"""A wheeled robot in a bitmap arena, after libfastsim (Mouret & Doncieux, 2012, Sferes/fastsim).

Positions are continuous, walls and beams live on pixels: a position is a pixel by round(pos /
size), a pixel is a position by size x pixel. What libfastsim walks at each step is looked up here,
with the same result:

* a beam from a free pixel towards a pixel `displacement` away always stops at the same pixel, so
  the
  hit is tabulated over (free pixel, displacement);
* a disc around a pixel always touches walls in the same directions, so contacts are a bit mask.

Arithmetic is float32 in the order of the original: a displacement is summed first and added to the
position once. The displacement itself is written without the cancellation of (cos a - 1) at small
a.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import warp as wp
from numpy import ndarray as Array

from qdx.tasks import raster

BEAM_RANGE = 100.0  # world units
AXLE = 20.0  # distance of the wheels, world units
MAX_WHEEL_STEP = 4.0  # world units per step
REACH = 35  # pixels: no beam end lies further than ceil(100 / 3) + 1 from its start pixel
N_DIRECTIONS = 16  # distinct directions of the pixels in a disc of radius 3

Directions = wp.types.vector(N_DIRECTIONS, wp.float32)
PI = float(np.float32(np.pi))
TWO_PI = wp.constant(wp.float64(2.0 * np.pi))
PER_PIXEL = float(np.float32(200.0 / 600.0))
PIXEL = 3.0  # world units
RADIUS = 10.0  # world units, of the robot
HALF_SQRT2 = float(np.float32(np.sqrt(0.5)))


@wp.struct
class Arena:
    """Tables of one bitmap.

    hits: stop of a beam by (pixel, displacement): (dx + 64) << 8 | (dy + 64), 0 for no hit.
    index: displacement (dx, dy) + REACH → column of `hits`.
    contacts: bit mask of touched directions by pixel (y, x).
    directions: their angles, ascending.
    """

    hits: wp.array2d(dtype=wp.uint16)
    index: wp.array2d(dtype=wp.int16)
    contacts: wp.array2d(dtype=wp.uint32)
    directions: Directions
    width: wp.int32


@wp.struct
class Robot:
    """Pose after a step, the position before it, and the bumpers (0 or 1).

    `ahead` is (cos, sin) of the heading: beams and the next move both need it.
    """

    x: wp.float32
    y: wp.float32
    heading: wp.float32
    ahead: wp.vec2
    x_before: wp.float32
    y_before: wp.float32
    left: wp.float32
    right: wp.float32


@wp.func
def pixel_of(position: wp.float32) -> wp.int32:
    """round(position / 3), halves away from zero."""
    p = position * PER_PIXEL
    return wp.int32(p + wp.where(p < 0.0, -0.5, 0.5))


@wp.func
def cos_sin(angle: wp.float32) -> wp.vec2:
    """Cosine and sine for |angle| < 8: quadrant reduction, minimax polynomials, error < 1.5e-7."""
    k = wp.floor(angle * 0.63661977 + 0.5)  # 2 / pi
    r = angle - k * 1.5707964  # pi / 2 in two parts
    r = r + k * 4.371139e-8
    r2 = r * r
    s = r + r * r2 * (-1.6666655e-1 + r2 * (8.332161e-3 + r2 * -1.9515296e-4))
    c = 1.0 - 0.5 * r2 + r2 * r2 * (4.1666646e-2 + r2 * (-1.3887316e-3 + r2 * 2.4433157e-5))
    q = wp.int32(k) & 3
    odd = (q & 1) == 1
    sine = wp.where(odd, c, s)
    cosine = wp.where(odd, s, c)
    sine = wp.where(q >= 2, -sine, sine)
    cosine = wp.where(q == 1 or q == 2, -cosine, cosine)
    return wp.vec2(cosine, sine)


@wp.func
def beam(arena: Arena, robot: Robot, px: wp.int32, py: wp.int32, towards: wp.vec2) -> wp.float32:
    """Distance to the first wall along a unit direction, `BEAM_RANGE` where there is none."""
    dx = pixel_of(robot.x + BEAM_RANGE * towards[0]) - px
    dy = pixel_of(robot.y + BEAM_RANGE * towards[1]) - py
    column = wp.int32(arena.index[dx + REACH, dy + REACH])
    hit = wp.int32(arena.hits[py * arena.width + px, column])
    distance = wp.float32(BEAM_RANGE)
    if hit != 0:
        hx = wp.float32(px + (hit >> 8) - 64) * PIXEL - robot.x
        hy = wp.float32(py + (hit & 255) - 64) * PIXEL - robot.y
        distance = wp.sqrt(hx * hx + hy * hy)
    return distance


@wp.func
def lasers(arena: Arena, robot: Robot) -> wp.vec3:
    """Beams at +45, 0 and -45 degrees from the heading."""
    px = pixel_of(robot.x)
    py = pixel_of(robot.y)
    ahead = robot.ahead
    plus = wp.vec2((ahead[0] - ahead[1]) * HALF_SQRT2, (ahead[0] + ahead[1]) * HALF_SQRT2)
    minus = wp.vec2(plus[1], -plus[0])
    return wp.vec3(
        beam(arena, robot, px, py, plus),
        beam(arena, robot, px, py, ahead),
        beam(arena, robot, px, py, minus),
    )


@wp.func
def bumpers(arena: Arena, contacts: wp.uint32, heading: wp.float32) -> wp.vec2:
    """(left, right): a touched direction strictly within 90 degrees on that side of the heading.

    With directions sorted by angle, and the set of them closed under quarter turns, the four after
    the heading are those in (0, pi/2) and the four before it those in (-pi/2, 0); dead ahead is
    neither, and then the fourth on either side is exactly at 90 degrees.
    """
    after = wp.int32(0)
    window = wp.uint64(15)
    for k in range(N_DIRECTIONS):
        if arena.directions[k] <= heading:
            after += 1
        if arena.directions[k] == heading:
            window = wp.uint64(7)
    ring = wp.uint64(contacts & wp.uint32(65535))
    ring = ring | (ring << wp.uint64(16)) | (ring << wp.uint64(32))
    left = wp.float32(0.0)
    right = wp.float32(0.0)
    if ((ring >> wp.uint64(after)) & window) != wp.uint64(0):
        right = wp.float32(1.0)
    if ((ring >> wp.uint64(after + 12)) & window) != wp.uint64(0):
        left = wp.float32(1.0)
    return wp.vec2(left, right)


@wp.func
def drive(arena: Arena, robot: Robot, left_step: wp.float32, right_step: wp.float32) -> Robot:
    """Move the wheels; a colliding robot turns but stays where it was ("non-sticky")."""
    vl = wp.clamp(left_step, -MAX_WHEEL_STEP, MAX_WHEEL_STEP)
    vr = wp.clamp(right_step, -MAX_WHEEL_STEP, MAX_WHEEL_STEP)
    turn = (vr - vl) / AXLE
    mean = 0.5 * (vl + vr)
    # rho = vl / turn + D/2 = mean / turn, so sin(turn) rho = mean sinc(turn) and
    # (1 - cos(turn)) rho = mean turn (1/2 - turn²/24 + …); |turn| ≤ 0.4
    t2 = turn * turn
    forward = mean * (1.0 - t2 * (0.16666667 - t2 * (8.3333333e-3 - t2 * 1.9841270e-4)))
    sideways = mean * turn * (0.5 - t2 * (4.1666667e-2 - t2 * (1.3888889e-3 - t2 * 2.48e-5)))
    dx = forward * robot.ahead[0] - sideways * robot.ahead[1]
    dy = forward * robot.ahead[1] + sideways * robot.ahead[0]
    heading = robot.heading + turn
    if wp.abs(heading) >= PI:  # float32 pi lies above pi: this compares with pi itself
        whole = wp.where(heading > 0.0, TWO_PI, -TWO_PI)
        heading = wp.float32(wp.float64(heading) - whole)
    moved = Robot()
    moved.x = robot.x + dx
    moved.y = robot.y + dy
    moved.heading = heading
    moved.ahead = cos_sin(heading)
    moved.x_before = robot.x
    moved.y_before = robot.y
    contacts = arena.contacts[pixel_of(moved.y), pixel_of(moved.x)]
    if contacts != wp.uint32(0):
        moved.x = robot.x
        moved.y = robot.y
        touched = bumpers(arena, contacts, heading)
        moved.left = touched[0]
        moved.right = touched[1]
    return moved


@wp.kernel(enable_backward=False)
def tabulate_beams(
    clear: wp.array2d(dtype=wp.int32),
    pixels: wp.array(dtype=wp.int32),
    displacements: wp.array2d(dtype=wp.int32),
    minor_moves: wp.array2d(dtype=wp.int32),
    hits: wp.array2d(dtype=wp.uint16),
):
    """Where each beam stops: a supercover line (after Dedu's variant of Bresenham's algorithm).

    The line stops at its first pixel that is wall or has a wall as side square; `clear`, the
    Chebyshev distance to the nearest wall, tells how many steps can be skipped at once.
    """
    i, j = wp.tid()
    width = clear.shape[1]
    pixel = pixels[i]
    x0 = pixel % width
    y0 = pixel // width
    dx = displacements[j, 0]
    dy = displacements[j, 1]
    steep = wp.abs(dy) > wp.abs(dx)
    major = wp.max(wp.abs(dx), wp.abs(dy))
    minor = wp.min(wp.abs(dx), wp.abs(dy))
    along_x = wp.where(steep, 0, wp.where(dx < 0, -1, 1))
    along_y = wp.where(steep, wp.where(dy < 0, -1, 1), 0)
    aside_x = wp.where(steep, wp.where(dx < 0, -1, 1), 0)
    aside_y = wp.where(steep, 0, wp.where(dy < 0, -1, 1))
    step = wp.int32(0)
    x = wp.int32(x0)
    y = wp.int32(y0)
    stopped = wp.bool(False)
    while step < major and not stopped:
        step = step + wp.max(clear[y, x] - 1, 1)
        if step <= major:
            n = minor_moves[j, step]
            x = x0 + along_x * step + aside_x * n
            y = y0 + along_y * step + aside_y * n
            stopped = clear[y, x] == 0
            before = minor_moves[j, step - 1]
            if n > before:  # a minor move: the squares beside the corner it cuts count too
                # error after and before the step, minus 2 major: which side of the corner it passes
                corner = 2 * ((2 * step - 1) * minor - major * (n + before))
                if corner <= 0:
                    stopped = stopped or clear[y - aside_y, x - aside_x] == 0
                if corner >= 0:
                    stopped = stopped or clear[y - along_y, x - along_x] == 0
    if stopped:
        hits[pixel, j] = wp.uint16((x - x0 + 64) << 8 | (y - y0 + 64))


class Displacements(NamedTuple):
    """The pixel displacements a beam can have.

    Attributes:
        vectors: (N, 2) int32.
        minor_moves: (N, REACH + 1) int32, moves along the shorter axis after each step.
        index: (2 REACH + 1, 2 REACH + 1) int16 → row of `vectors`, 0 where impossible.
    """

    vectors: Array
    minor_moves: Array
    index: Array


def displacements() -> Displacements:
    """Rounded beam ends minus rounded starts: the circle of the range, blurred by a pixel."""
    radius = BEAM_RANGE / 3.0
    d = np.arange(-REACH, REACH + 1)
    dx, dy = np.meshgrid(d, d, indexing="ij")
    blur = 1.01  # two roundings of half a pixel, and float error
    nearest = np.hypot(np.maximum(np.abs(dx) - blur, 0), np.maximum(np.abs(dy) - blur, 0))
    farthest = np.hypot(np.abs(dx) + blur, np.abs(dy) + blur)
    possible = (nearest <= radius) & (radius <= farthest)
    index = np.zeros(possible.shape, np.int16)
    index[possible] = np.arange(possible.sum())
    vectors = np.argwhere(possible).astype(np.int32) - REACH
    major, minor = np.abs(vectors).max(axis=1)[:, None], np.abs(vectors).min(axis=1)[:, None]
    # Bresenham's error term starts at `major`; a minor move is due whenever it passes 2 major
    minor_moves = (major + 2 * np.arange(REACH + 1) * minor - 1) // (2 * major)
    return Displacements(vectors, minor_moves.astype(np.int32), index)


def build_arena(walls: Array, device: str) -> Any:
    """The tables of a wall bitmap on a device."""
    contact = raster.disc_contacts(walls, radius=3)
    free = np.flatnonzero(contact.mask == 0).astype(np.int32)
    beams = displacements()
    arena = Arena()
    arena.width = walls.shape[1]
    arena.hits = wp.zeros((walls.size, len(beams.vectors)), dtype=wp.uint16, device=device)
    arena.index = wp.array(beams.index, dtype=wp.int16, device=device)
    arena.contacts = wp.array(contact.mask, dtype=wp.uint32, device=device)
    arena.directions = Directions(*[float(a) for a in contact.angles])
    wp.launch(
        tabulate_beams,
        dim=(len(free), len(beams.vectors)),
        inputs=[
            wp.array(raster.clearance(walls), dtype=wp.int32, device=device),
            wp.array(free, dtype=wp.int32, device=device),
            wp.array(beams.vectors, dtype=wp.int32, device=device),
            wp.array(beams.minor_moves, dtype=wp.int32, device=device),
            arena.hits,
        ],
        device=device,
    )
    return arena

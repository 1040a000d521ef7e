"""Plain NumPy reference of HardMaze, to judge the fast environments by.

Written from the description of the environment alone, independently of `qdx`, and fitted to
the 40 trajectories of libfastsim in tests/golden/hard_maze_reference.npz, which it repeats bit for
bit. The maze is the "hard maze" of J. Lehman and K. O. Stanley (2011), Abandoning Objectives:
Evolution Through the Search for Novelty Alone, Evolutionary Computation 19(2):189-223; the
simulator is libfastsim (J.-B. Mouret); the beams follow E. Dedu's supercover variant of
Bresenham's line.

Arithmetic. Every variable of the original is a float32, but cosines, sines and the products around
them are taken in float64 and rounded when they are stored; the marks `-> float32` below are those
stores. The controller's sums run in float32 from the bias on, without fused multiply-add, and its
tanh is the float32 one of fdlibm, as in glibc 2.36.

Axes: B controllers, T steps, P pixels of the robot's disc.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

HORIZON = 2000  # steps
MAP_PX = 200
PX_SIZE = 3  # world units per pixel
ROBOT_RADIUS_PX = 3
AXLE = np.float32(20)  # world units between the wheels
WHEEL_MAX = np.float32(4)  # world units per step
START = (60.0, 450.0, np.pi / 4)  # x, y in world units, heading in rad
BEAM_ANGLES = (np.pi / 4, 0.0, -np.pi / 4)  # rad, from the heading
BEAM_RANGE = np.float32(100)  # world units
GOALS = ((60.0, 60.0), (100.0, 200.0))  # world units
GOAL_RADIUS = 50.0
BORDER_PX = 3
SLABS_PX = (  # columns and rows
    ((1.8, 41.3), (61.2, 45.8), (58.4, 51.6), (-1.2, 47.3)),
    ((55.2, 46.1), (127.45, 24.5), (132.1, 24.3), (132.4, 28.1), (58.9, 51.2)),
    ((55.6, 46.0), (60.3, 46.0), (60.0, 152.6), (55.5, 152.2)),
    ((4.4, 72.4), (7.05, 74.75), (37.7, 114.3), (32.65, 116.85), (-1.5, 72.0)),
    ((61.3, 100.7), (154.45, 152.7), (152.8, 157.1), (57.8, 103.9)),
    ((85.45, 84.9), (88.6, 84.3), (198.2, 141.6), (197.75, 146.4), (86.25, 88.2)),
    ((104.6, 156.65), (110.5, 157.4), (72.95, 201.0), (67.45, 200.0)),
)

_MARGIN_PX = 40  # a beam of 100 units ends at most 34 pixels outside the map
_DISC_PX = np.array(  # (P, 2) column and row offsets with di² + dj² ≤ 3²
    [
        (i, j)
        for i in range(-ROBOT_RADIUS_PX, ROBOT_RADIUS_PX + 1)
        for j in range(-ROBOT_RADIUS_PX, ROBOT_RADIUS_PX + 1)
        if i * i + j * j <= ROBOT_RADIUS_PX**2
    ]
)


def walls() -> np.ndarray:
    """Wall raster, (200, 200) bool, row = y downwards; a pixel is wall when its centre is."""
    column, row = np.meshgrid(np.arange(float(MAP_PX)), np.arange(float(MAP_PX)))
    inner = slice(BORDER_PX, MAP_PX - BORDER_PX)
    raster = np.ones((MAP_PX, MAP_PX), bool)
    raster[inner, inner] = False
    for slab in SLABS_PX:
        corners = np.array(slab)
        sides = np.roll(corners, -1, axis=0) - corners
        # convex polygon, edges included: on the same side of every edge
        turn = np.stack(
            [
                dx * (row - y) - dy * (column - x)
                for (x, y), (dx, dy) in zip(corners, sides, strict=True)
            ]
        )
        raster |= (turn >= -1e-9).all(0) | (turn <= 1e-9).all(0)
    return raster


_PADDED_WALLS = np.pad(walls(), _MARGIN_PX, constant_values=True)  # outside the map is wall


def _is_wall(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    return _PADDED_WALLS[row + _MARGIN_PX, column + _MARGIN_PX]


# -- controller (MLP) -----------------------------------------------------------------------------


def _expm1(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1 in float32, |x| < 44, rounded as fdlibm's s_expm1f.c (glibc 2.36)."""
    f = np.float32
    # x = k ln 2 + reduced, c = what the rounding of reduced lost
    k = np.trunc(f(1.44269502e0) * x + np.where(x < 0, f(-0.5), f(0.5))).astype(np.int32)
    k = np.where(np.abs(x) < f(1.5 * np.log(2)), np.where(x < 0, -1, 1), k)
    k = np.where(np.abs(x) <= f(0.5 * np.log(2)), 0, k)
    high, low = x - k.astype(f) * f(6.9313812256e-01), k.astype(f) * f(9.0580006145e-06)
    reduced = np.where(k == 0, x, high - low)
    c = np.where(k == 0, f(0), (high - reduced) - low)
    half = f(0.5) * reduced
    s = reduced * half
    tail = f(-7.9365076090e-05) + s * (f(4.0082177293e-06) + s * f(-2.0109921195e-07))
    r = f(1) + s * (f(-3.3333335072e-02) + s * (f(1.5873016091e-03) + s * tail))
    t = f(3) - r * half
    e = s * ((r - t) / (f(6) - reduced * t))
    k0 = reduced - (reduced * e - s)
    e = (reduced * (e - c) - c) - s
    two_k = np.ldexp(f(1), k)
    by_k = [k == 0, k == -1, (k == 1) & (reduced < f(-0.25)), k == 1, (k <= -2) | (k > 56), k < 23]
    values = [
        k0,
        f(0.5) * (reduced - e) - f(0.5),
        f(-2) * (e - (reduced + f(0.5))),
        f(1) + f(2) * (reduced - e),
        (f(1) - (e - reduced)) * two_k - f(1),
        ((f(1) - np.ldexp(f(1), -k)) - (e - reduced)) * two_k,
    ]
    default = ((reduced - (e + np.ldexp(f(1), -k))) + f(1)) * two_k
    tiny = np.abs(x) < f(2.0**-25)
    return np.where(tiny, x, np.select(by_k, values, default)).astype(f)


def tanh(x: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent in float32, rounded as fdlibm's s_tanhf.c (glibc 2.36)."""
    f = np.float32
    size = np.minimum(np.abs(x), f(21.999998))  # the original returns 1 from 22 on, as this does
    t = _expm1(np.where(size >= 1, f(2) * size, f(-2) * size))
    value = np.where(size >= 1, f(1) - f(2) / (t + f(2)), -t / (t + f(2)))
    return np.where(np.abs(x) < f(2.0**-55), x, np.copysign(value, x)).astype(f)


def controller(
    genes: np.ndarray,
    observations: np.ndarray,
    n_in: int = 5,
    n_out: int = 2,
    hidden: int = 5,
    layers: int = 2,
) -> np.ndarray:
    """Actions (B, n_out) of the papers' MLP, tanh(z / 2) = 2 sigmoid(z) - 1 on every layer.

    Args:
        genes: (B, n) float32: W(in, h), b, [W(h, h), b] x (layers - 1), W(h, out), b; each W
            row-major (input first), one scalar b per layer.
        observations: (B, n_in), raw.
        n_in: Observation size.
        n_out: Action size.
        hidden: Units per hidden layer.
        layers: Hidden layers.
    """
    sizes = [n_in] + [hidden] * layers + [n_out]
    values, at = observations.astype(np.float32), 0
    for n, m in pairwise(sizes):
        weights = genes[:, at : at + n * m].reshape(-1, n, m)
        total = np.repeat(genes[:, at + n * m, None], m, axis=1)  # the sum starts from the bias
        for i in range(n):
            total = total + values[:, i, None] * weights[:, i]
        values = tanh(np.float32(0.5) * total)
        at += n * m + 1
    return values


# -- robot  ----------------------------------------------------------------------------------


def _wrap(angle: np.ndarray) -> np.ndarray:
    """Angle in [-pi, pi]: the float32 is compared and moved in float64, then rounded again."""
    angle = angle.astype(np.float64)
    angle = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    return np.where(angle < -np.pi, angle + 2 * np.pi, angle).astype(np.float32)


def _pixel(position: np.ndarray) -> np.ndarray:
    """Pixel index of a world coordinate: round(p / 3), halves away from zero."""
    scaled = position.astype(np.float64) / PX_SIZE
    return np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int64)


def _drive(
    x: np.ndarray, y: np.ndarray, heading: np.ndarray, wheels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posture (B,) x 3 after the wheels turned by `wheels` (B, 2), walls ignored."""
    f32, f64 = np.float32, np.float64
    left, right = np.clip(wheels.astype(f32), -WHEEL_MAX, WHEEL_MAX).T
    alpha = (right - left) / AXLE  # float32
    turns = np.abs(alpha) > 1e-10
    angle = np.where(turns, alpha, f32(1))
    rho = left / angle + AXLE / f32(2)  # float32
    local_x = ((np.cos(f64(angle)) - 1.0) * f64(rho)).astype(f32)  # float64 -> float32
    local_y = (np.sin(f64(angle)) * f64(rho)).astype(f32)
    turned = f64((f64(heading) - np.pi / 2).astype(f32))
    cos, sin = np.cos(turned), np.sin(turned)  # stay float64
    dx = (cos * local_x - sin * local_y).astype(f32)
    dy = (sin * local_x + cos * local_y).astype(f32)
    dx = np.where(turns, dx, (left * np.cos(f64(heading))).astype(f32))
    dy = np.where(turns, dy, (left * np.sin(f64(heading))).astype(f32))
    return x + dx, y + dy, np.where(turns, _wrap(heading + alpha), heading)


def _touch(
    x: np.ndarray, y: np.ndarray, heading: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Does the disc overlap a wall; left bumper; right bumper: (B,) bool each."""
    wall = _is_wall(_pixel(x)[:, None] + _DISC_PX[:, 0], _pixel(y)[:, None] + _DISC_PX[:, 1])
    bearing = np.arctan2(_DISC_PX[:, 1], _DISC_PX[:, 0]).astype(np.float32)  # (P,)
    angle = _wrap(bearing - heading[:, None])  # (B, P)
    left = wall & (angle > -np.pi / 2) & (angle < 0)
    right = wall & (angle > 0) & (angle < np.pi / 2)
    return wall.any(1), left.any(1), right.any(1)


def _first_wall(
    column: np.ndarray, row: np.ndarray, end_column: np.ndarray, end_row: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hit (B,) bool, and the main-line pixel where each supercover line first meets wall."""
    d_column, d_row = np.abs(end_column - column), np.abs(end_row - row)
    step_column, step_row = np.where(end_column < column, -1, 1), np.where(end_row < row, -1, 1)
    flat = d_column >= d_row  # columns drive
    long, short = np.where(flat, d_column, d_row), np.where(flat, d_row, d_column)
    forward = np.where(flat, step_column, 0), np.where(flat, 0, step_row)
    aside = np.where(flat, 0, step_column), np.where(flat, step_row, 0)
    error = long
    hit, blocked = np.zeros(len(column), bool), _is_wall(column, row)
    hit_column, hit_row = column, row
    for i in range(int(long.max())):
        column, row, previous, error = (
            column + forward[0],
            row + forward[1],
            error,
            error + 2 * short,
        )
        shifts = error > 2 * long
        column, row = column + shifts * aside[0], row + shifts * aside[1]
        error = np.where(shifts, error - 2 * long, error)
        balance = error + previous - 2 * long
        wall = _is_wall(column, row)
        wall |= shifts & (balance <= 0) & _is_wall(column - aside[0], row - aside[1])
        wall |= shifts & (balance >= 0) & _is_wall(column - forward[0], row - forward[1])
        if i == 0:
            wall |= blocked  # a start inside a wall makes the first step a hit
        new = wall & ~hit & (i < long)
        hit_column, hit_row = np.where(new, column, hit_column), np.where(new, row, hit_row)
        hit = hit | new
    return hit, hit_column, hit_row


def _lasers(x: np.ndarray, y: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Distances (B, 3) float32 along the beams.

    100 where nothing is hit; a little above 100 (102.02 seen) where the last pixel is hit.
    """
    f32 = np.float32
    distances = []
    for offset in BEAM_ANGLES:
        angle = np.float64(heading + f32(offset))  # sum in float32, not wrapped
        end_x = x + np.cos(angle).astype(f32) * BEAM_RANGE
        end_y = y + np.sin(angle).astype(f32) * BEAM_RANGE
        hit, column, row = _first_wall(_pixel(x), _pixel(y), _pixel(end_x), _pixel(end_y))
        dx, dy = x - f32(PX_SIZE * column), y - f32(PX_SIZE * row)
        distances.append(
            np.where(hit, np.sqrt(dx * dx + dy * dy), BEAM_RANGE)
        )  # float32 throughout
    return np.stack(distances, axis=1)


def reward(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fitness (B,) float64 and area (B,) int (-1 none) of the positions a reward is given for."""
    distance = np.stack([np.hypot(x - gx, y - gy) for gx, gy in np.float64(GOALS)], axis=1)
    inside = distance < GOAL_RADIUS  # the two discs do not overlap
    area = np.where(inside.any(1), inside.argmax(1), -1)
    return np.where(inside, (GOAL_RADIUS - distance) / GOAL_RADIUS, 0.0).max(1), area


def rollout(genes: np.ndarray, steps: int = HORIZON) -> dict[str, np.ndarray]:
    """Whole episodes of the controllers `genes` (B, 63) float32; the last step is rewarded.

    Returns:
        trajectory: (B, steps, 3) float32 x, y, heading after each step.
        fitness: (B,) float64.
        reward_area: (B,) int, -1 none, 0 the goal at (60, 60), 1 the goal at (100, 200).
        observations: (B, steps + 1, 5) float32 three lasers, left bumper, right bumper; row 0
            precedes the first step.
    """
    genes = np.asarray(genes, np.float32)
    x, y, heading = (np.full(len(genes), value, np.float32) for value in START)
    _, left, right = _touch(x, y, heading)
    trajectory = np.empty((len(genes), steps, 3), np.float32)
    observations = np.empty((len(genes), steps + 1, 5), np.float32)
    for t in range(steps):
        observations[:, t] = np.column_stack([_lasers(x, y, heading), left, right])
        rewarded = x, y  # before the last move
        new_x, new_y, heading = _drive(x, y, heading, controller(genes, observations[:, t]))
        stopped, left, right = _touch(new_x, new_y, heading)
        x, y = np.where(stopped, x, new_x), np.where(stopped, y, new_y)
        trajectory[:, t] = np.stack([x, y, heading], axis=1)
    observations[:, steps] = np.column_stack([_lasers(x, y, heading), left, right])
    fitness, area = reward(*rewarded)
    return {
        "trajectory": trajectory,
        "fitness": fitness,
        "reward_area": area,
        "observations": observations,
    }

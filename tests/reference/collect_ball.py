"""Plain NumPy reference of CollectBall, on the robot of tests.reference.hard_maze.

Written from the description of the environment, independently of `qdx`. The robot, its lasers and
its bumpers are libfastsim's (J.-B. Mouret), as in the HardMaze reference; the balls follow
G. Paolo's gym_collectball (2020). There are no trajectories of the original to compare with.

Arithmetic: the robot as in the HardMaze reference; light sensors take the angle of the light in
float64, wrap it and compare it with their field, and walk the line pixel by pixel.

Axes: B controllers, K lights: six balls, then home.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.reference.hard_maze import _DISC_PX, _drive, _pixel, _wrap, controller

HORIZON = 2000  # steps
MAP_PX = 200
PX_SIZE = 3
HOME = (100.0, 500.0)  # world units
HEADING = 45.0  # rad
BALLS = ((75, 75), (75, 540), (225, 540), (450, 450), (450, 75), (225, 225))  # world units
REACH = 10.0  # world units
SPEED = 2.0  # world units per step
BEAM_ANGLES = np.array([np.pi / 4, 0.0, -np.pi / 4])  # rad
BEAM_RANGE = 100.0  # world units
LIGHT_ANGLES = np.deg2rad([20.0, -20.0])
LIGHT_FIELD = np.deg2rad(50.0)
_MARGIN_PX = 40


def walls() -> np.ndarray:
    """Wall raster, (200, 200) bool, row = y downwards."""
    raster = np.zeros((MAP_PX, MAP_PX), bool)
    raster[:5] = raster[-5:] = raster[:, :5] = raster[:, -5:] = True
    raster[99:102, 0:127] = raster[99:102, 174:200] = True
    raster[102:127, 99:102] = raster[174:195, 99:102] = True
    return raster


_PADDED_WALLS = np.pad(walls(), _MARGIN_PX, constant_values=True)


def _is_wall(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    return _PADDED_WALLS[row + _MARGIN_PX, column + _MARGIN_PX]


def first_wall(
    start: tuple[np.ndarray, np.ndarray], end: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hit (N,) bool, and the pixel (column, row) where each supercover line first meets wall."""
    x, y = (np.array(c) for c in np.broadcast_arrays(*start))
    dx, dy = end[0] - x, end[1] - y
    step_x, step_y = np.where(dx < 0, -1, 1), np.where(dy < 0, -1, 1)
    flat = np.abs(dx) >= np.abs(dy)
    long, short = np.where(flat, abs(dx), abs(dy)), np.where(flat, abs(dy), abs(dx))
    along_x, along_y = np.where(flat, step_x, 0), np.where(flat, 0, step_y)
    aside_x, aside_y = np.where(flat, 0, step_x), np.where(flat, step_y, 0)
    error = long.copy()
    blocked, hit = _is_wall(x, y), np.zeros(len(x), bool)
    hit_x, hit_y = x.copy(), y.copy()
    for i in range(int(long.max(initial=0))):
        previous = error
        error = error + 2 * short
        shifts = error > 2 * long
        x, y = x + along_x + shifts * aside_x, y + along_y + shifts * aside_y
        error = error - shifts * 2 * long
        balance = error + previous - 2 * long
        wall = _is_wall(x, y)
        wall |= shifts & (balance <= 0) & _is_wall(x - aside_x, y - aside_y)
        wall |= shifts & (balance >= 0) & _is_wall(x - along_x, y - along_y)
        wall |= blocked & (i == 0)
        new = wall & ~hit & (i < long)
        hit_x, hit_y = np.where(new, x, hit_x), np.where(new, y, hit_y)
        hit |= new
        x, y = np.where(i < long, x, end[0]), np.where(i < long, y, end[1])
    return hit, hit_x, hit_y


def _touch(
    x: np.ndarray, y: np.ndarray, heading: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Does the disc overlap a wall; left bumper; right bumper: (B,) bool each."""
    wall = _is_wall(_pixel(x)[:, None] + _DISC_PX[:, 0], _pixel(y)[:, None] + _DISC_PX[:, 1])
    angle = _wrap(np.arctan2(_DISC_PX[:, 1], _DISC_PX[:, 0]) - heading[:, None])
    left = wall & (angle > -np.pi / 2) & (angle < 0)
    right = wall & (angle > 0) & (angle < np.pi / 2)
    return wall.any(1), left.any(1), right.any(1)


def lasers(x: np.ndarray, y: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """(B, 3) distances over 100, at most 1."""
    angle = heading.astype(float)[:, None] + BEAM_ANGLES  # (B, 3)
    end_x = (x[:, None] + np.float32(BEAM_RANGE) * np.cos(angle).astype(np.float32)).ravel()
    end_y = (y[:, None] + np.float32(BEAM_RANGE) * np.sin(angle).astype(np.float32)).ravel()
    start = np.repeat(_pixel(x), 3), np.repeat(_pixel(y), 3)
    hit, column, row = first_wall(start, (_pixel(end_x), _pixel(end_y)))
    distance = np.hypot(np.repeat(x, 3) - PX_SIZE * column, np.repeat(y, 3) - PX_SIZE * row)
    return np.minimum(np.where(hit, distance, BEAM_RANGE) / BEAM_RANGE, 1.0).reshape(-1, 3)


def _tabulated_sight() -> np.ndarray:
    """(K, 200, 200) bool by light, column and row: lights at rest that pixels see."""
    column, row = (c.ravel() for c in np.mgrid[:MAP_PX, :MAP_PX])
    blind = [
        first_wall((np.full_like(column, x), np.full_like(row, y)), (column, row))[0]
        for x, y in _pixel(np.array([*BALLS, HOME]))
    ]
    return ~np.reshape(blind, (-1, MAP_PX, MAP_PX))


_SEEN_AT_REST = _tabulated_sight()


@dataclass
class Field:
    """Episodes of B robots under way."""

    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    balls: np.ndarray  # (B, 6, 2)
    lying: np.ndarray  # (B, 6) bool
    moved: np.ndarray  # (B, 6) bool, no longer where they were at the start
    held: np.ndarray  # (B,) int, -1 none
    collected: np.ndarray  # (B,) int
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def start(cls, n: int) -> Field:
        x, y = (np.full(n, c, np.float32) for c in HOME)
        heading = _wrap(np.full(n, HEADING - 14 * np.pi))
        balls = np.tile(np.array(BALLS, np.float32), (n, 1, 1))
        none, zero = np.zeros((n, 6), bool), np.zeros(n, int)
        no = np.zeros(n, bool)
        return cls(x, y, heading, balls, ~none, none.copy(), zero - 1, zero, no, no)


def lights(field: Field) -> np.ndarray:
    """(B, 4) binary light sensors: balls at +20 and -20 degrees, home at +20 and -20 degrees."""
    n = len(field.x)
    places = np.concatenate([field.balls, np.tile(np.float32(HOME), (n, 1, 1))], axis=1)
    dx, dy = places[..., 0] - field.x[:, None], places[..., 1] - field.y[:, None]  # (B, K)
    angle = np.arctan2(dy, dx).astype(float) - field.heading[:, None]
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    inside = np.abs(angle[..., None] - LIGHT_ANGLES) < LIGHT_FIELD / 2  # (B, K, 2)
    px, py = _pixel(field.x), _pixel(field.y)
    visible = _SEEN_AT_REST[:, px, py].T.copy()
    walked = np.argwhere(field.moved & field.lying & inside[:, :6].any(2))
    if len(walked):
        b, k = walked.T
        start = _pixel(field.balls[b, k, 0]), _pixel(field.balls[b, k, 1])
        visible[b, k] = ~first_wall(start, (px[b], py[b]))[0]
    visible[:, :6] &= field.lying
    seen = inside & visible[..., None]
    return np.hstack([seen[:, :6].any(1), seen[:, 6]]).astype(float)


def observation(field: Field, lit: np.ndarray) -> np.ndarray:
    """(B, 10) with the light sensors `lit` (B, 4) of before the hand moved."""
    beams = lasers(field.x, field.y, field.heading)
    return np.column_stack([beams, field.left, field.right, lit, field.held >= 0])


def step(field: Field, action: np.ndarray) -> np.ndarray:
    """Move the robots by `action` (B, 3), then their hands; the light sensors (B, 4) in between."""
    hand = np.column_stack([field.x, field.y])
    wheels = np.float32(SPEED) * action[:, :2].astype(np.float32)
    x, y, field.heading = _drive(field.x, field.y, field.heading, wheels)
    stopped, field.left, field.right = _touch(x, y, field.heading)
    field.x, field.y = np.where(stopped, field.x, x), np.where(stopped, field.y, y)
    lit = lights(field)
    holding = action[:, 2] > 0
    for b in np.flatnonzero(holding & (field.held < 0)):  # one by one: the first in reach
        near = np.hypot(*(hand[b] - field.balls[b]).T) < REACH
        for k in np.flatnonzero(near & field.lying[b])[:1]:
            field.held[b], field.lying[b, k] = k, False
    for b in np.flatnonzero(~holding & (field.held >= 0)):
        if np.hypot(*(hand[b] - HOME)) < REACH:
            field.collected[b] += 1
        else:
            k = field.held[b]
            field.balls[b, k], field.lying[b, k], field.moved[b, k] = hand[b], True, True
        field.held[b] = -1
    return lit


def rollout(genes: np.ndarray, steps: int = HORIZON) -> dict[str, np.ndarray]:
    """Whole episodes of the controllers `genes` (B, 93) float32.

    Returns:
        trajectory: (B, steps, 2) positions after each step.
        held: (B, steps) ball in the hand after each step, -1 none.
        fitness: (B,) int, balls collected.
    """
    genes = np.asarray(genes, np.float32)
    field = Field.start(len(genes))
    _, field.left, field.right = _touch(field.x, field.y, field.heading)
    lit = lights(field)
    trajectory = np.empty((len(genes), steps, 2))
    held = np.empty((len(genes), steps), int)
    for t in range(steps):
        action = controller(genes, observation(field, lit), n_in=10, n_out=3)
        lit = step(field, action)
        trajectory[:, t] = np.column_stack([field.x, field.y])
        held[:, t] = field.held
    return {"trajectory": trajectory, "held": held, "fitness": field.collected}

"""Plain NumPy reference of RedundantArm (RedArm, `NDofArm` in the SERENE and STAX code).

Written from the description of the environment alone, independently of `qdx`, and compared with
the 40 trajectories of the author's environment in tests/golden/redundant_arm_reference.npz, which
it repeats to every bit of the float32 numbers they are stored in. The arm was published
with G. Paolo, A. Coninx, S. Doncieux and A. Laflaquière (2021), Sparse reward exploration via
novelty search and emitters, GECCO.

Arithmetic: float64 throughout, the controller included; genes are float32 numbers.

Axes: B controllers, J joints with the base first.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

SEGMENTS = 20
LENGTH = 0.05  # of a segment; the arena is the unit square
BASE = (0.5, 0.5)
START = np.linspace(4 * np.pi / SEGMENTS, np.pi / SEGMENTS, SEGMENTS)  # rad
HORIZON = 100  # steps
SUB_STEPS = 2
DT = 0.01  # s, of a sub-step
SPEED_MAX = 1.0
TOUCH = 0.95 * LENGTH  # |dx| + |dy| of two joints
WALLS = (  # x, y, width, height
    (0.49, 0.0, 0.02, 0.2),
    (0.49, 0.8, 0.02, 0.2),
    (0.0, 0.49, 0.2, 0.02),
    (0.8, 0.49, 0.2, 0.02),
)
GOALS = ((0.25, 0.25), (0.85, 0.85), (0.25, 0.90))
GOAL_RADIUS = 0.05

_PAIRS = np.triu_indices(SEGMENTS + 1, k=2)  # neighbours are a segment apart


def controller(genes: np.ndarray, inputs: np.ndarray, hidden: int = 5) -> np.ndarray:
    """Actions (B, 20) of the papers' MLP with two hidden layers, 2 sigmoid(z) - 1 on each layer."""
    values, at = inputs, 0
    for n, m in pairwise((SEGMENTS, hidden, hidden, SEGMENTS)):
        weights = genes[:, at : at + n * m].reshape(-1, n, m)
        sums = np.einsum("bn,bnm->bm", values, weights) + genes[:, at + n * m, None]
        values = 2 / (1 + np.exp(-sums)) - 1
        at += n * m + 1
    return values


def joints(angles: np.ndarray) -> np.ndarray:
    """Positions (B, J, 2) of the base and the end of each segment."""
    direction = np.pi / 2 + np.cumsum(angles, axis=1)
    steps = LENGTH * np.stack([np.cos(direction), np.sin(direction)], axis=2)
    return np.array(BASE) + np.concatenate(
        [np.zeros((len(angles), 1, 2)), np.cumsum(steps, axis=1)], axis=1
    )


def margins(points: np.ndarray) -> np.ndarray:
    """(B, 3) how far postures are from touching themselves, a wall and the arena's border.

    Negative where they break the rule. The original compares joints in order of x and leaves the
    inner loop at the first |dx| > TOUCH; in that order every later joint is at least as far, so
    all pairs that can touch are compared.
    """
    x, y = points[..., 0], points[..., 1]
    first, second = _PAIRS
    taxicab = np.abs(x[:, first] - x[:, second]) + np.abs(y[:, first] - y[:, second])
    outside = [
        np.max([left - x, x - (left + width), low - y, y - (low + height)], axis=0).min(axis=1)
        for left, low, width, height in WALLS
    ]
    border = np.minimum(points.min(axis=(1, 2)), 1 - points.max(axis=(1, 2)))
    return np.column_stack([taxicab.min(axis=1) - TOUCH, np.min(outside, axis=0), border])


def reward(tip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fitness (B,) and area (B,) int (-1 none) of the end effector positions (B, 2)."""
    distance = np.linalg.norm(tip[:, None] - np.array(GOALS), axis=2)
    inside = distance < GOAL_RADIUS  # the discs do not overlap
    area = np.where(inside.any(1), inside.argmax(1), -1)
    return np.where(inside, (GOAL_RADIUS - distance) / GOAL_RADIUS, 0.0).max(1), area


def rollout(genes: np.ndarray, steps: int = HORIZON) -> dict[str, np.ndarray]:
    """Whole episodes of the controllers `genes` (B, 228).

    Returns:
        trajectory: (B, steps + 1, 22) joint angles and end effector from the start posture on, the
            last row repeated after the stop.
        length: (B,) int steps taken, the one with the illegal move included.
        stopped: (B,) bool, by an illegal move.
        closest: (B,) smallest distance from a rule over all postures tried, kept or broken: within
            rounding of 0 another arithmetic may stop elsewhere.
    """
    genes = np.asarray(genes, float)
    n = len(genes)
    angles, speeds = np.tile(START, (n, 1)), np.zeros((n, SEGMENTS))
    tip = joints(angles)[:, -1]
    length, closest = np.full(n, steps), np.full(n, np.inf)
    trajectory = np.empty((n, steps + 1, SEGMENTS + 2))
    rows = np.arange(n)  # of the arms that have not stopped
    for t in range(steps):
        trajectory[:, t] = np.hstack([angles, tip])
        action = controller(genes[rows], angles[rows] / np.pi)
        for _ in range(SUB_STEPS):
            tried = angles[rows] + speeds[rows] * DT + action / 2 * DT**2
            points = joints(tried)
            moved = np.linalg.norm(points[:, -1] - tip[rows], axis=1)
            room = np.column_stack(
                [margins(points), SPEED_MAX - (moved / 2 + speeds[rows, -1])]
            ).min(axis=1)
            closest[rows] = np.minimum(closest[rows], np.abs(room))
            legal = room >= 0  # the border at 1 is out, which no posture meets to the bit
            length[rows[~legal]] = t + 1
            rows, tried, points, action = (a[legal] for a in (rows, tried, points, action))
            speeds[rows] = (tried - angles[rows]) / DT
            angles[rows], tip[rows] = tried, points[:, -1]
    trajectory[:, steps] = np.hstack([angles, tip])
    stopped = ~np.isin(np.arange(n), rows)
    return {"trajectory": trajectory, "length": length, "stopped": stopped, "closest": closest}

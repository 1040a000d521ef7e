"""Plain NumPy reference of RedundantArm (RedArm, `NDofArm` in the SERENE and STAX code).

Written from the description of the environment alone, independently of `qdx`, and compared with
the 40 trajectories of the author's environment in tests/golden/redundant_arm_reference.npz, which
it repeats to the last or last but one bit of the float32 they are stored in. The arm was published
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

_PAIRS = np.triu_indices(SEGMENTS + 1, k=1)


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


def clearances(points: np.ndarray) -> dict[str, np.ndarray]:
    """How far (B,) postures are from each rule they must keep; negative where they break it.

    The original compares joints in order of x and leaves the inner loop at the first |dx| > TOUCH;
    in that order every later joint is at least as far, so all pairs that can touch are compared.
    """
    x, y = points[..., 0], points[..., 1]
    first, second = _PAIRS
    taxicab = np.abs(points[:, first] - points[:, second]).sum(axis=2)
    outside_walls = [
        np.max([left - x, x - left - width, low - y, y - low - height], axis=0).min(axis=1)
        for left, low, width, height in WALLS
    ]
    return {
        "self": taxicab.min(axis=1) - TOUCH,
        "walls": np.min(outside_walls, axis=0),
        "arena": np.minimum(points.min(axis=(1, 2)), 1 - points.max(axis=(1, 2))),
    }


def is_legal(angles: np.ndarray, old: np.ndarray, last_speed: np.ndarray) -> np.ndarray:
    """May the arm go from `old` (B, 20) to `angles`; `last_speed` (B,) of joint 20 at `old`."""
    points = joints(angles)
    moved = np.linalg.norm(points[:, -1] - joints(old)[:, -1], axis=1)
    clear = clearances(points)
    return (
        (moved / 2 + last_speed <= SPEED_MAX)
        & (points >= 0).all(axis=(1, 2))
        & (points < 1).all(axis=(1, 2))
        & (clear["walls"] >= 0)  # strictly inside is forbidden
        & (clear["self"] >= 0)
    )


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
    alive, length = np.ones(n, bool), np.zeros(n, int)
    closest = np.full(n, np.inf)
    trajectory = np.empty((n, steps + 1, SEGMENTS + 2))
    for t in range(steps):
        trajectory[:, t] = np.hstack([angles, joints(angles)[:, -1]])
        length += alive
        action = controller(genes, angles / np.pi)
        for _ in range(SUB_STEPS):
            tried = angles + speeds * DT + action / 2 * DT**2
            gaps = np.min(np.abs(list(clearances(joints(tried)).values())), axis=0)
            closest = np.where(alive, np.minimum(closest, gaps), closest)
            alive = alive & is_legal(tried, angles, speeds[:, -1])
            speeds = np.where(alive[:, None], (tried - angles) / DT, speeds)
            angles = np.where(alive[:, None], tried, angles)
    trajectory[:, steps] = np.hstack([angles, joints(angles)[:, -1]])
    return {"trajectory": trajectory, "length": length, "stopped": ~alive, "closest": closest}

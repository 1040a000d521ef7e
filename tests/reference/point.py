"""Plain NumPy reference of Point2D (`Walker2D` in the SERENE and STAX code).

Arithmetic: the controller of tests.reference.hard_maze in float32, the position in float64. The
released code is not at hand to tell the latter, and the boxes are a single step wide, so a fitness
may differ by one step on a box's edge.
"""

from __future__ import annotations

import numpy as np

from tests.reference.hard_maze import controller

HORIZON = 50  # steps
STEP = 0.05  # distance units per unit of action
BOXES = (  # low x, high x, low y, high y; edges included
    (0.75, 0.80, 0.75, 0.80),
    (-0.98, -0.93, 0.90, 0.95),
    (0.0, 0.05, -0.75, -0.70),
    (-0.75, -0.70, -0.05, 0.0),
)


def rollout(genes: np.ndarray, steps: int = HORIZON) -> dict[str, np.ndarray]:
    """Whole episodes of the controllers `genes` (B, 48) float32.

    Returns:
        trajectory: (B, steps, 2) positions after each step.
        fitness: (B,) steps spent inside the first box entered.
        reward_area: (B,) int, that box, -1 none.
    """
    genes = np.asarray(genes, np.float32)
    position = np.zeros((len(genes), 2))
    area, fitness = np.full(len(genes), -1), np.zeros(len(genes))
    trajectory = np.empty((len(genes), steps, 2))
    low_x, high_x, low_y, high_y = np.array(BOXES).T
    for t in range(steps):
        action = controller(genes, position, n_in=2)
        position = np.clip(position + STEP * action, -1.0, 1.0)
        x, y = position.T[:, :, None]  # (B, 1) each, against the four boxes
        inside = (low_x <= x) & (x <= high_x) & (low_y <= y) & (y <= high_y)  # (B, 4)
        area = np.where((area < 0) & inside.any(1), inside.argmax(1), area)
        fitness += (area >= 0) & inside[np.arange(len(genes)), area]
        trajectory[:, t] = position
    return {"trajectory": trajectory, "fitness": fitness, "reward_area": area}

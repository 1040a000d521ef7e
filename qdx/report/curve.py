"""What a journal says, as curves over evaluations.

Between two journal lines a curve keeps the value of the earlier one, and before the first it is 0:
nothing counts as found before the line that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64
from numpy import ndarray as Array

from qdx.assembly.stored import StoredRun

N_POINTS: Final = 1000  # SERENE and STAX code: "all curves resampled at 1000 points"


@dataclass(frozen=True)
class Curves:
    """The journal of a run; row 0 is the moment before the first evaluation.

    Attributes:
        evaluations: Episodes so far, ascending.
        coverage: Share of cells visited by exploration.
        coverage_all: Emitter evaluations included.
        best: Best reward per goal.
    """

    evaluations: Float64[Array, " J"]
    coverage: Float64[Array, " J"]
    coverage_all: Float64[Array, " J"]
    best: Float64[Array, "J A"]

    @property
    def end(self) -> float:
        """Evaluations at the last line."""
        return float(self.evaluations[-1])

    def at(self, grid: Float64[Array, " E"]) -> Curves:
        """The curves at some evaluations, by steps."""
        rows = np.searchsorted(self.evaluations, grid, side="right") - 1
        return Curves(grid, self.coverage[rows], self.coverage_all[rows], self.best[rows])

    def thinned(self) -> Curves:
        """The curves at no more than `N_POINTS` evaluations."""
        if len(self.evaluations) <= N_POINTS:
            return self
        return self.at(np.linspace(0, self.end, N_POINTS))


def curves_of(run: StoredRun, n_goals: int) -> Curves:
    """The curves of a run's committed journal."""
    lines = run.snapshot.journal
    metrics = [line["metrics"] for line in lines]
    best = np.array([m["best_by_area"] for m in metrics], float).reshape(len(lines), n_goals)
    return Curves(
        np.array([0.0, *(line["evaluations"] for line in lines)]),
        np.array([0.0, *(m["coverage"] for m in metrics)]),
        np.array([0.0, *(m["coverage_all"] for m in metrics)]),
        np.vstack([np.zeros((1, n_goals)), best]),
    )

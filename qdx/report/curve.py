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
from qdx.core.task_facts import TaskFacts
from qdx.core.types import Json

N_POINTS: Final = 1000  # SERENE and STAX code: "all curves resampled at 1000 points"


@dataclass(frozen=True)
class Curves:
    """The journal of a run; row 0 is the moment before the first evaluation.

    Attributes:
        evaluations: Episodes so far, ascending.
        coverage: Share of cells visited by exploration.
        coverage_all: Emitter evaluations included.
        best: Best reward per goal. Where the task has no goals, one column: of any episode, NaN
            before the first.
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


def best_names(facts: TaskFacts) -> list[str]:
    """What the columns of `Curves.best` are."""
    return [goal.name for goal in facts.goals] or ["any episode"]


def best_rewards(metrics: Json, facts: TaskFacts) -> list[float]:
    """A row of `Curves.best`, from what a journal line counts."""
    if facts.goals:
        return [float(best) for best in metrics["best_by_area"]]
    best = metrics["best_fitness"]
    return [np.nan if best is None else float(best)]


def curves_of(run: StoredRun, facts: TaskFacts) -> Curves:
    """The curves of a run's committed journal."""
    lines = run.snapshot.journal
    metrics = [line["metrics"] for line in lines]
    first = [0.0] * len(facts.goals) or [np.nan]
    return Curves(
        np.array([0.0, *(line["evaluations"] for line in lines)]),
        np.array([0.0, *(m["coverage"] for m in metrics)]),
        np.array([0.0, *(m["coverage_all"] for m in metrics)]),
        np.array([first, *(best_rewards(m, facts) for m in metrics)]),
    )

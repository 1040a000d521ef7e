"""The running count of a campaign: what all its evaluations, kept or not, have shown.

Best reward per area counts every evaluation, not only archived ones: an archive that takes five
random offspring a generation would understate what was found.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy import ndarray as Array

from qdx.core.task_facts import TaskFacts
from qdx.core.types import Evaluations, Json, Purpose, State
from qdx.metrics.coverage import cell_index, coverage

EXPLORATION = (Purpose.SEARCH,)


@final
class Tally:
    """Visits and best fitness per cell of the ground-truth grid, best reward per area, counts."""

    def __init__(self, facts: TaskFacts, *, counts_steps: bool = False) -> None:
        """Nothing evaluated yet; steps are counted where a budget of steps asks for it."""
        n_cells = int(np.prod(facts.bins))
        self._facts = facts
        self._arrays: dict[str, Array] = {
            "visits": np.zeros(n_cells, np.int64),
            "visits_all": np.zeros(n_cells, np.int64),
            "best": np.full(n_cells, -np.inf, np.float32),
            "best_by_area": np.zeros(len(facts.goals), np.float32),
            "rewarded": np.zeros(len(facts.goals), np.int64),
        }
        self._counts: Json = {
            "generation": 0,
            "evaluations": 0,
            "failed": 0,
            "truth_outside": 0,
            "best_fitness": None,
            **({"steps": 0} if counts_steps else {}),
        }

    @property
    def evaluations(self) -> int:
        """Episodes run so far, failed ones included."""
        return int(self._counts["evaluations"])

    @property
    def steps(self) -> int:
        """Steps of all episodes, where they are counted."""
        return int(self._counts["steps"])

    @property
    def generation(self) -> int:
        """Generations told so far."""
        return int(self._counts["generation"])

    def count(self, evaluations: Evaluations) -> None:
        """One more generation."""
        self.add(evaluations)
        self.end_generation()

    def end_generation(self) -> None:
        """What was added since the last one ended is a generation."""
        self._counts["generation"] += 1

    def add(self, evaluations: Evaluations) -> None:
        """Evaluations of a generation that goes on."""
        failed = evaluations.outcomes.failed
        cells = cell_index(
            evaluations.outcomes.truth[~failed], self._facts.bounds, self._facts.bins
        )
        fitness = evaluations.outcomes.fitness[~failed]
        explores = np.isin(evaluations.genomes.purpose[~failed], EXPLORATION)
        inside = cells >= 0
        np.add.at(self._arrays["visits"], cells[inside & explores], 1)
        np.add.at(self._arrays["visits_all"], cells[inside], 1)
        np.maximum.at(self._arrays["best"], cells[inside], fitness[inside])
        area = evaluations.outcomes.reward_area[~failed]
        np.maximum.at(self._arrays["best_by_area"], area[area >= 0], fitness[area >= 0])
        np.add.at(self._arrays["rewarded"], area[area >= 0], 1)
        self._counts["evaluations"] += len(evaluations)
        if "steps" in self._counts:
            self._counts["steps"] += int(evaluations.outcomes.length.sum())
        self._counts["failed"] += int(failed.sum())
        self._counts["truth_outside"] += int((~inside).sum())
        if len(fitness):
            best = self._counts["best_fitness"]
            top = float(fitness.max())
            self._counts["best_fitness"] = top if best is None else max(best, top)

    def metrics(self) -> Json:
        """What a journal line and `qdx inspect` say."""
        best = self._arrays["best"]
        return {
            **self._counts,
            "coverage": coverage(self._arrays["visits"]),
            "coverage_all": coverage(self._arrays["visits_all"]),
            "qd_score": float(best[np.isfinite(best)].sum(dtype=np.float64)),
            "best_by_area": [float(x) for x in self._arrays["best_by_area"]],
            "rewarded": self._arrays["rewarded"].tolist(),
        }

    def state(self) -> State:
        return State({k: v.copy() for k, v in self._arrays.items()}, dict(self._counts))

    def restore(self, state: State) -> None:
        self._arrays = {k: v.copy() for k, v in state.arrays.items()}
        self._counts = dict(state.json)

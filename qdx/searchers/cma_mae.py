"""CMA-MAE: CMA-ME whose map raises its demands slowly.

Fontaine & Nikolaidis, "Covariance matrix adaptation MAP-Annealing", GECCO 2023. Emitters rank their
samples by what they beat the threshold of their cell by. Where a threshold has not risen yet even a
small reward counts, so that an emitter goes to thinly visited cells first and comes back for the
reward: with learning rate 0 it is CMA-ES, with 1 about CMA-ME.

Two archives are offered everything. `cells`, a soft grid, has the thresholds, guides the emitters
and gives the elites they restart from; `elites` keeps the fittest of each cell and is the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.types import Verdict
from qdx.searchers.cma_me import CmaMe, CmaMeParameters, Judgement, improvement_of
from qdx.searchers.evolution_strategies import Kind
from qdx.searchers.parameters import CELLS
from qdx.searchers.setting import Setting


@dataclass(frozen=True)
class CmaMaeParameters:
    """The paper's values are the defaults.

    Attributes:
        emitters: Evolution strategies; each has a turn in its time.
        population: λ, samples of an emitter a turn.
        sigma: First step size, also after a restart.
        emitters_per_batch: Emitters that work in one generation, at most all.
        strategy: cma_es, or sep_cma_es for many genes.
    """

    emitters: Annotated[int, Ge(1)] = 15
    population: Annotated[int, Ge(2)] = 36
    sigma: Annotated[float, Gt(0)] = 0.5
    emitters_per_batch: Annotated[int, Ge(1)] = 15
    strategy: Kind = "cma_es"

    archives: ClassVar[dict[str, str]] = {"cells": "soft_grid", "elites": "grid"}
    archive_kinds: ClassVar[dict[str, tuple[str, ...]]] = {"cells": CELLS}

    @property
    def steady_batch(self) -> int:
        """Evaluations that stand for a generation in a steady campaign."""
        return self.population * min(self.emitters_per_batch, self.emitters)


def cma_mae(parameters: CmaMaeParameters, setting: Setting) -> CmaMe:
    """CMA-ME's emitters, ranked by what they beat the threshold by."""
    p = parameters
    same = CmaMeParameters(
        emitters=p.emitters,
        population=p.population,
        sigma=p.sigma,
        ranking="improvement",
        turn="fewest_asked",
        emitters_per_batch=p.emitters_per_batch,
        strategy=p.strategy,
    )
    return CmaMe(same, setting, judge=by_threshold)


def by_threshold(fitness: Float32[Array, " L"], verdict: Verdict) -> Judgement:
    """Half are parents by what they beat their threshold by; only the strategy itself can end."""
    return Judgement(improvement_of(verdict)[:, None], None, is_done=False)

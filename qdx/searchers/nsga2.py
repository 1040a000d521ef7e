"""NSGA-II on novelty and reward: the multi-objective baseline of SERENE.

Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE TEVC 6(2), 2002. The loop is that of Novelty Search; the population update takes whole
non-dominated fronts of (novelty, reward), both maximised, and fills up by crowding distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.searchers.novelty_search import NoveltySearch, NoveltySearchParameters, Pool
from qdx.searchers.pareto import best
from qdx.searchers.setting import Setting


@dataclass(frozen=True)
class Nsga2Parameters(NoveltySearchParameters):
    """Those of Novelty Search, whose loop it shares."""


def nsga2(parameters: Nsga2Parameters, setting: Setting) -> NoveltySearch:
    """Selects for novelty and reward at once, by Pareto fronts."""
    return NoveltySearch(parameters, setting, survive=front_of_novelty_and_reward)


def front_of_novelty_and_reward(pool: Pool, n: int) -> Int64[Array, " n"]:
    """Rows of the n survivors; failed individuals only after all others."""
    reward = pool.records.column("fitness", pool.ids).astype(np.float64)
    return best(np.column_stack([pool.novelty, np.where(np.isnan(reward), -np.inf, reward)]), n)

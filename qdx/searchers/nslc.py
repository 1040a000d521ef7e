"""Novelty search with local competition.

Lehman & Stanley, "Evolving a diversity of creatures through novelty search and local competition",
GECCO 2011. The loop is that of Novelty Search; the population update is NSGA-II on novelty and
local competition: how many of the k nearest in P u O u A an individual beats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.searchers.novelty_search import NoveltySearch, NoveltySearchParameters, Pool
from qdx.searchers.pareto import best
from qdx.searchers.setting import Setting


@dataclass(frozen=True)
class NslcParameters(NoveltySearchParameters):
    """Those of Novelty Search, whose loop it shares."""


def nslc(parameters: NslcParameters, setting: Setting) -> NoveltySearch:
    """Selects for novelty and for beating one's neighbours, by Pareto fronts."""
    return NoveltySearch(parameters, setting, survive=front_of_novelty_and_competition)


def front_of_novelty_and_competition(pool: Pool, n: int) -> Int64[Array, " n"]:
    """Rows of the n survivors; failed individuals only after all others."""
    return best(np.column_stack([pool.novelty, local_competition(pool)]), n)


def local_competition(pool: Pool) -> Float64[Array, " B"]:
    """How many of its nearest have a strictly smaller reward; -inf for failed individuals."""
    reward = pool.records.column("fitness", pool.ids).astype(np.float64)
    there = pool.nearest >= 0
    theirs = np.full(pool.nearest.shape, np.inf)
    theirs[there] = pool.records.column("fitness", pool.nearest[there])
    beaten: Array = (theirs < reward[:, None]).sum(axis=1).astype(np.float64)
    return np.where(np.isnan(reward), -np.inf, beaten)

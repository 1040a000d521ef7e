"""Truncation selection: what a batch of episodes is worth, who is best, and mixed rankings.

Failed individuals have a reward of -inf and are never selected; of equals the older one comes
first.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.core.types import Evaluations


def means(evaluations: Evaluations, n: int) -> Float64[Array, " n"]:
    """Mean reward of each of n individuals over its episodes; -inf where one of them failed."""
    fitness = evaluations.outcomes.fitness.astype(np.float64).reshape(n, -1)
    rewards: Array = fitness.mean(axis=1)  # NaN where failed
    return np.where(np.isnan(rewards), -np.inf, rewards)


def truncated(ids: Int64[Array, " B"], scores: Float64[Array, " B"], n: int) -> Int64[Array, " n"]:
    """The n best that did not fail, best first; fewer where there are no more."""
    order = np.lexsort((ids, -scores))[: max(n, 0)]
    return ids[order[scores[order] > -np.inf]]


def mixed(
    rewards: Float64[Array, " B"], novelty: Float64[Array, " B"], weight: float
) -> Float64[Array, " B"]:
    """Weighted mean of the ranks by reward and by novelty, 0 to 1; -inf where a row failed.

    Ranks, for rewards and distances have no common unit.
    """
    both = (1 - weight) * ranks(rewards) + weight * ranks(novelty)
    return np.where(np.isfinite(rewards) & np.isfinite(novelty), both, -np.inf)


def ranks(values: Float64[Array, " B"]) -> Float64[Array, " B"]:
    """Share of the others that are worse; equals share the mean of their places."""
    places = np.sort(values)
    below, upto = np.searchsorted(places, values), np.searchsorted(places, values, "right") - 1
    return (below + upto) / max(2 * (len(values) - 1), 1)

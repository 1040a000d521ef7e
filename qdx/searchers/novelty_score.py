"""Novelty of a pool of individuals against the pool itself and archives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.archives.neighbours import novelty
from qdx.archives.pools import among, merge
from qdx.core.protocols import ArchiveView
from qdx.core.records import Records


def pool_novelty(
    pool: Int64[Array, " B"],
    records: Records,
    archives: Sequence[ArchiveView],
    k: int,
    *,
    power: int = 1,
) -> tuple[Float64[Array, " B"], Int64[Array, "B K"]]:
    """Mean distance to the k nearest of pool ∪ archives, the individual itself excluded.

    Lehman & Stanley (2011), section 3. An id that is in the pool and in an archive counts once.

    Args:
        pool: Ids to score.
        records: Where their descriptors are.
        archives: Further reference points.
        k: Neighbours averaged; with fewer, all of them.
        power: Of the distances that are averaged: 2 for squared ones.

    Returns:
        Novelty in descriptor units, -inf for failed individuals, which nobody is compared with;
        and the ids of those neighbours, -1 where there are fewer.
    """
    scores = np.full(len(pool), -np.inf)
    descriptors = records.descriptors(pool)
    alive = np.isfinite(descriptors).all(axis=1)  # NaN where failed
    ids = pool[alive]
    points = descriptors[alive]
    nearest = among(ids, points, k)
    for archive in archives:
        nearest = merge(nearest, archive.neighbours(points, k, exclude=ids), k)
    scores[alive] = novelty(nearest[0] if power == 1 else nearest[0] ** power)
    neighbours = np.full((len(pool), nearest[1].shape[1]), -1, np.int64)
    neighbours[alive] = nearest[1]
    return scores, neighbours

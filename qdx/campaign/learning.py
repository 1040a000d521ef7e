"""The behaviour space moves: what is held is described anew, and how far it moved is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.types import Json, seen
from qdx.metrics.spaces import correlation, drift

if TYPE_CHECKING:
    from qdx.campaign.campaign import Campaign

DRIFT_SAMPLE = 300  # individuals whose descriptors are compared before and after a training


def learn(c: Campaign, lesson: Int64[Array, " L"]) -> Json:
    """Train on a lesson; what the training came to, empty where the space stayed as it was."""
    taught = c.records.evaluations(lesson)
    learnt = c.descriptor.learn(seen(taught.genomes, taught.outcomes))
    if learnt is None:
        return {}
    some = np.sort(lesson)[:DRIFT_SAMPLE]  # the oldest: archived, so mostly those of last time
    before = c.records.descriptors(some)
    c.records.redescribe(c.redescribe)
    for archive in c.archives.values():
        archive.redescribe(c.records.described)
    c.searcher.redescribe(c.records.described)
    after, truth = c.records.descriptors(some), c.records.column("truth", some)
    moved = drift(before, after) | {"truth_correlation": correlation(after, truth)}
    return {**learnt, **moved}

"""Batches to shards and back; the partition depends on the configured size, never on workers."""

from __future__ import annotations

import numpy as np

from qdx.core.types import Genomes, Outcomes, join, take


def shards(genomes: Genomes, size: int) -> list[Genomes]:
    """Contiguous shards of at most `size` rows; at least one, which is empty for an empty batch."""
    starts = range(0, max(len(genomes), 1), size)
    return [take(genomes, np.arange(s, min(s + size, len(genomes)))) for s in starts]


def unshard(outcomes: list[Outcomes]) -> Outcomes:
    """The outcomes of a batch from those of its shards, in order."""
    return join(outcomes)

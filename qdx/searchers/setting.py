"""What every searcher is given, and how it names its offspring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray as Array

from qdx.core.protocols import ArchiveView
from qdx.core.records import Records
from qdx.core.types import Genomes, Purpose
from qdx.encodings.direct import Direct
from qdx.encodings.seed_chain import SeedChain


@dataclass(frozen=True)
class Setting:
    """A searcher's world.

    Attributes:
        seed: Seed of the campaign; every draw is keyed by it.
        encoding: What genes are and where they start.
        records: Whatever belongs to an id that somebody holds.
        archives: Read views by name.
        first_id: Ids are given out from here on (an island's are its own).
        budget: Evaluations of the whole campaign.
        has_surprise: Whether the descriptor says how surprising an individual is.
        chains: The encoding of searchers whose genomes are seed chains, None with genes.
    """

    seed: int
    encoding: Direct
    records: Records
    archives: Mapping[str, ArchiveView]
    first_id: int = 0
    budget: int = 1
    has_surprise: bool = True
    chains: SeedChain | None = None


def newborn(
    first_id: int,
    genes: Float32[Array, "B G"],
    *,
    parents: Int64[Array, " B"] | None = None,
    purpose: Purpose = Purpose.SEARCH,
) -> Genomes:
    """Genomes with the next ids, in canonical order."""
    n = len(genes)
    return Genomes(
        ids=np.arange(first_id, first_id + n),
        genes=genes,
        parents=np.full(n, -1) if parents is None else parents,
        purpose=np.full(n, purpose, np.int32),
        trial=np.zeros(n, np.int32),
    )

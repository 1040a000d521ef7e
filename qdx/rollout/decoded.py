"""A rollout of genes that is given seed chains: small policies, decoded side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from qdx.core.protocols import Divisible, Rollout
from qdx.core.types import Genomes, Outcomes, join, take
from qdx.encodings.seed_chain import SeedChain, dense


@final
@dataclass(frozen=True)
class DecodedRollout:
    """Decodes a batch and runs it.

    Attributes:
        encoding: Of the chains.
        inner: What runs genes.
    """

    encoding: SeedChain
    inner: Rollout

    def __call__(self, genomes: Genomes) -> Outcomes:
        return self.inner(self._with_genes(genomes))

    def divide(
        self, genomes: Genomes, size: int
    ) -> tuple[list[Callable[[], None]], Callable[[], Outcomes]]:
        """As the inner rollout divides; a piece is a shard where it does not."""
        direct = self._with_genes(genomes)
        if isinstance(self.inner, Divisible):
            return self.inner.divide(direct, size)
        n, done = len(genomes), {}
        starts = range(0, max(n, 1), size)

        def run(start: int) -> None:
            done[start] = self.inner(take(direct, np.arange(start, min(start + size, n))))

        pieces: list[Callable[[], None]] = [functools.partial(run, start) for start in starts]
        return pieces, lambda: join([done[start] for start in starts])

    def _with_genes(self, genomes: Genomes) -> Genomes:
        return replace(
            genomes,
            genes=dense(self.encoding, genomes),
            seeds=None,
            sigmas=None,
            lineage=None,
        )

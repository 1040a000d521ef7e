"""What a searcher does in a steady campaign, in which results come one shard at a time.

It may only if it judges an individual by the archive alone: whoever ranks a generation against
itself needs all of it. Its parameters then have `steady_batch`, the evaluations after which a
record is written, as after a generation; that they have it is what says that the searcher may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.protocols import Searcher
from qdx.core.types import Evaluations, Genomes, Verdict


@runtime_checkable
class SteadySearcher(Searcher, Protocol):
    """Its three methods take the place of `ask`, `admit` and `tell`."""

    def ask_more(self, n: int) -> Genomes:
        """The next shard: n individuals at most, or as many as belong together.

        Ids are given out here and never again. Empty where it first has to be told of a shard that
        is under way. A function of its state and of what the archives hold, not of any clock.
        """
        ...

    def admit_some(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        """Ids of a shard that are offered to each named archive, whichever shards came before."""
        ...

    def tell_some(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        """What became of a shard, whole as it was asked for; shards come in any order."""
        ...

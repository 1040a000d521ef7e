"""Parameters of encodings, read without importing anything heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge


@dataclass(frozen=True)
class DirectParameters:
    """A gene is a policy parameter; there is nothing to choose."""


@dataclass(frozen=True)
class SeedChainParameters:
    """A genome is a seed and one (seed, sigma) per mutation.

    Attributes:
        noise: What seeds stand for: slices of one `table`, or counter-based `philox`.
        entries: Of the table: four bytes each on disk, mapped into memory. The released code has
            250 000 000, ten times as many.
        folder: Where the table and dense bases lie; empty for QDX_CACHE or the user's cache.
        cache: Policies kept decoded in a process; at least the parents of a generation.
        bases_every: Mutations between dense bases on disk, so that no decoding is longer; 0 for
            none. Bases are a cache: without them genomes decode to the same bits, slower.
        mutation: `plain`, or `safe`: a parameter moves the less, the more the policy's outputs
            depend on it.
        states: Of safe mutations, the observations on which that is measured.
    """

    noise: Literal["table", "philox"] = "table"
    entries: Annotated[int, Ge(1)] = 25_000_000
    folder: str = ""
    cache: Annotated[int, Ge(1)] = 64
    bases_every: Annotated[int, Ge(0)] = 0
    mutation: Literal["plain", "safe"] = "plain"
    states: Annotated[int, Ge(1)] = 16

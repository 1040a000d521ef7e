"""The direct encoding: a gene is a policy parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array


@final
@dataclass(frozen=True)
class Direct:
    """Box-bounded real genes.

    Attributes:
        n_genes: G.
        low: Lower bound of every gene (the papers': -5).
        high: Upper bound of every gene (the papers': 5).
    """

    n_genes: int
    low: float = -5.0
    high: float = 5.0

    def initial(self, n: int, rng: np.random.Generator) -> Float32[Array, "n G"]:
        """Fresh genes, ~ clip(N(0, 1))."""
        return self.clip(rng.standard_normal((n, self.n_genes), np.float32))

    def clip(self, genes: Float32[Array, "B G"]) -> Float32[Array, "B G"]:
        """Genes inside the bounds."""
        inside: Array = np.clip(genes, np.float32(self.low), np.float32(self.high))
        return inside

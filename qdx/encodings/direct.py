"""The direct encoding: a gene is a policy parameter."""

from __future__ import annotations

from collections.abc import Callable
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
        start: Standard normal draws (n, G) → fresh genes, where a policy starts otherwise.
    """

    n_genes: int
    low: float = -5.0
    high: float = 5.0
    start: Callable[[Array], Array] | None = None

    def initial(self, n: int, rng: np.random.Generator) -> Float32[Array, "n G"]:
        """Fresh genes, ~ clip(N(0, 1)), or what the policy makes of the draws."""
        normal = rng.standard_normal((n, self.n_genes), np.float32)
        return self.clip(self.start(normal) if self.start else normal)

    def clip(self, genes: Float32[Array, "B G"]) -> Float32[Array, "B G"]:
        """Genes inside the bounds."""
        inside: Array = np.clip(genes, np.float32(self.low), np.float32(self.high))
        return inside

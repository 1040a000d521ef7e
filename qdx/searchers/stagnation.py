"""When a search has stopped getting anywhere.

Two rules of the STAX code, on the rewards of a population after each of its steps. Both look at the
last W steps and compare how they began with how they end:

* `paper`: W = int(20 n / L + 120), for n genes and L members. Stagnant when the median or the best
  reward of the first 20 steps is no lower than that of the last 20.
* `original`: CMA-ES's own (Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772,
  appendix B.3). W = max(int(30 n / L + 120), int(0.2 steps)). Stagnant when, over the first and
  last 30 % of W, neither the median of the steps' best nor that of their medians has risen.

A failed individual has no reward, and 0 may be the best there is: it is left out, and so is a step
in which everybody failed. With nobody left at an end of the window, that end is as low as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float64
from numpy import ndarray as Array

Rule = Literal["paper", "original"]

TAIL = 20  # steps at either end of the paper's window
SHARE = 0.3  # of the original window, at either end
GROWTH = 0.2  # of all steps, what the original window is at least


@final
@dataclass(frozen=True)
class Stagnation:
    """One of the two rules.

    Attributes:
        kind: Which.
        n_genes: n.
        members: L.
    """

    kind: Rule
    n_genes: int
    members: int

    def window(self, n_steps: int) -> int:
        """W, after so many steps."""
        if self.kind == "paper":
            return int(20 * self.n_genes / self.members + 120)
        return max(int(30 * self.n_genes / self.members + 120), int(GROWTH * n_steps))

    def is_reached(self, values: Sequence[Sequence[float]], n_steps: int) -> bool:
        """Whether it is time to stop; never up to the W-th step.

        Args:
            values: Rewards of the members after each step, at least the last W steps of them; NaN
                for failed ones.
            n_steps: Steps that count.
        """
        window = self.window(n_steps)
        if n_steps <= window:
            return False
        recent = np.array(values[-window:])
        levels, n = (_levels, TAIL) if self.kind == "paper" else (_trend, int(SHARE * window))
        lower = [
            old >= new for old, new in zip(levels(recent[:n]), levels(recent[-n:]), strict=True)
        ]
        return any(lower) if self.kind == "paper" else all(lower)


def _levels(rewards: Float64[Array, "T L"]) -> tuple[float, float]:
    """Median and best reward."""
    there = rewards[~np.isnan(rewards)]
    return (float(np.median(there)), float(there.max())) if len(there) else (-np.inf, -np.inf)


def _trend(rewards: Float64[Array, "T L"]) -> tuple[float, float]:
    """Medians, over the steps, of a step's median and of its best reward."""
    there = rewards[~np.isnan(rewards).all(axis=1)]
    if not len(there):
        return -np.inf, -np.inf
    middle, best = np.nanmedian(there, axis=1), np.nanmax(there, axis=1)
    return float(np.median(middle)), float(np.median(best))

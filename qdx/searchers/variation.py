"""Variation operators on real genes. Pure; bounds are the encoding's business."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array


def gaussian(
    genes: Float32[Array, "B G"], sigma: float, rng: np.random.Generator
) -> Float32[Array, "B G"]:
    """Every gene moved, ~ x + N(0, σ²)."""
    moved: Array = genes + np.float32(sigma) * rng.standard_normal(genes.shape, np.float32)
    return moved


def iso_line(
    genes: Float32[Array, "B G"],
    others: Float32[Array, "B G"],
    sigmas: tuple[float, float],
    rng: np.random.Generator,
) -> Float32[Array, "B G"]:
    """Isotropic noise plus noise along the line to another elite.

    Vassiliades & Mouret, "Discovering the elite hypervolume by leveraging interspecies
    correlation", GECCO 2018, eq. 1: x + σ1 N(0, I) + σ2 (y - x) N(0, 1).
    """
    iso_sigma, line_sigma = (np.float32(s) for s in sigmas)
    noise = rng.standard_normal(genes.shape, np.float32)
    along = rng.standard_normal((len(genes), 1), np.float32)
    moved: Array = genes + iso_sigma * noise + line_sigma * (others - genes) * along
    return moved

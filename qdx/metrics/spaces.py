"""How two spaces resemble each other: latent and true, or one space before and after a training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray as Array
from scipy.spatial.distance import pdist
from threadpoolctl import threadpool_limits


def correlation(points: Float[Array, "B D"], others: Float[Array, "B M"]) -> float | None:
    """Pearson correlation of the distances between all pairs, in one space and in another.

    1 where one space is the other up to rotation, reflection, shift and scale. STAX reports it for
    the latent against the ground truth.

    Args:
        points: Of some individuals; rows that are not finite in either space do not count.
        others: Of the same individuals.

    Returns:
        None with fewer than three individuals, or where all distances of a space are equal.
    """
    x, y = _finite(points, others)
    if len(x) < 3:
        return None
    a, b = pdist(x), pdist(y)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else None


def displacement(before: Float[Array, "B D"], after: Float[Array, "B D"]) -> float | None:
    """How far points moved among each other: what no similarity transform explains.

    Ordinary Procrustes analysis (Gower 1975, "Generalized Procrustes analysis", Psychometrika
    40(1)): both clouds are centred and brought to a root mean square radius of 1, the second is
    rotated or reflected onto the first, and the distances that remain are averaged. 0 where nothing
    but position, orientation and scale changed; about 1.4 for clouds that have nothing to do with
    each other.

    Returns:
        None with fewer than two individuals, or for a cloud of one point.
    """
    x, y = _finite(before, after)
    if len(x) < 2:
        return None
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    radius = np.sqrt((x**2).sum() / len(x)), np.sqrt((y**2).sum() / len(y))
    if min(radius) == 0:
        return None
    x, y = x / radius[0], y / radius[1]
    with threadpool_limits(1):  # products are summed in another order on another number of cores
        u, _, v = np.linalg.svd(y.T @ x, full_matrices=False)
        gaps = np.linalg.norm(y @ (u @ v) - x, axis=1)
    return float(gaps.mean())


def drift(before: Float[Array, "B D"], after: Float[Array, "B D"]) -> dict[str, float | None]:
    """How a training moved a space, of some individuals: what the journal says of it."""
    return {
        "drift": displacement(before, after),
        "distance_correlation": correlation(before, after),
    }


def _finite(x: Array, y: Array) -> tuple[Float64[Array, "B D"], Float64[Array, "B M"]]:
    kept = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    return x[kept].astype(np.float64), y[kept].astype(np.float64)

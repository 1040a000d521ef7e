"""Coverage and its relatives: pure functions of arrays on the ground-truth grid.

The measures of SERENE and STAX: a grid of 50 bins per dimension over the task's bounds; coverage is
the share of cells visited, uniformity how evenly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64, Num
from numpy import ndarray as Array
from scipy.spatial.distance import jensenshannon

Bounds = Sequence[tuple[float, float]]


def cell_index(
    measures: Float32[Array, "B M"], bounds: Bounds, bins: Sequence[int]
) -> Int64[Array, " B"]:
    """Row-major index of the cell of each point; -1 outside the bounds.

    Bins are half open, [low, high), but for the last, which holds the upper bound too.
    """
    low = np.array([b[0] for b in bounds])
    high = np.array([b[1] for b in bounds])
    shape = np.array(bins)
    inside = np.all((measures >= low) & (measures <= high), axis=1)
    scaled = (np.where(inside[:, None], measures, low) - low) / (high - low)
    cells = np.minimum((scaled * shape).astype(np.int64), shape - 1)
    index = np.ravel_multi_index(tuple(cells.T), tuple(bins))
    return np.where(inside, index, -1).astype(np.int64)


def coverage(visits: Num[Array, " C"]) -> float:
    """Share of cells visited at least once."""
    return float(np.count_nonzero(visits) / len(visits))


def coverage_over_time(
    paths: Float32[Array, "N S M"], bounds: Bounds, bins: Sequence[int]
) -> Float64[Array, " S"]:
    """Share of cells that some individual is in, at each moment (STAX code, time coverage).

    Args:
        paths: Measures of each individual at the same moments.
        bounds: Of the grid.
        bins: Of the grid.
    """
    n, moments = paths.shape[:2]
    visited = np.zeros((moments, int(np.prod(bins))), bool)
    cells = cell_index(paths.reshape(n * moments, len(bins)), bounds, bins).reshape(n, moments)
    at = np.broadcast_to(np.arange(moments), cells.shape)
    visited[at[cells >= 0], cells[cells >= 0]] = True
    shares: Array = visited.mean(axis=1)
    return shares


def uniformity(visits: Num[Array, " C"]) -> float:
    """1 - Jensen-Shannon distance (natural logarithm) of the visits to the uniform distribution."""
    if not visits.any():
        return 0.0
    return float(1.0 - jensenshannon(visits, np.ones(len(visits))))

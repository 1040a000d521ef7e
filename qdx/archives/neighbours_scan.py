"""Candidate neighbours by looking at every place, block by block, on numpy."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped
from numpy import ndarray as Array

GONE = 1e300  # squared norm of a place nobody is at; 0·GONE is 0 where 0·inf would be NaN
BLOCK = 256  # places per matrix product: with BATCH queries it stays in a 1 MB cache


@runtime_checkable
class Scan(Protocol):
    """Proposes candidates by looking at every place."""

    def __call__(
        self,
        points: Float32[Array, "N D"],
        squares: Float64[Array, " N"],
        queries: Float64[Array, "B D"],
        k: int,
        bound: Float64[Array, " B"],
    ) -> Int64[Array, "B C"]:
        """Rows of `points`, -1 for none, that hold the k nearest and all which may tie with them.

        Called once per pass of queries. `squares` are the squared norms, GONE for rows to ignore;
        `bound` is a squared distance within which k neighbours are already known, +inf for none.
        """


def reach(
    worst: Float64[Array, " B"], query_squares: Float64[Array, " B"], dimension: int
) -> Float64[Array, " B"]:
    """The value of |p|² - 2x·p up to which a point may be as near as one whose value is `worst`.

    Whatever the order of its additions, a float64 product errs by less than c (|x|² + |p|²) with
    c = 4 (D + 4) eps (Higham, 2002, "Accuracy and Stability of Numerical Algorithms", §3.1), the
    final distances included; and |p|² ≤ 2|x|² + 2s for a point p at squared distance
    s = worst + |x|². The errors of p and of the point it rivals are together below 8c (|x|² + s).
    """
    error = 32 * (dimension + 4) * float(np.finfo(np.float64).eps)
    farthest: Float64[Array, " B"] = np.maximum(worst + query_squares, 0.0)
    within: Float64[Array, " B"] = worst + error * (query_squares + farthest)
    return within


def scan(
    points: Float32[Array, "N D"],
    squares: Float64[Array, " N"],
    queries: Float64[Array, "B D"],
    k: int,
    bound: Float64[Array, " B"],
) -> Int64[Array, "B C"]:
    """Candidates by blocked matrix product: the groups of places whose minimum is within reach."""
    n, dimension = points.shape
    # A power of two: the work after the product goes as n/group + k·group.
    group = 1 << int(np.clip(np.log2(max(n, 1) / k) / 2 - 1, 0, 4))
    n_blocks = -(-n // BLOCK)
    width = -(-n // (n_blocks * group))  # groups per block
    minima = _group_minima(points, squares, queries, (n_blocks, group, width))
    query_squares = np.einsum("bd,bd->b", queries, queries)
    worst = bound - query_squares
    if np.isinf(bound).any():
        worst = np.minimum(worst, _kth_at_most(minima, k))
    within = np.flatnonzero(minima <= reach(worst, query_squares, dimension))
    groups, rows = np.divmod(within, len(queries))
    by_row = np.argsort(rows, kind="stable")
    table = rectangle(groups[by_row], np.bincount(rows, minlength=len(queries)), -1)
    # Group g of a block holds the places g, g + width, g + 2·width…: neighbours in time come apart.
    base = table // width * (width * group) + table % width
    members: Int64[Array, "B C"] = base[:, :, None] + np.arange(group) * width
    members[(table < 0)[:, :, None] | (members >= n)] = -1
    return members.reshape(len(queries), table.shape[1] * group)


def _group_minima(
    points: Float32[Array, "N D"],
    squares: Float64[Array, " N"],
    queries: Float64[Array, "B D"],
    layout: tuple[int, int, int],
) -> Float64[Array, "G B"]:
    """Minimum of |p|² - 2x·p over each group of places, by the product [p, |p|²] [-2x, 1]ᵀ."""
    n_blocks, group, width = layout
    n, dimension = points.shape
    weights = np.vstack([-2.0 * queries.T, np.ones(len(queries))])
    block = np.zeros((group * width, dimension + 1))
    product = np.empty((group * width, len(queries)))
    minima = np.empty((n_blocks * width, len(queries)))
    for index, start in enumerate(range(0, n, group * width)):  # one block of places at a time
        some = points[start : start + group * width]
        block[: len(some), :dimension] = some
        block[: len(some), dimension] = squares[start : start + group * width]
        block[len(some) :, dimension] = GONE
        np.matmul(block, weights, out=product)
        lowest = minima[index * width : (index + 1) * width]
        np.minimum.reduce(product.reshape(group, width, -1), axis=0, out=lowest)
    minima[-(-n // (group * width)) * width :] = np.inf  # even blocks may leave the last one empty
    return minima


def _kth_at_most(minima: Float64[Array, "G B"], k: int) -> Float64[Array, " B"]:
    # The k-th smallest of minima over groups is not below the k-th smallest value; with 4k groups
    # it is close to it, and 10 times cheaper than a partition of all.
    fold = max(1, len(minima) // (4 * k))
    n_coarse = len(minima) // fold
    if n_coarse < k:
        return np.full(minima.shape[1], np.inf)
    coarse = minima[: fold * n_coarse].reshape(fold, n_coarse, -1).min(axis=0)
    kth: Float64[Array, " B"] = np.partition(coarse, k - 1, axis=0)[k - 1]
    return kth


def rectangle(
    values: Shaped[Array, " T"], counts: Int64[Array, " B"], fill: int | float
) -> Shaped[Array, "B C"]:
    """Runs of `counts` values, one run a row, filled up."""
    table = np.full((len(counts), int(counts.max(initial=0))), fill, values.dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = values
    return table

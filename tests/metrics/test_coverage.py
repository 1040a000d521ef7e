"""Coverage, cells and uniformity against naive loops and numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.metrics.coverage import cell_index, coverage, coverage_over_time, uniformity

UNIT = ((0.0, 1.0), (0.0, 1.0))
numbers = st.floats(-3, 3, width=32) | st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
grids = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0]), st.sampled_from([1.0, 2.0, 2.5]), st.integers(1, 7)),
    min_size=1,
    max_size=3,
)
visits = st.lists(st.integers(0, 1000), min_size=1, max_size=30)


def cell(point: Any, bounds: Any, bins: Any) -> int:
    """Row-major index, one dimension at a time."""
    index = 0
    for x, (low, high), n in zip(point, bounds, bins, strict=True):
        if not low <= x <= high:
            return -1
        index = index * n + min(int((x - low) / (high - low) * n), n - 1)
    return index


@given(grid=grids, data=st.data())
def test_cells_are_those_of_a_loop(grid: list[tuple[float, float, int]], data: Any) -> None:
    bounds, bins = [(low, high) for low, high, _ in grid], [n for *_, n in grid]
    row = st.lists(numbers, min_size=len(grid), max_size=len(grid))
    points = data.draw(st.lists(row, min_size=1, max_size=9))
    index = cell_index(np.array(points, np.float32), bounds, bins)
    assert index.tolist() == [cell(point, bounds, bins) for point in points]


@pytest.mark.parametrize(
    ("point", "index"),
    [
        ((0.0, 0.0), 0),
        ((0.0, 1.0), 3),
        ((0.25, 0.0), 4),
        ((0.2499, 0.2499), 0),
        ((0.5, 0.75), 11),
        ((1.0, 1.0), 15),
        ((1.0001, 0.5), -1),
        ((0.5, -1e-6), -1),
        ((math.nan, 0.5), -1),
        ((math.inf, 0.5), -1),
    ],
)
def test_cells_of_a_four_by_four_grid(point: Any, index: int) -> None:
    assert cell_index(np.array([point], np.float32), UNIT, (4, 4)).tolist() == [index]


def test_dimensions_may_differ_in_bins() -> None:
    point = np.array([[0.9, 0.9]], np.float32)
    assert cell_index(point, UNIT, (2, 5)).tolist() == [9]
    assert cell_index(point, UNIT, (5, 2)).tolist() == [9]
    assert cell_index(point, ((0.0, 1.0), (0.0, 2.0)), (2, 5)).tolist() == [7]


def test_no_points_have_no_cells() -> None:
    assert cell_index(np.zeros((0, 2), np.float32), UNIT, (4, 4)).shape == (0,)


@pytest.mark.parametrize(
    ("counts", "share"), [([0, 0, 0, 0], 0.0), ([0, 7, 0, 0], 0.25), ([1, 1, 2, 9], 1.0)]
)
def test_coverage_is_the_share_of_visited_cells(counts: list[int], share: float) -> None:
    assert coverage(np.array(counts)) == share


@given(counts=visits)
def test_coverage_counts_cells_not_visits(counts: list[int]) -> None:
    assert coverage(np.array(counts)) == sum(n > 0 for n in counts) / len(counts)


@pytest.mark.parametrize("n_cells", [1, 2, 3, 7, 2500])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_even_visits_have_uniformity_one(n_cells: int, count: int) -> None:
    assert uniformity(np.full(n_cells, count)) == pytest.approx(1.0, abs=1e-6)


def test_no_visits_have_uniformity_zero() -> None:
    assert uniformity(np.zeros(9, np.int64)) == 0.0


def test_uniformity_of_one_cell_in_two() -> None:
    """p = (1, 0), q = (½, ½), m = (¾, ¼): JS = ½ [ln 4/3 + ½ ln 2/3 + ½ ln 2]."""
    divergence = 0.5 * (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    assert uniformity(np.array([5, 0])) == pytest.approx(1 - math.sqrt(divergence))


@given(counts=visits.filter(any))
def test_uniformity_is_that_of_a_loop(counts: list[int]) -> None:
    total, divergence = sum(counts), 0.0
    for n in counts:
        p, q = n / total, 1 / len(counts)
        m = (p + q) / 2
        divergence += ((p * math.log(p / m) if n else 0) + q * math.log(q / m)) / 2
    expected = 1 - math.sqrt(max(divergence, 0))
    assert uniformity(np.array(counts)) == pytest.approx(expected, abs=1e-6)


@given(counts=visits.filter(any), seed=st.integers(0, 99))
def test_uniformity_does_not_care_which_cell_is_which(counts: list[int], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(counts)
    assert uniformity(shuffled) == pytest.approx(uniformity(np.array(counts)), abs=1e-6)


@given(counts=visits.filter(any), factor=st.integers(2, 9))
def test_uniformity_does_not_care_how_many_visits_there_are(counts: Any, factor: int) -> None:
    assert uniformity(factor * np.array(counts)) == pytest.approx(
        uniformity(np.array(counts)), abs=1e-6
    )


@given(grid=grids, data=st.data())
def test_coverage_over_time_is_that_of_each_moment(
    grid: list[tuple[float, float, int]], data: Any
) -> None:
    bounds, bins = [(low, high) for low, high, _ in grid], [n for *_, n in grid]
    moment = st.lists(numbers, min_size=len(grid), max_size=len(grid))
    path = st.lists(moment, min_size=3, max_size=3)
    paths = data.draw(st.lists(path, min_size=1, max_size=6))
    for t, share in enumerate(coverage_over_time(np.array(paths, np.float32), bounds, bins)):
        visited = {cell(np.float32(p[t]), bounds, bins) for p in paths} - {-1}
        assert share == pytest.approx(len(visited) / math.prod(bins))


def test_nobody_covers_nothing() -> None:
    assert coverage_over_time(np.zeros((0, 3, 2), np.float32), UNIT, (5, 5)).tolist() == [0, 0, 0]

"""Resemblance of two spaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group, pearsonr

from qdx.metrics.spaces import correlation, displacement, drift


def cloud(n, dimension, seed):
    return np.random.default_rng(seed).normal(size=(n, dimension))


@given(st.integers(0, 10**6), st.integers(3, 20), st.integers(2, 4), st.floats(0.01, 100))
def test_a_similar_space_has_not_moved(seed, n, dimension, scale):
    x = cloud(n, dimension, seed)
    turned = scale * x @ ortho_group.rvs(dimension, random_state=seed) + 5
    assert displacement(x, turned) == pytest.approx(0, abs=1e-6)
    assert correlation(x, turned) == pytest.approx(1)


@given(st.integers(0, 10**6), st.integers(3, 40))
def test_distances_correlate_as_scipy_says(seed, n):
    x, y = cloud(n, 3, seed), cloud(n, 2, seed + 1)
    expected = pearsonr(pdist(x), pdist(y)).statistic
    assert correlation(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(
        expected, abs=1e-5
    )


@given(st.integers(0, 10**6), st.integers(3, 40))
def test_the_displacement_is_that_of_scipys_procrustes(seed, n):
    """SciPy scales the second cloud too; both agree on the rotation."""
    x, y = cloud(n, 3, seed), cloud(n, 3, seed + 1)
    a, b, _ = procrustes(x, y)
    a, b = a * np.sqrt(n), b * np.sqrt(n)
    b *= np.sqrt(n) / np.linalg.norm(b)
    rotation, _ = orthogonal_procrustes(b, a)
    expected = np.linalg.norm(b @ rotation - a, axis=1).mean()
    assert displacement(x, y) == pytest.approx(expected, rel=1e-6)


def test_unrelated_clouds_have_moved_by_more_than_one():
    assert 1 < displacement(cloud(500, 20, 0), cloud(500, 20, 1)) < 1.5


def test_failed_individuals_do_not_count():
    x, y = cloud(10, 2, 0), cloud(10, 2, 1)
    x[3], y[5] = np.nan, np.inf
    kept = [i for i in range(10) if i not in (3, 5)]
    assert drift(x, y) == drift(x[kept], y[kept])


def test_too_few_or_equal_points_have_no_figure():
    assert correlation(cloud(2, 2, 0), cloud(2, 2, 1)) is None
    assert correlation(np.zeros((5, 2)), cloud(5, 2, 1)) is None
    assert displacement(cloud(1, 2, 0), cloud(1, 2, 1)) is None
    assert displacement(np.zeros((5, 2)), cloud(5, 2, 1)) is None

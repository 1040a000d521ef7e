"""Variation operators: moments, shapes and purity."""

from __future__ import annotations

import numpy as np
import pytest

from qdx.core.rng import draw
from qdx.searchers.variation import gaussian, iso_line

ORIGIN = np.zeros((4000, 3), np.float32)
AWAY = ORIGIN + np.array([3, 0, 4], np.float32)


def test_gaussian_noise_has_the_deviation_asked_for() -> None:
    moved = gaussian(ORIGIN, 0.05, draw(0, "mutation"))
    assert moved.std() == pytest.approx(0.05, rel=0.03)
    assert abs(moved.mean()) < 0.002


def test_gaussian_noise_is_drawn_for_every_gene() -> None:
    moved = gaussian(ORIGIN, 1.0, draw(0, "mutation"))
    assert len(np.unique(moved)) == pytest.approx(moved.size, rel=0.01)
    assert np.abs(np.corrcoef(moved.T) - np.eye(3)).max() < 0.05


def test_the_line_is_the_one_to_the_partner() -> None:
    moved = iso_line(ORIGIN, AWAY, (0.0, 0.2), draw(0, "mutation"))
    along = moved @ np.array([0.6, 0, 0.8], np.float32)
    np.testing.assert_allclose(moved, along[:, None] * [[0.6, 0, 0.8]], atol=1e-5)
    assert along.std() == pytest.approx(0.2 * 5, rel=0.03)


def test_a_partner_like_oneself_leaves_isotropic_noise() -> None:
    moved = iso_line(AWAY, AWAY, (0.01, 0.2), draw(0, "mutation"))
    assert (moved - AWAY).std() == pytest.approx(0.01, rel=0.03)


def test_genes_given_are_left_alone() -> None:
    genes, others = ORIGIN[:5].copy(), AWAY[:5].copy()
    gaussian(genes, 1.0, draw(0, "mutation"))
    iso_line(genes, others, (1.0, 1.0), draw(0, "mutation"))
    np.testing.assert_array_equal(genes, ORIGIN[:5])
    np.testing.assert_array_equal(others, AWAY[:5])

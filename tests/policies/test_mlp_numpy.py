"""The controller in NumPy: the kernel's numbers, and bits that do not depend on the batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.policies.mlp import Mlp
from qdx.policies.mlp_numpy import NumpyMlp, half_tanh
from tests.policies.test_mlp import SHAPES, act, batch
from tests.reference.hard_maze import controller

ANT = Mlp(29, 8, hidden=10, layers=3)
ALL = [*SHAPES, ANT, Mlp(1, 1, hidden=1, layers=1)]


def test_the_ants_controller_has_574_genes():
    assert ANT.n_genes == 574


@pytest.mark.parametrize("shape", ALL)
def test_it_is_the_reference_controller(shape):
    genes, sights = batch(shape)
    sizes = (shape.n_in, shape.n_out, shape.hidden, shape.layers)
    expected = controller(genes, sights, *sizes)
    np.testing.assert_allclose(NumpyMlp(shape, genes)(sights), expected, atol=3e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_kernel_within_rounding(shape):
    genes, sights = batch(shape)
    np.testing.assert_allclose(NumpyMlp(shape, genes)(sights), act(shape, genes, sights), atol=3e-6)


@pytest.mark.parametrize("shape", ALL)
@given(rows=st.lists(st.integers(0, 63), min_size=1, max_size=80))
def test_a_row_has_the_same_bits_whatever_stands_around_it(shape, rows):
    genes, sights = batch(shape)
    whole = NumpyMlp(shape, genes)(sights)
    part = NumpyMlp(shape, genes[rows])(sights[rows])
    np.testing.assert_array_equal(part, whole[rows])


def test_memory_layout_does_not_change_a_bit():
    genes, sights = batch(ANT)
    whole = NumpyMlp(ANT, genes)(sights)
    strided = np.asfortranarray(sights)[::-1]
    flipped = NumpyMlp(ANT, np.asfortranarray(genes)[::-1])(strided)
    np.testing.assert_array_equal(flipped[::-1], whole)


def test_the_activation_is_within_4e7_of_tanh():
    x = np.concatenate([np.linspace(-40, 40, 200_001), np.logspace(-20, 2, 2001)])
    x = x.astype(np.float32)
    assert np.abs(half_tanh(x) - np.tanh(x.astype(np.float64) / 2)).max() < 4e-7
    assert np.abs(half_tanh(x)).max() <= 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_actions_are_finite_whatever_is_seen(bad):
    genes, sights = batch(ANT)
    sights[3, :2] = bad
    actions = NumpyMlp(ANT, genes)(sights)
    assert (np.abs(actions) <= 1).all()
    others = np.delete(np.arange(64), 3)
    np.testing.assert_array_equal(actions[others], NumpyMlp(ANT, genes)(batch(ANT)[1])[others])

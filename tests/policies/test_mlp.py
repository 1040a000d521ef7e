"""The controller: kernel, NumPy and torch say the same."""

import numpy as np
import pytest
import torch
import warp as wp

from qdx.policies.mlp import Mlp, half_tanh
from qdx.policies.mlp_torch import TorchMlp
from tests.reference.hard_maze import controller

SHAPES = [Mlp(5, 2), Mlp(6, 2, layers=3), Mlp(20, 20), Mlp(2, 2), Mlp(3, 1, hidden=10, layers=1)]
PAPER_SIZES = {Mlp(5, 2): 63, Mlp(6, 2, layers=3): 94, Mlp(20, 20): 228, Mlp(2, 2): 48}


def act(shape, genes, sights):
    """Actions of the kernel's policy."""
    program = shape.program("cpu")
    decide, Body = program.act, program.body
    Sight = wp.types.vector(shape.n_in, wp.float32)
    n_in, n_out = shape.n_in, shape.n_out

    @wp.kernel(enable_backward=False, module="unique")
    def kernel(body: Body, seen: wp.array2d(dtype=wp.float32), out: wp.array2d(dtype=wp.float32)):
        row = wp.tid()
        sight = Sight()
        for i in range(n_in):
            sight[i] = seen[row, i]
        action = decide(body, row, sight, 0)
        for i in range(n_out):
            out[row, i] = action[i]

    out = wp.zeros((len(genes), n_out), dtype=wp.float32, device="cpu")
    seen = wp.array(sights, dtype=wp.float32, device="cpu")
    wp.launch(kernel, dim=len(genes), inputs=[program.load(genes, "cpu"), seen, out], device="cpu")
    return out.numpy()


def batch(shape, n=64):
    rng = np.random.default_rng(shape.n_genes)
    genes = np.clip(rng.standard_normal((n, shape.n_genes)), -5, 5).astype(np.float32)
    return genes, rng.uniform(-2, 2, (n, shape.n_in)).astype(np.float32)


@pytest.mark.parametrize(("shape", "n_genes"), PAPER_SIZES.items())
def test_sizes_are_the_papers(shape, n_genes):
    assert shape.n_genes == n_genes


@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_is_the_numpy_controller(shape):
    genes, sights = batch(shape)
    sizes = (shape.n_in, shape.n_out, shape.hidden, shape.layers)
    np.testing.assert_allclose(
        act(shape, genes, sights), controller(genes, sights, *sizes), atol=3e-6
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_torch_module_is_the_numpy_controller(shape):
    genes, sights = batch(shape, n=8)
    sizes = (shape.n_in, shape.n_out, shape.hidden, shape.layers)
    there = controller(genes, sights, *sizes)
    for row in range(8):
        module = TorchMlp.load(shape, genes[row])
        with torch.no_grad():
            here = module(torch.from_numpy(sights[row])).numpy()
        np.testing.assert_allclose(here, there[row], atol=3e-6)


@wp.kernel(enable_backward=False)
def squash(x: wp.array(dtype=wp.float32), y: wp.array(dtype=wp.float32)):
    """half_tanh of each."""
    y[wp.tid()] = half_tanh(x[wp.tid()])


def test_the_activation_is_within_4e7_of_tanh():
    x = np.concatenate([np.linspace(-40, 40, 200_001), np.logspace(-20, 2, 2001)])
    x = x.astype(np.float32)
    y = wp.zeros(len(x), dtype=wp.float32, device="cpu")
    wp.launch(squash, dim=len(x), inputs=[wp.array(x, device="cpu"), y], device="cpu")
    assert np.abs(y.numpy() - np.tanh(x.astype(np.float64) / 2)).max() < 4e-7
    assert np.abs(y.numpy()).max() <= 1.0

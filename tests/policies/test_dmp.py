"""The open-loop policy: kernel and torch say what the formula says; genes start as the paper's."""

import numpy as np
import pytest
import torch
import warp as wp

from qdx.assembly.config import load
from qdx.assembly.parts import build, build_policy
from qdx.encodings.direct import Direct
from qdx.policies.dmp import Dmp
from qdx.policies.dmp_torch import TorchDmp

PAPERS = Dmp(6, 2, horizon=300)
SHAPES = [PAPERS, Dmp(2, 3, horizon=50, degree=0), Dmp(1, 1, horizon=7, degree=3, cuts=True)]
N = 32


def acts(shape, genes):
    """(B, T, A) actions of the kernel's policy over an episode."""
    program = shape.program("cpu")
    decide, Body = program.act, program.body
    Sight = wp.types.vector(shape.n_in, wp.float32)
    n_out = shape.n_out

    @wp.kernel(enable_backward=False, module="unique")
    def kernel(body: Body, out: wp.array3d(dtype=wp.float32)):
        row, step = wp.tid()
        action = decide(body, row, Sight(), step)
        for i in range(n_out):
            out[row, step, i] = action[i]

    out = wp.zeros((len(genes), shape.horizon, n_out), dtype=wp.float32, device="cpu")
    wp.launch(kernel, dim=out.shape[:2], inputs=[program.load(genes, "cpu"), out], device="cpu")
    return out.numpy()


def formula(shape, genes):
    """The same from the paper's formula, float64, term by term."""
    out = np.zeros((len(genes), shape.horizon, shape.n_out))
    for row, genome in enumerate(genes.astype(np.float64)):
        for step in range(shape.horizon):
            t = step / shape.horizon
            if shape.cuts and t > min(max(0.75 + genome[-1], 0), 1):
                continue
            for i in range(shape.n_out):
                *w, offset = genome[i * (shape.degree + 2) : (i + 1) * (shape.degree + 2)]
                u = sum(w[j] * np.cos(t / (1 + offset)) ** j for j in range(shape.degree + 1))
                out[row, step, i] = np.clip(u, -1, 1)
    return out


def genes(shape):
    """As a campaign draws them, and then moved: scales near 1, but not 1."""
    rng = np.random.default_rng(shape.n_genes)
    fresh = Direct(shape.n_genes, start=shape.initial).initial(N, rng)
    return (fresh + 0.05 * rng.standard_normal(fresh.shape)).astype(np.float32)


def test_billiard_has_fifteen_genes_as_in_the_paper():
    config = load({"task": "billiard", "searcher": "random_search", "budget": 1})
    assert build_policy(config) == PAPERS
    assert PAPERS.n_genes == 15


@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_is_the_papers_formula(shape):
    np.testing.assert_allclose(acts(shape, genes(shape)), formula(shape, genes(shape)), atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_torch_module_is_the_papers_formula(shape):
    here = np.empty((N, shape.horizon, shape.n_out))
    steps = torch.arange(shape.horizon)
    with torch.no_grad():
        for row, genome in enumerate(genes(shape)):
            module = TorchDmp.load(shape, genome)
            here[row] = module(torch.zeros(shape.horizon, shape.n_in), steps).numpy()
    np.testing.assert_allclose(here, formula(shape, genes(shape)), atol=1e-5)


def test_one_observation_gives_one_action():
    module = TorchDmp.load(PAPERS, genes(PAPERS)[0])
    assert module(torch.zeros(6), 3).shape == (2,)
    assert torch.equal(module(torch.ones(5, 6), 3), module(torch.zeros(6), 3).expand(5, 2))


def test_some_actions_saturate_and_some_do_not():
    size = np.abs(acts(PAPERS, genes(PAPERS)))
    assert size.max() == 1
    assert 0.1 < (size < 1).mean() < 0.9


def test_genes_start_as_in_the_paper():
    config = load({"task": "billiard", "searcher": "random_search", "budget": 1, "seed": 3})
    parts = build(config)
    fresh = parts.searcher.ask().genes
    many = Direct(15, start=parts.policy.initial).initial(4000, np.random.default_rng(0))
    for batch in (fresh, many):
        weights, scale, length = PAPERS.split(batch)
        assert (scale == 1).all()
        assert ((length >= 0.5) & (length <= 1)).all()
    assert abs(weights.mean()) < 0.02
    assert abs(weights.std() - 1) < 0.02
    np.testing.assert_allclose(
        np.quantile(length, [0.25, 0.5, 0.75]), [0.625, 0.75, 0.875], atol=0.02
    )


def test_a_scale_of_nearly_nothing_gives_numbers():
    spoilt = np.zeros((1, 15), np.float32)
    spoilt[0, :7] = [1, 1, 1, 1, 1, 1, -1]
    assert np.isfinite(acts(PAPERS, spoilt)).all()


def test_the_action_length_ends_the_actions_only_where_it_is_used():
    genome = np.ones((1, PAPERS.n_genes), np.float32)
    genome[0, -1] = -0.25  # half of the episode
    used = acts(Dmp(6, 2, horizon=300, cuts=True), genome)[0]
    ignored = acts(PAPERS, genome)[0]
    assert (used[:151] != 0).all()
    assert (used[151:] == 0).all()
    assert (ignored != 0).all()

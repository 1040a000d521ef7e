"""Sensitivities of safe mutations: finite differences of forward passes written out here."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from qdx.core.errors import ConfigError
from qdx.core.types import take
from qdx.encodings.noise import Philox
from qdx.encodings.on_device import OnDevice
from qdx.encodings.seed_chain import Decoder, OnHost, Parent, SeedChain, dense
from qdx.policies.dmp import Dmp
from qdx.policies.mlp import Mlp
from qdx.policies.network import Conv, Network
from qdx.rollout import output_gradients
from qdx.rollout.output_gradients import OutputGradients, bounded, build, states
from qdx.tasks.image_maze import ImageMaze
from qdx.tasks.sensor_maze import SensorMaze
from tests.encodings.test_seed_chain import leaves, tree

ROOT = Path(__file__).parents[2]
STEP = 1e-5
EYES = Network(
    (2, 9, 9), 3, (Conv(3, 4, 2), Conv(2, 3, 1)), (4,), padding="same", activation="tanh"
)
SHAPES = {"mlp": Mlp(3, 2, hidden=4), "conv": EYES, "dense": Network((5,), 2, hidden=(4, 3))}


def of_mlp(shape, genes, seen):
    x = seen
    for weights, bias in shape.matrices(genes[None]):
        x = np.tanh((x @ weights[0] + bias[0]) / 2)
    return x


def convolved(layer, x, kernels, biases):
    """A convolution pixel by pixel, channels last."""
    before, after = layer.pad
    x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    k, stride = layer.conv.kernel, layer.conv.stride
    n = (x.shape[1] - k) // stride + 1
    out = np.empty((len(x), n, n, layer.n_out))
    for i in range(n):
        for j in range(n):
            patch = x[:, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, i, j] = np.einsum("bhwc,hwco->bo", patch, kernels) + biases
    return np.maximum(out, 0)


def of_network(shape, genes, seen):
    """Genes as documented: kernels (height, width, in, out), pictures flattened channels last."""
    x = seen.transpose(0, 2, 3, 1) if seen.ndim == 4 else seen
    for layer in shape.layers:
        weights = genes[layer.start : layer.end].reshape(layer.weights)
        biases = genes[layer.end : layer.end + layer.n_out]
        if layer.conv is not None:
            x = convolved(layer, x, weights, biases)
            continue
        x = x.reshape(len(x), -1) @ weights + biases
        if layer is not shape.layers[-1] and layer.end != shape.layers[-1].end:
            x = np.tanh(x) if shape.activation == "tanh" else np.maximum(x, 0)
    return x


def by_differences(shape, genes, seen):
    """sqrt of the sum over outputs of the squared slope of their sum over states."""
    forward = of_mlp if isinstance(shape, Mlp) else of_network
    slopes = np.empty((len(genes), shape.n_out))
    for i in range(len(genes)):
        up, down = (forward(shape, nudged(genes, i, by), seen) for by in (STEP, -STEP))
        slopes[i] = (up - down).sum(axis=0) / (2 * STEP)
    return np.sqrt((slopes**2).sum(axis=1))


def nudged(genes, i, by):
    moved = genes.astype(float)
    moved[i] += by
    return moved


def given(shape, seen, monkeypatch):
    """The sensitivity on states that a test has chosen."""
    monkeypatch.setattr(output_gradients, "_states", lambda _: torch.from_numpy(seen))
    return OutputGradients(None, shape, len(seen), 0)


def some(shape, n=6):
    rng = np.random.default_rng(3)
    genes = rng.normal(0, 0.5, shape.n_genes).astype(np.float32)
    sight = getattr(shape, "sight", None) or (shape.n_in,)
    return genes, rng.uniform(-1, 1, (n, *sight))


@pytest.mark.parametrize("name", SHAPES)
def test_sensitivities_are_those_of_finite_differences(name, monkeypatch):
    shape = SHAPES[name]
    genes, seen = some(shape)
    got = given(shape, seen, monkeypatch).of(genes)
    expected = by_differences(shape, genes, seen)
    is_reached = expected > 1e-6
    assert is_reached.mean() > 0.5
    np.testing.assert_allclose(
        got[is_reached], np.maximum(expected[is_reached], 0.01), rtol=1 / 32 + 1e-4
    )
    assert (got[expected == 0] == 1).all()  # in between differences say nothing


def test_parameters_behind_a_dead_unit_have_a_sensitivity_of_one(monkeypatch):
    shape = Network((2,), 1, hidden=(2,))
    genes = np.array([1, 1, 1, 1, 0, -100, 3, 5, 0], np.float32)  # the second unit never fires
    got = given(shape, np.ones((4, 2)), monkeypatch).of(genes)
    assert got.tolist() == [12, 1, 12, 1, 12, 1, 8, 1, 4]


def test_what_processors_round_otherwise_is_rounded_away():
    rng = np.random.default_rng(0)
    s = 10 ** rng.uniform(-12, 6, 100_000)
    jittered = s * (1 + 1e-13 * rng.standard_normal(len(s)))
    assert np.array_equal(bounded(s), bounded(jittered))
    large = s[s >= 0.01]
    assert (np.abs(bounded(large) / large - 1) <= 1 / 32).all()
    assert bounded(np.array([0, 1e-15, 1e-3, 1.0])).tolist() == [1, 1, np.float32(0.01), 1]


def safe_chain(**keys):
    task = SensorMaze()
    shape = Mlp(len(task.facts.observation), len(task.facts.action))
    return SeedChain(shape, Philox(), sensitivity=build(task, shape, 5, 1), **keys)


def test_a_child_is_its_parent_and_noise_over_the_parents_sensitivity():
    made = safe_chain()
    lineage = tree(12, made)
    decoded = dense(made, leaves(lineage))
    noise = np.empty(made.policy.n_genes, np.float32)
    for row in range(1, 12):
        parent = decoded[lineage.parents[row]]
        made.noise.fill(int(lineage.seeds[row]), 0, noise)
        move = lineage.sigmas[row] * noise / made.sensitivity.of(parent)
        assert np.array_equal(decoded[row], parent + np.clip(move, -10, 10))
    plain = dense(replace(made, sensitivity=None), leaves(lineage))
    assert np.array_equal(plain[0], decoded[0])
    assert not (plain[1:] == decoded[1:]).all(axis=1).any()


def test_neither_caches_nor_devices_change_a_bit_of_a_safe_chain():
    lineage = tree(40, safe_chain())
    whole = dense(safe_chain(), leaves(lineage))
    for cache in (1, 3):
        made = safe_chain(cache=cache)
        out = torch.empty(made.policy.n_genes)
        there = Decoder(made, OnDevice(made, "cpu"))
        for row in (39, 7, 20):
            there.write(leaves(lineage), row, out)
            assert np.array_equal(out.numpy(), whole[row])
    backwards = take(leaves(lineage), np.arange(39, -1, -13))
    assert np.array_equal(dense(safe_chain(cache=2), backwards), whole[39::-13])


def test_a_move_is_no_farther_than_ten():
    made = safe_chain()
    out, zeros = np.empty(made.policy.n_genes, "f4"), np.zeros(made.policy.n_genes, "f4")
    tiny = np.full_like(zeros, 0.01)
    OnHost(made).mutate(Parent(zeros, tiny), np.float32(1), 5, out)
    assert np.abs(out).max() == 10


def test_the_sensitivity_of_a_parent_is_computed_once(monkeypatch):
    made, asked = safe_chain(), []
    inner = OutputGradients.of
    monkeypatch.setattr(OutputGradients, "of", lambda s, p: asked.append(1) or inner(s, p))
    lineage = tree(30, made)
    decoder, out = Decoder(made, OnHost(made)), np.empty(made.policy.n_genes, np.float32)
    for row in range(30):
        decoder.write(leaves(lineage), row, out)
    assert len(asked) == len(set(lineage.parents.tolist()) - {-1})


SCRIPT = """
from tests.rollout.test_output_gradients import *
print(dense(safe_chain(), leaves(tree(60, safe_chain()))).tobytes().hex())
"""


def test_safe_chains_decode_to_the_same_bits_in_a_fresh_process():
    command = [sys.executable, "-c", SCRIPT]
    there = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    here = dense(safe_chain(), leaves(tree(60, safe_chain())))
    assert there.stdout.strip() == here.tobytes().hex()


def test_states_are_moments_of_the_task_that_differ():
    for task in (SensorMaze(), ImageMaze()):
        seen = states(task, 6, 1)
        assert len(seen) == 6
        assert np.array_equal(seen, states(task, 6, 1))
        assert len(np.unique(seen.reshape(6, -1), axis=0)) == 6
        assert not np.array_equal(seen, states(task, 6, 2))


def test_equal_sensitivities_are_one_and_travel():
    one = build(SensorMaze(), Mlp(11, 2), 5, 1)
    assert pickle.loads(pickle.dumps(one)) == one == build(SensorMaze(), Mlp(11, 2), 5, 1)
    assert hash(one) == hash(pickle.loads(pickle.dumps(one)))
    assert one != build(SensorMaze("smallest"), Mlp(11, 2), 5, 1)
    assert one != build(SensorMaze(), Mlp(11, 2), 5, 2)


@pytest.mark.parametrize("policy", [Mlp(11, 2), Dmp(11, 2, 400)])
def test_policies_that_do_not_look_at_the_task_are_refused(policy):
    with pytest.raises(ConfigError, match=r"encoding\.mutation: expected plain"):
        build(ImageMaze(), policy, 5, 1)

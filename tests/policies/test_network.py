"""The networks of Deep GA: sizes, first weights, padding, and many of them as one batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qdx.core.errors import ConfigError
from qdx.policies.network import (
    DqnParameters,
    HumanoidMlpParameters,
    Network,
    dqn_large,
    dqn_small,
    humanoid_mlp,
    padding,
)
from qdx.policies.network_torch import Networks, TorchNetwork
from qdx.tasks import point

ATARI = replace(point.FACTS, image=(4, 84, 84), action=tuple(f"action {i}" for i in range(18)))
HUMANOID = replace(
    point.FACTS,
    observation=tuple(f"o{i}" for i in range(376)),
    action=tuple(f"a{i}" for i in range(17)),
)


def genes(shape, n, seed=0):
    return shape.initial(np.random.default_rng(seed).standard_normal((n, shape.n_genes), "f4"))


def small(**keys):
    return dqn_small(DqnParameters(**keys), replace(ATARI, action=("a", "b", "c")))


def loaded(shape, flat, method="grouped"):
    nets = Networks(shape, len(flat), method=method)
    for slot, row in enumerate(flat):
        nets.load(slot, torch.from_numpy(row))
    return nets


@pytest.mark.parametrize(
    ("build", "pad", "n_genes"),
    [
        (dqn_large, "same", 4_052_658),  # the paper's "4M+", checked with torch
        (dqn_large, "valid", 1_693_362),
        (dqn_small, "same", 1_008_450),
        (dqn_small, "valid", 680_770),
    ],
)
def test_sizes_are_those_of_the_released_networks(build, pad, n_genes):
    assert build(DqnParameters(padding=pad), ATARI).n_genes == n_genes


def test_the_humanoid_has_the_released_size():
    assert humanoid_mlp(HumanoidMlpParameters(), HUMANOID).n_genes == 166_673


def test_padding_is_tensorflows():
    shape = dqn_large(DqnParameters(), ATARI)
    assert [layer.pad for layer in shape.layers[:3]] == [(2, 2), (1, 2), (1, 1)]
    assert [layer.seen[1] for layer in shape.layers[:3]] == [84, 21, 11]
    for side in range(5, 40):  # SAME means ceil(side / stride), by definition
        for conv in (layer.conv for layer in shape.layers[:3]):
            total = sum(padding(side, conv, "same"))
            assert (side + total - conv.kernel) // conv.stride + 1 == -(-side // conv.stride)


def test_first_weights_have_the_released_scale():
    shape = dqn_large(DqnParameters(), ATARI)
    made = genes(shape, 1)[0]
    expected = [0.0625, 0.0442, 0.0417, 0.01136, 0.00442]
    for layer, std in zip(shape.layers, expected, strict=True):
        assert made[layer.start : layer.end].std() == pytest.approx(std, rel=0.02)
        assert not made[layer.end : layer.end + layer.n_out].any()


def test_columns_of_the_humanoid_have_their_norm():
    shape = humanoid_mlp(HumanoidMlpParameters(), HUMANOID)
    made = genes(shape, 1)[0]
    for layer, gain in zip(shape.layers, (1, 1, 0.01), strict=True):
        columns = made[layer.start : layer.end].reshape(layer.weights)
        np.testing.assert_allclose(np.linalg.norm(columns, axis=0), gain, rtol=1e-5)


def by_hand(shape, row, frames):
    """NHWC by loops over the kernel: what the released code's layers say, in float64."""
    x = frames.transpose(1, 2, 0).astype(np.float64) / 255
    for layer in shape.layers:
        w = row[layer.start : layer.end].reshape(layer.weights).astype(np.float64)
        b = row[layer.end : layer.end + layer.n_out]
        if layer.conv is None:
            x = x.ravel() @ w + b
            x = x if layer is shape.layers[-1] or len(x) == shape.n_out else np.maximum(x, 0)
            continue
        x = np.pad(x, (layer.pad, layer.pad, (0, 0)))
        k, s = layer.conv.kernel, layer.conv.stride
        side = (len(x) - k) // s + 1
        out = np.zeros((side, side, layer.n_out))
        for i in range(k):
            for j in range(k):
                out += x[i : i + s * side : s, j : j + s * side : s][:side, :side] @ w[i, j]
        x = np.maximum(out + b, 0)
    return x


@pytest.mark.parametrize("pad", ["same", "valid"])
def test_modules_and_batches_compute_what_the_layers_say(pad):
    shape = small(padding=pad)
    flat = genes(shape, 3) + np.float32(0.01)  # biases too
    frames = np.random.default_rng(1).integers(0, 256, (3, 4, 84, 84), np.uint8)
    expected = np.stack([by_hand(shape, g, f) for g, f in zip(flat, frames, strict=True)])
    sight = torch.from_numpy(frames)
    alone = torch.stack([TorchNetwork.load(shape, g)(f) for g, f in zip(flat, sight, strict=True)])
    np.testing.assert_allclose(alone.detach().numpy(), expected, atol=1e-4)
    for method in ("grouped", "unfold"):
        made = loaded(shape, flat, method)(sight[:, None])[:, 0]
        np.testing.assert_allclose(made.numpy(), expected, atol=1e-4)


def test_dense_networks_too():
    shape = humanoid_mlp(HumanoidMlpParameters(hidden=(32, 16)), HUMANOID)
    flat = genes(shape, 4) * 3
    sight = torch.randn(4, 5, 376, generator=torch.Generator().manual_seed(0))
    made = loaded(shape, flat)(sight)
    for row, x, out in zip(flat, sight, made, strict=True):
        np.testing.assert_allclose(TorchNetwork.load(shape, row)(x).detach(), out, atol=1e-5)
        (w1, b1), (w2, b2), (w3, b3) = (
            (
                row[y.start : y.end].reshape(y.weights),
                row[y.end : y.end + y.n_out],
            )
            for y in shape.layers
        )
        expected = np.tanh(np.tanh(x.numpy() @ w1 + b1) @ w2 + b2) @ w3 + b3
        np.testing.assert_allclose(out, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["grouped", "unfold"])
@pytest.mark.parametrize("lanes", [1, 3])
def test_an_answer_has_the_same_bits_in_every_slot(method, lanes):
    shape = small(padding="valid")
    flat = genes(shape, 9)
    sight = torch.rand(9, lanes, 4, 84, 84, generator=torch.Generator().manual_seed(0))
    whole = loaded(shape, flat, method)(sight)
    for rows in ([8, 3], [5, 0, 1, 7, 2], [*range(8, -1, -1)]):
        assert torch.equal(loaded(shape, flat[rows], method)(sight[rows]), whole[rows])
    alone = loaded(shape, flat[[4]], method)  # padded to two
    answer = alone(torch.cat([sight[[4]], sight[[4]]]))[0]
    assert torch.equal(answer, whole[4])


def test_a_state_dict_loads_into_plain_layers():
    shape = small()
    flat = genes(shape, 1)[0]
    there = TorchNetwork.load(shape, flat)
    nn = torch.nn
    plain = nn.Sequential(
        nn.ZeroPad2d((2, 2, 2, 2)), nn.Conv2d(4, 16, 8, 4), nn.ReLU(),
        nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(16, 32, 4, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(3872, 256), nn.ReLU(), nn.Linear(256, 3),
    )  # fmt: skip
    plain.load_state_dict(there.state_dict())
    x = torch.rand(2, 4, 84, 84)
    assert torch.equal(plain(x), there(x))
    assert torch.equal(there((x * 255).byte()), there((x * 255).byte() / 255))
    assert F.mse_loss(there(x[0]), plain(x)[0]) < 1e-8


def test_a_network_needs_what_it_looks_at():
    with pytest.raises(ConfigError, match=r"policy\.kind.*has no frames"):
        dqn_large(DqnParameters(), point.FACTS)
    with pytest.raises(ConfigError, match=r"policy\.kind.*seen in frames"):
        humanoid_mlp(HumanoidMlpParameters(), ATARI)
    with pytest.raises(ConfigError, match="inside a kernel"):
        Network((3,), 2).program("cpu")

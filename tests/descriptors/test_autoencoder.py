"""The learned descriptor: what the papers' networks are, what a training does, and its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from qdx.core.errors import ConfigError
from qdx.descriptors import training
from qdx.descriptors.autoencoder import FAR, ROWS, Autoencoder
from qdx.descriptors.networks import build as build_network
from qdx.descriptors.parameters import AutoencoderParameters
from qdx.descriptors.setting import DescriptorSetting
from qdx.rollout.drawing import Drawing
from qdx.tasks.point import Point
from tests.conformance.descriptor import DescriptorConformance
from tests.conformance.making import equal, travelled

DRAW = Drawing(Point(), 16)
FRAMES = DescriptorSetting(
    "frames", ((-np.inf, np.inf),) * 6, n_samples=3, seed=1, frame_size=16, draw=DRAW
)
VECTORS = DescriptorSetting("path", ((-1.0, 1.0),) * 10, n_samples=5, seed=1)
QUICK = AutoencoderParameters(max_epochs=2, batch=16, hidden=(8,), latent=4)
NONE_FAILED = np.zeros(12, bool)
PRECISIONS = ("float32", "bfloat16")


def seen(n: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "frames": rng.uniform(-1, 1, (n, 3, 2)).astype(np.float32),
        "path": rng.uniform(-1, 1, (n, 5, 2)).astype(np.float32),
    }


def make(**keys: Any) -> Autoencoder:
    p = replace(QUICK, **keys)
    return Autoencoder(p, VECTORS if p.network == "mlp" else FRAMES)


class TestAutoencoder(DescriptorConformance):
    @pytest.fixture(
        params=[
            ("stax", "float32"),
            ("taxons", "float32"),
            ("mlp", "float32"),
            ("stax", "bfloat16"),
        ],
        ids="-".join,
    )
    def build(self, request: pytest.FixtureRequest) -> Callable[[], Autoencoder]:
        network, precision = request.param
        return lambda: make(network=network, precision=precision)

    @pytest.fixture
    def observations(self) -> dict[str, Any]:
        return seen()

    def test_the_untrained_space_is_the_seeds(self, build: Any, observations: Any) -> None:
        one, other = build(), build()
        torch.manual_seed(3)  # another generator's state changes nothing
        assert equal(
            one.describe(observations, NONE_FAILED), other.describe(observations, NONE_FAILED)
        )

    def test_learning_moves_the_space(self, descriptor: Any, observations: Any) -> None:
        before = descriptor.describe(observations, NONE_FAILED)
        told = descriptor.learn(observations)
        after = descriptor.describe(observations, NONE_FAILED)
        assert (before.space, after.space) == (0, 1)
        assert not equal(before.descriptors, after.descriptors)
        assert told["samples"] == 12
        assert told["epochs"] == 2

    def test_two_trainings_give_the_same_bits(self, build: Any, observations: Any) -> None:
        one, other = build(), build()
        other.describe(observations, NONE_FAILED)
        for descriptor in (one, other):
            descriptor.learn(observations)
            descriptor.learn(observations)
        assert equal(one.state(), other.state())

    def test_goes_on_learning_from_its_state(self, build: Any, observations: Any) -> None:
        one, other = build(), build()
        one.learn(observations)
        other.restore(travelled(one.state()))
        assert equal(other.learn(observations), one.learn(observations))
        assert equal(other.state(), one.state())

    def test_the_callers_threads_change_nothing(self, build: Any, observations: Any) -> None:
        states, threads = [], torch.get_num_threads()
        for n in (1, 3):
            torch.set_num_threads(n)
            descriptor = build()
            descriptor.learn(observations)
            states.append(descriptor.state())
            assert torch.get_num_threads() == n
        torch.set_num_threads(threads)
        assert equal(states[0], states[1])

    def test_surprise_is_the_sum_of_the_frames_errors(
        self, descriptor: Any, observations: Any
    ) -> None:
        described = descriptor.describe(observations, NONE_FAILED)
        back = descriptor.reconstruct(observations)
        if descriptor.dimension() == QUICK.latent:  # a vector, shown as it is before any training
            there = observations["path"].reshape(12, -1)
        else:
            there = DRAW(observations["frames"]).reshape(36, 16, 16, 3) / 255
        errors = ((back - there) ** 2).reshape(len(there), -1).mean(axis=1)
        expected = errors.reshape(12, -1).sum(axis=1)
        np.testing.assert_allclose(described.surprise, expected, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, ROWS, ROWS + 1, 3 * ROWS])
def test_a_frame_has_the_same_bits_in_every_place_of_a_batch(rows: int) -> None:
    descriptor = Autoencoder(AutoencoderParameters(), replace(FRAMES, n_samples=1))
    all_rows = np.random.default_rng(1).uniform(-1, 1, (3 * ROWS, 1, 2)).astype(np.float32)
    whole = descriptor.describe({"frames": all_rows}, np.zeros(len(all_rows), bool))
    at = np.random.default_rng(2).permutation(len(all_rows))[:rows]
    some = descriptor.describe({"frames": all_rows[at]}, np.zeros(rows, bool))
    assert equal(some.descriptors, whole.descriptors[at])
    assert equal(some.surprise, whole.surprise[at])


def shapes(module: torch.nn.Module, x: torch.Tensor) -> list[tuple[int, ...]]:
    """After each layer that has weights, and the last."""
    found = []
    for layer in module:  # type: ignore[attr-defined]
        x = layer(x)
        if any(True for _ in layer.parameters()):
            found.append(tuple(x.shape[1:]))
    return found


def test_the_stax_network_is_the_papers() -> None:
    network = build_network(AutoencoderParameters(), side=64, n_numbers=12288, seed=0)
    there = [(32, 32, 32), (64, 16, 16), (32, 8, 8), (16, 4, 4), (10,)]
    assert shapes(network.encoder, torch.zeros(2, 3, 64, 64)) == there
    back = [(256,), (32, 8, 8), (64, 16, 16), (32, 32, 32), (3, 64, 64)]
    assert shapes(network.decoder, torch.zeros(2, 10)) == back
    weights = sum(p.numel() for p in network.parameters())
    convolutions = 16 * 2 * (3 * 32 + 32 * 64 + 64 * 32 + 32 * 16)
    assert weights == convolutions + 2 * 2560 + (32 + 64 + 32 + 16 + 10) + (256 + 32 + 64 + 32 + 3)


def test_the_taxons_network_is_the_papers() -> None:
    p = AutoencoderParameters(network="taxons")
    network = build_network(p, side=64, n_numbers=12288, seed=0).eval()
    sizes = [(32, 32, 32), (128, 16, 16), (128, 8, 8), (64, 4, 4)]
    there = [s for s in sizes for _ in range(2)] + [(1024,), (256,), (10,)]  # each is normalised
    assert shapes(network.encoder, torch.zeros(2, 3, 64, 64)) == there
    sizes = [(64, 8, 8), (32, 16, 16), (32, 32, 32)]
    back = [(256,), (512,), (32, 4, 4), *[s for s in sizes for _ in range(2)], (3, 64, 64)]
    assert shapes(network.decoder, torch.zeros(2, 10)) == back
    biases = [n for n, p in network.named_parameters() if n.endswith("bias") and p.ndim == 1]
    normalised = 4 + 1 + 3
    assert len(biases) == normalised  # layers have none


@pytest.mark.parametrize(("activation", "low"), [("selu", -1.7581), ("linear", -np.inf)])
def test_selu_bounds_the_latent_and_linear_does_not(activation: str, low: float) -> None:
    p = AutoencoderParameters(network="mlp", latent_activation=activation, hidden=())  # type: ignore[arg-type]
    network = build_network(p, side=0, n_numbers=4, seed=0)
    latents = network.encoder(torch.randn(200, 4) * 100).detach()
    assert (float(latents.min()) < -5) == (low == -np.inf)
    assert float(latents.min()) > low - 1e-3


def test_the_last_frame_alone_may_be_the_descriptor() -> None:
    whole, last = make(), make(described="last")
    a, b = (d.describe(seen(), NONE_FAILED) for d in (whole, last))
    assert equal(b.descriptors, a.descriptors[:, -4:])
    assert equal(b.surprise, a.surprise)  # of all frames, which it learns from


def test_frames_kept_as_pixels_are_encoded_as_drawn_ones_are() -> None:
    sketches = seen()["frames"]
    drawn = make().describe({"frames": sketches}, NONE_FAILED)
    assert equal(make().describe({"frames": DRAW(sketches)}, NONE_FAILED), drawn)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_learns(precision: str) -> None:
    """A hundred paths on a plane in ten dimensions fit into four numbers."""
    plane = np.random.default_rng(0).normal(size=(100, 2)) @ np.random.default_rng(1).normal(
        size=(2, 10)
    )
    paths = {"path": plane.reshape(100, 5, 2).astype(np.float32)}
    descriptor = make(
        network="mlp", hidden=(16,), max_epochs=60, learning_rate=0.01, precision=precision
    )
    before = float(descriptor.describe(paths, np.zeros(100, bool)).surprise.sum())
    told = descriptor.learn(paths)
    after = float(descriptor.describe(paths, np.zeros(100, bool)).surprise.sum())
    assert after < 0.1 * before
    assert told["validation_loss"] < 0.1


def test_a_number_that_stood_still_in_the_first_training_does_not_drown_the_others() -> None:
    descriptor, paths = make(network="mlp"), seen(100)["path"]
    paths[:, 4, 1] = 1e-9 * np.arange(100)
    assert descriptor.learn({"path": paths}) is not None
    paths[0, 4, 1] = 0.3  # a hundred million deviations away
    surprise = descriptor.describe({"path": paths}, np.zeros(100, bool)).surprise
    assert surprise[0] > 10 * surprise[1:].max()
    assert surprise[0] <= 2 * FAR**2
    told = descriptor.learn({"path": paths})
    assert told is not None
    assert told["training_loss"] < FAR**2


@pytest.mark.parametrize("network", ["stax", "taxons"])
@pytest.mark.parametrize("n", [2, 6, 21])
def test_any_number_of_individuals_can_be_learnt_from(network: str, n: int) -> None:
    """Of 2, 6 and 21, 1, 5 and 17 are learnt from: 1 more than whole batches of 2, 4 and 16."""
    one_frame = replace(FRAMES, n_samples=1)
    p = replace(QUICK, network=network, batch={2: 2, 6: 4, 21: 16}[n])
    told = Autoencoder(p, one_frame).learn({"frames": seen(n)["frames"][:, :1]})
    assert told is not None
    assert np.isfinite([told["training_loss"], told["validation_loss"]]).all()


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 18, 32, 33])
def test_minibatches_hold_every_row_once_and_none_holds_a_single_one(n: int) -> None:
    batches = training.minibatches(np.arange(n), 16)
    assert min(map(len, batches)) > 1
    assert max(map(len, batches)) <= 17
    assert np.concatenate(batches).tolist() == ([0, 0] if n == 1 else list(range(n)))


def test_an_untrained_encoder_never_moves() -> None:
    descriptor = make(train=False)
    assert descriptor.learn(seen()) is None
    assert descriptor.describe(seen(), NONE_FAILED).space == 0


def test_an_untrained_encoder_that_is_reset_is_another_one_each_time() -> None:
    descriptor = make(train=False, reset=True)
    first = descriptor.describe(seen(), NONE_FAILED)
    assert descriptor.learn(seen()) == {}
    second = descriptor.describe(seen(), NONE_FAILED)
    assert second.space == 1
    assert not equal(first.descriptors, second.descriptors)


def test_a_reset_forgets_what_was_learnt_before() -> None:
    taught, fresh = make(reset=True), make(reset=True)
    taught.learn(seen(8))
    fresh.restore(fresh.state()._replace(json={"space": 1}))
    assert equal(taught.learn(seen()), fresh.learn(seen()))
    assert equal(taught.state(), fresh.state())


def test_a_single_individual_teaches_nothing() -> None:
    assert make().learn(seen(1)) is None


def test_a_convolution_needs_frames() -> None:
    with pytest.raises(ConfigError, match=r"descriptor\.network: expected mlp for .*'path'"):
        Autoencoder(QUICK, VECTORS)


class Scripted:
    """Stands in for validation: errors by epoch."""

    def __init__(self, errors: list[float]) -> None:
        self.errors, self.weights = iter(errors), []

    def __call__(self, network: Any, *rest: Any) -> float:
        self.weights.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(self.errors)


def scripted(monkeypatch: pytest.MonkeyPatch, errors: list[float], **keys: Any) -> Any:
    script = Scripted(errors)
    monkeypatch.setattr(training, "validation_error", script)
    descriptor = make(network="mlp", max_epochs=101, **keys)
    told = descriptor.learn(seen())
    return descriptor, told, script


def weights_of(descriptor: Autoencoder) -> dict[str, Any]:
    state = descriptor.state().arrays
    return {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}


def test_a_training_ends_four_validations_above_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [5.0, 3.0, 4.0, 4.0, 4.0, 3.0, 2.0, 9.0, 9.0, 2.5, 2.1, 1.0]
    _, told, script = scripted(monkeypatch, errors)
    assert len(script.weights) == 11  # the tie with the best, 3.0, begins the count anew
    assert (told["epochs"], told["best_epoch"]) == (12, 8)  # the first epoch is not validated
    assert told["validation_loss"] == 2.0


@pytest.mark.parametrize(("kept", "at"), [("best", 1), ("last", 5)])
def test_the_best_weights_are_kept_or_the_last(
    monkeypatch: pytest.MonkeyPatch, kept: str, at: int
) -> None:
    descriptor, _, script = scripted(monkeypatch, [5.0, 3.0, 4.0, 4.0, 4.0, 4.0], weights=kept)
    expected = {k: np.atleast_1d(v.numpy()) for k, v in script.weights[at].items()}
    assert equal(weights_of(descriptor), expected)


def test_a_training_that_diverges_leaves_the_weights_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = weights_of(make(network="mlp"))
    descriptor, told, _ = scripted(monkeypatch, [float("nan")] * 101)
    assert equal(weights_of(descriptor), before)
    assert told["validation_loss"] is None


@pytest.mark.parametrize(("max_inputs", "learnt", "held_out"), [(0, 40, 10), (60, 46, 4)])
def test_whole_individuals_are_held_out(max_inputs: int, learnt: int, held_out: int) -> None:
    material = training.Material(50, 3, lambda rows: torch.zeros(len(rows), 1))
    p = replace(QUICK, max_inputs=max_inputs)
    a, b = (set((rows // 3).tolist()) for rows in training.split(material, p, training.Key(0, 1)))
    assert (len(a), len(b), a & b) == (learnt, held_out, set())


@pytest.mark.parametrize("max_inputs", [0, 21, 600])
def test_an_epoch_sees_no_more_than_it_may_and_the_next_sees_others(
    monkeypatch: pytest.MonkeyPatch, max_inputs: int
) -> None:
    epochs: list[set[int]] = []

    def listening(network: Any, optimiser: Any, material: Any, order: Any, batch: int) -> float:
        epochs.append(set(order.tolist()))
        return real(network, optimiser, material, order, batch)

    real = training._epoch
    monkeypatch.setattr(training, "_epoch", listening)
    told = make(max_inputs=max_inputs, max_epochs=6, patience=6).learn(seen(40))
    if max_inputs == 21:  # 7 of 40 individuals, of which one is held out
        assert told is not None
        assert told["inputs"] == 21
        assert {len(rows) for rows in epochs} == {18}
        assert len(set.union(*epochs)) > 3 * 18
    else:
        assert {len(rows) for rows in epochs} == {96}
        assert epochs[0] == epochs[1]


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ({}, (4096, 101, 4096)),
        ({"network": "mlp"}, (0, 101, 0)),
        ({"schedule": "paper"}, (0, 101, 0)),
        ({"schedule": "paper", "max_inputs": 50}, (50, 101, 0)),
        ({"max_epochs": 3}, (4096, 3, 4096)),
    ],
)
def test_the_schedule_gives_what_is_not_given(
    keys: dict[str, Any], numbers: tuple[int, int, int]
) -> None:
    p = AutoencoderParameters(**keys)
    assert (p.max_inputs, p.max_epochs, p.max_shown) == numbers


@pytest.mark.parametrize(
    ("keys", "individuals", "epochs"),
    [
        ({}, 40, 101),
        ({}, 100, 41),
        ({}, 4096, 1),
        ({}, 100_000, 1),
        ({"max_shown": 7}, 100, 1),
        ({"schedule": "paper"}, 100_000, 101),
    ],
)
def test_few_inputs_are_shown_often_and_many_seldom(
    keys: dict[str, Any], individuals: int, epochs: int
) -> None:
    p = AutoencoderParameters(**keys)
    material = training.Material(individuals, 1, lambda rows: torch.zeros(len(rows), 1))
    learnt, held_out = training.split(material, p, training.Key(0, 1))
    n_seen = min(len(learnt) + len(held_out), p.max_inputs or individuals)
    assert training.epochs(p, n_seen) == epochs


@pytest.mark.parametrize(("max_shown", "epochs"), [(0, 6), (250, 2), (1, 1)])
def test_a_training_shows_no_more_than_it_may(max_shown: int, epochs: int) -> None:
    told = make(max_epochs=6, patience=6, max_shown=max_shown).learn(seen(40))
    assert told is not None
    assert told["epochs"] == epochs


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_threads_change_no_bit_of_an_encoding(precision: str) -> None:
    rows = {"frames": np.random.default_rng(3).uniform(-1, 1, (2 * ROWS, 3, 2)).astype(np.float32)}
    one, three = (make(threads=n, precision=precision) for n in (1, 3))
    failed = np.zeros(2 * ROWS, bool)
    assert equal(one.describe(rows, failed), three.describe(rows, failed))


def test_bfloat16_rounds_what_float32_gives() -> None:
    """A bfloat16 has 8 bits: about 0.4 % from layer to layer."""
    exact, rounded = (make(precision=p).describe(seen(), NONE_FAILED) for p in PRECISIONS)
    difference = np.abs(exact.descriptors - rounded.descriptors).max()
    assert 1e-5 < difference < 0.03 * np.abs(exact.descriptors).max()


def test_equal_frames_are_encoded_once() -> None:
    drawn: list[int] = []
    sketches = np.repeat(seen(4)["frames"], 3 * ROWS, axis=0)

    def drawing(some: Any) -> Any:
        drawn.append(len(some))
        return DRAW(some)

    descriptor = Autoencoder(QUICK, replace(FRAMES, draw=drawing))
    many = descriptor.describe({"frames": sketches}, np.zeros(len(sketches), bool))
    assert sum(drawn) == ROWS  # twelve, and what fills their batch up
    few = descriptor.describe({"frames": sketches[:: 3 * ROWS]}, np.zeros(4, bool))
    assert equal(many.descriptors[:: 3 * ROWS], few.descriptors)
    assert equal(many.surprise[:: 3 * ROWS], few.surprise)

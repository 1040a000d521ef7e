"""The behaviour space that is learned: the latents of an autoencoder, and its error as surprise.

TAXONS (Paolo, Laflaquière, Coninx & Doncieux, ICRA 2020) and STAX (Paolo, Coninx, Laflaquière &
Doncieux, Evolutionary Computation 32(3), 2024). An episode's descriptor is the concatenation of the
latents of its s frames, its surprise the sum over the frames of the mean squared error of the
reconstruction. With `network: mlp` any vector an observer leaves is encoded in one piece.

A row has the same bits whatever rows stand around it: inputs are encoded in batches of one size,
the last one filled up, each by one thread; equal inputs are encoded once. Threads take batches, not
parts of one, because torch's own threads wait for each other at every layer, which costs more than
it brings where other programs use the cores too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64, Shaped
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Bounds, Observations
from qdx.core.rng import draw
from qdx.core.types import Described, Json, State
from qdx.descriptors.networks import build as build_network
from qdx.descriptors.parameters import AutoencoderParameters
from qdx.descriptors.setting import DescriptorSetting
from qdx.descriptors.training import Key, Material, train

ROWS = 64  # inputs of a batch that is encoded
FAR = 100.0  # deviations, beyond which numbers of a vector are cut: they may have stood still
SELU_LOW = -1.7580993408473766  # the greatest lower bound of SELU


@final
class Autoencoder:
    """Encodes what the observer leaves; learns when the searcher says so."""

    has_surprise = True

    def __init__(self, parameters: AutoencoderParameters, setting: DescriptorSetting) -> None:
        """Fresh weights.

        Raises:
            ConfigError: A convolutional network for something that is no frame.
        """
        if parameters.network != "mlp" and not setting.frame_size:
            raise ConfigError(
                f"descriptor.network: expected mlp for the observer {setting.observation!r}, got "
                f"{parameters.network!r}, which encodes frames. Use observer frames, or mlp."
            )
        self._p = parameters
        self._setting = setting
        self._side = setting.frame_size
        self._n_each = setting.n_samples if self._side else 1
        self._n_numbers = 3 * self._side**2 if self._side else len(setting.bounds)
        self._space = 0
        self._mean = np.zeros(self._n_numbers if not self._side else 0, np.float32)
        self._scale = np.ones_like(self._mean)
        self._start_afresh()

    def dimension(self) -> int:
        return self._p.latent * (1 if self._p.described == "last" else self._n_each)

    def bounds(self) -> Bounds:
        low = SELU_LOW if self._p.latent_activation == "selu" else -np.inf
        return ((low, np.inf),) * self.dimension()

    def describe(self, observations: Observations, failed: Bool[Array, " B"]) -> Described:
        values = observations[self._setting.observation]
        alive = np.flatnonzero(~failed)
        descriptors = np.full((len(failed), self.dimension()), np.nan, np.float32)
        surprise = np.full(len(failed), np.nan, np.float32)
        if len(alive):
            latents, errors = self._encode(values[alive])
            descriptors[alive] = latents.reshape(len(alive), -1)[:, -self.dimension() :]
            surprise[alive] = errors.reshape(len(alive), -1).sum(axis=1)
        return Described(descriptors, surprise, self._space)

    def learn(self, observations: Observations) -> Json | None:
        values = observations[self._setting.observation]
        if not (self._p.train or self._p.reset) or len(values) < 2:
            return None
        self._space += 1
        if self._p.reset:
            self._start_afresh()
        if not self._p.train:
            return {}
        if self._p.reset or not self._is_trained():
            self._normalise(values)
        with self._computing(self._p.threads), self._rounding():
            return train(
                self._network,
                self._optimiser,
                Material(len(values), self._n_each, self._reader(values)),
                p=self._p,
                key=Key(self._setting.seed, self._space),
            )

    def reconstruct(self, observations: Observations) -> Float32[Array, "N *shape"]:
        """What comes back of each frame (N = B S; H, W, 3) or vector, in units of the input."""
        values = observations[self._setting.observation]
        read = self._reader(values)

        def batch(rows: Array) -> Array:
            found: Array = self._network(read(rows)).float().cpu().numpy()
            return found

        back = self._in_batches(len(values) * self._n_each, batch)
        return np.moveaxis(back, 1, -1) if self._side else back * self._scale + self._mean

    def state(self) -> State:
        arrays = {"normaliser/mean": self._mean.copy(), "normaliser/scale": self._scale.copy()}
        for name, tensor in self._network.state_dict().items():
            arrays[f"network/{name}"] = _array(tensor)
        for i, moments in self._optimiser.state_dict()["state"].items():
            arrays |= {f"adam/{i}/{name}": _array(tensor) for name, tensor in moments.items()}
        return State(arrays, {"space": self._space})

    def restore(self, state: State) -> None:
        self._space = state.json["space"]
        self._mean = state.arrays["normaliser/mean"].copy()
        self._scale = state.arrays["normaliser/scale"].copy()
        shapes = self._network.state_dict()
        self._network.load_state_dict(
            {k: _tensor(state.arrays[f"network/{k}"], like.shape) for k, like in shapes.items()}
        )
        adam = self._optimiser.state_dict()
        parameters = list(self._network.parameters())
        for name, array in state.arrays.items():
            if name.startswith("adam/"):
                _, i, what = name.split("/")
                # laid out in memory as the weights are: another order rounds otherwise
                like = torch.zeros(()) if what == "step" else torch.zeros_like(parameters[int(i)])
                moment = like.copy_(_tensor(array, like.shape))
                adam["state"].setdefault(int(i), {})[what] = moment
        self._optimiser.load_state_dict(adam)

    def _start_afresh(self) -> None:
        """Weights keyed by the space they begin, and an optimiser without a past."""
        key = int(draw(self._setting.seed, "weights", self._space).integers(2**31))
        network = build_network(self._p, side=self._side, n_numbers=self._n_numbers, seed=key)
        self._network = network.to(self._setting.device)
        self._optimiser = torch.optim.Adam(
            self._network.parameters(), self._p.learning_rate, foreach=False
        )

    def _is_trained(self) -> bool:
        return bool(self._optimiser.state)

    def _normalise(self, values: Shaped[Array, "B ..."]) -> None:
        """Vectors are shown with mean 0 and deviation 1, as of the first training."""
        if self._side:
            return
        flat = values.reshape(len(values), -1).astype(np.float64)
        deviation = flat.std(axis=0)
        self._mean = flat.mean(axis=0).astype(np.float32)
        self._scale = np.where(deviation > 0, deviation, 1.0).astype(np.float32)

    def _encode(self, values: Shaped[Array, "B ..."]) -> tuple[Array, Array]:
        """Latents (N, latent) and errors (N,) of the N = B n_each inputs."""
        read, (first, which) = self._reader(values), _distinct(values, self._n_each)

        def batch(rows: Array) -> Array:
            x = read(first[rows])
            latent = self._network.encoder(x).float()
            error = (self._network.decoder(latent).float() - x).square().flatten(1).mean(dim=1)
            found: Array = torch.cat([latent, error[:, None]], dim=1).cpu().numpy()
            return found

        found = self._in_batches(len(first), batch)[which]
        return found[:, :-1], found[:, -1]

    def _in_batches(self, n: int, batch: Callable[[Array], Array]) -> Array:
        """What a batch gives of inputs 0 to n - 1, `threads` batches at a time."""
        self._network.eval()

        def alone(rows: Array) -> Array:
            with torch.inference_mode(), self._rounding():  # both hold for a thread
                return batch(rows)

        with self._computing(threads=1), ThreadPoolExecutor(self._p.threads) as pool:
            found = np.concatenate(list(pool.map(alone, _batches(n))))
        return found[:n]

    def _reader(self, values: Shaped[Array, "B ..."]) -> Callable[[Array], torch.Tensor]:
        """Rows of the N inputs → a batch for the network; frames are drawn when they are read."""
        flat = values.reshape(len(values) * self._n_each, *values.shape[2 if self._side else 1 :])
        sketches = self._setting.draw if values.ndim == 3 else None

        def frames(rows: Array) -> torch.Tensor:
            pixels = sketches(flat[rows]) if sketches else flat[rows]
            x = torch.from_numpy(pixels).to(self._setting.device)
            return (x.to(torch.float32) / 255).permute(0, 3, 1, 2)

        def vectors(rows: Array) -> torch.Tensor:
            some = flat[rows].reshape(len(rows), self._n_numbers).astype(np.float32)
            seen = np.clip((some - self._mean) / self._scale, -FAR, FAR)
            return torch.from_numpy(seen).to(self._setting.device)

        return frames if self._side else vectors

    @contextmanager
    def _computing(self, threads: int) -> Iterator[None]:
        """A fixed number of threads; on a GPU nothing but what gives the same bits again."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        flags = torch.backends.cudnn.flags
        try:
            with flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
                yield
        finally:
            torch.set_num_threads(before)

    def _rounding(self) -> torch.autocast:
        """Layers in the configured precision.

        Without its cache, which would keep the rounded weights from before the first step.
        """
        kind, is_on = torch.device(self._setting.device).type, self._p.precision == "bfloat16"
        return torch.autocast(kind, torch.bfloat16, enabled=is_on, cache_enabled=False)


def _batches(n: int) -> Iterator[Int64[Array, " N"]]:
    """Rows 0 to n - 1 in batches of one size; the last row fills up."""
    return (np.minimum(np.arange(i, i + ROWS), n - 1) for i in range(0, n, ROWS))


def _distinct(
    values: Shaped[Array, "B ..."], n_each: int
) -> tuple[Int64[Array, " M"], Int64[Array, " N"]]:
    """The first of each kind of input, bit for bit, and of which kind each of the N is.

    An episode that ended early repeats its last frame, and a ball that nobody hit lies where it
    lay.
    """
    rows = np.ascontiguousarray(values).reshape(len(values) * n_each, -1).view(np.uint8)
    kinds = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
    _, first, which = np.unique(kinds, return_index=True, return_inverse=True)
    return first, which


def _array(tensor: torch.Tensor) -> Array:
    """A copy, rows first; a number as an array of one."""
    return np.atleast_1d(np.array(tensor.detach().cpu().numpy(), order="C"))


def _tensor(array: Array, shape: torch.Size) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).reshape(shape)

"""Networks of the Deep GA paper as policies: their shapes, their genes, their first weights.

Such et al. 2017 (arXiv 1712.06567) and its released GPU code (`models/dqn.py`). Genes lie as there,
so that its genomes decode: layer by layer weights, then biases; kernels (height, width, in, out),
dense weights (in, out), and the pictures of the last convolution are flattened channels last.

The 4 million parameters of the large network come from TensorFlow's SAME padding, which is
asymmetric where a stride does not divide: 84 → 21 → 11 → 11. VALID padding, 84 → 20 → 9 → 7, leaves
1.7 million.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.policies.policy import Program

Padding = Literal["same", "valid"]
Start = Literal["scaled", "columns"]


@dataclass(frozen=True)
class DqnParameters:
    """A convolutional network on frames.

    Attributes:
        padding: Of the convolutions: `same`, the paper's 4 million parameters, or `valid`.
        slots: Networks evaluated side by side, each with an episode.
        lanes: Episodes of one network side by side, where it has many; it then takes as many slots.
        pipelines: Groups of slots: while one moves its worlds, another one evaluates its networks.
    """

    padding: Padding = "same"
    slots: Annotated[int, Ge(2)] = 64
    lanes: Annotated[int, Ge(1)] = 8
    pipelines: Annotated[int, Ge(1)] = 2


@dataclass(frozen=True)
class HumanoidMlpParameters:
    """A dense network on numbers.

    Attributes:
        hidden: Units of each hidden layer.
        slots: Networks evaluated side by side, each with an episode.
        lanes: Episodes of one network side by side, where it has many; it then takes as many slots.
        pipelines: Groups of slots: while one moves its worlds, another one evaluates its networks.
    """

    hidden: tuple[Annotated[int, Ge(1)], ...] = (256, 256)
    slots: Annotated[int, Ge(2)] = 16
    lanes: Annotated[int, Ge(1)] = 4
    pipelines: Annotated[int, Ge(1)] = 2


class Conv(NamedTuple):
    """A square convolution with a rectifier.

    Attributes:
        n_out: Channels.
        kernel: Pixels of its side.
        stride: Pixels.
    """

    n_out: int
    kernel: int
    stride: int


LARGE = ((Conv(32, 8, 4), Conv(64, 4, 2), Conv(64, 3, 1)), (512,))
SMALL = ((Conv(16, 8, 4), Conv(32, 4, 2)), (256,))


class Layer(NamedTuple):
    """Where the genes of a layer lie.

    Attributes:
        weights: Their shape: (height, width, in, out) or (in, out).
        start: Of the weights among the genes; the biases follow.
        conv: What kind of convolution; None for a dense layer.
        pad: Pixels before and after, of a convolution.
        seen: (C, H, W) or (n,) that the layer is given.
    """

    weights: tuple[int, ...]
    start: int
    conv: Conv | None
    pad: tuple[int, int]
    seen: tuple[int, ...]

    @property
    def end(self) -> int:
        """Of the weights: where the biases start."""
        return self.start + prod(self.weights)

    @property
    def n_out(self) -> int:
        """Biases."""
        return self.weights[-1]

    @property
    def fan_in(self) -> int:
        """Inputs of a unit."""
        return prod(self.weights[:-1])


@dataclass(frozen=True)
class Network:
    """A stack of convolutions, hidden dense layers and a linear output.

    Attributes:
        sight: (C, H, W) of the frames, or (n,) numbers.
        n_out: Actions.
        convs: Convolutions, with rectifiers.
        hidden: Units of each hidden dense layer.
        padding: Of the convolutions.
        activation: Of the hidden dense layers.
        start: How first weights follow from normal draws: `scaled` by gain / sqrt(fan in), or
            `columns` of the norm gain.
        output_gain: Of the last layer; that of the others is 1.
        slots: Networks evaluated side by side.
        lanes: Episodes of one network side by side.
        pipelines: Groups of slots.
    """

    sight: tuple[int, ...]
    n_out: int
    convs: tuple[Conv, ...] = ()
    hidden: tuple[int, ...] = ()
    padding: Padding = "same"
    activation: Literal["relu", "tanh"] = "relu"
    start: Start = "scaled"
    output_gain: float = 0.1
    slots: int = 64
    lanes: int = 8
    pipelines: int = 2

    torch_module = "qdx.policies.network_torch:TorchNetwork"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All of them, the output last."""
        return tuple(self._layers())

    def _layers(self) -> Iterator[Layer]:
        seen, at = self.sight, 0
        for conv in self.convs:
            pad = padding(seen[1], conv, self.padding)
            layer = Layer((conv.kernel, conv.kernel, seen[0], conv.n_out), at, conv, pad, seen)
            side = (seen[1] + sum(pad) - conv.kernel) // conv.stride + 1
            seen, at = (conv.n_out, side, side), layer.end + layer.n_out
            yield layer
        for n_out in (*self.hidden, self.n_out):
            layer = Layer((prod(seen), n_out), at, None, (0, 0), seen)
            seen, at = (n_out,), layer.end + layer.n_out
            yield layer

    @property
    def n_genes(self) -> int:
        """G: all weights and biases."""
        last = self.layers[-1]
        return last.end + last.n_out

    def initial(self, normal: Float32[Array, "n G"]) -> Float32[Array, "n G"]:
        """First weights from standard normal draws; biases are 0.

        `scaled` is the GPU code's, `columns` the normalised columns of the MuJoCo policies.
        """
        genes, end = np.zeros_like(normal), self.layers[-1].end
        for layer in self.layers:
            gain = self.output_gain if layer.end == end else 1.0
            drawn = normal[:, layer.start : layer.end]
            if self.start == "scaled":
                made = drawn * np.float32(gain / np.sqrt(layer.fan_in))
            else:
                columns = drawn.reshape(len(normal), layer.fan_in, layer.n_out)
                norms = np.sqrt(np.square(columns, dtype=np.float64).sum(axis=1, keepdims=True))
                made = (columns * (gain / norms)).astype(np.float32).reshape(drawn.shape)
            genes[:, layer.start : layer.end] = made
        return genes

    def program(self, device: str) -> Program:
        """These networks do not fit into a kernel.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "policy.kind: expected mlp or dmp inside a kernel, got a network that is evaluated "
            "outside. Use it in a campaign."
        )


def padding(side: int, conv: Conv, kind: Padding) -> tuple[int, int]:
    """Pixels before and after, as TensorFlow pads: the odd one comes last."""
    if kind == "valid":
        return 0, 0
    total = max((-(-side // conv.stride) - 1) * conv.stride + conv.kernel - side, 0)
    return total // 2, total - total // 2


def dqn_large(parameters: DqnParameters, facts: TaskFacts) -> Network:
    """32, 64 and 64 channels, 512 units.

    Raises:
        ConfigError: The task has no frames.
    """
    return _dqn(LARGE, parameters, facts)


def dqn_small(parameters: DqnParameters, facts: TaskFacts) -> Network:
    """16 and 32 channels, 256 units.

    Raises:
        ConfigError: The task has no frames.
    """
    return _dqn(SMALL, parameters, facts)


def _dqn(
    layers: tuple[tuple[Conv, ...], tuple[int, ...]], parameters: DqnParameters, facts: TaskFacts
) -> Network:
    if not facts.image:
        raise ConfigError(
            f"policy.kind: expected one for numbers, such as mlp or humanoid_mlp, for {facts.name} "
            "has no frames, got a convolutional network."
        )
    p = parameters
    return Network(
        sight=facts.image,
        n_out=len(facts.action),
        convs=layers[0],
        hidden=layers[1],
        padding=p.padding,
        slots=p.slots,
        lanes=p.lanes,
        pipelines=p.pipelines,
    )


def humanoid_mlp(parameters: HumanoidMlpParameters, facts: TaskFacts) -> Network:
    """Tanh layers of 256 units and a linear output, the MuJoCo policies of the released code.

    Raises:
        ConfigError: The task is seen in frames.
    """
    if facts.image:
        raise ConfigError(
            f"policy.kind: expected dqn_large or dqn_small, for {facts.name} is seen in frames, "
            "got humanoid_mlp."
        )
    p = parameters
    return Network(
        sight=(len(facts.observation),),
        n_out=len(facts.action),
        hidden=p.hidden,
        activation="tanh",
        start="columns",
        output_gain=0.01,
        slots=p.slots,
        lanes=p.lanes,
        pipelines=p.pipelines,
    )

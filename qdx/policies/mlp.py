"""The papers' controller: a small feed-forward net with one scalar bias per layer.

Used by SERENE and STAX for every fused task. Activation 2 sigmoid(x) - 1 = tanh(x / 2) on every
layer, the output included. Gene order: W(in, h), b, [W(h, h), b] x (layers - 1), W(h, out), b;
matrices row by row, input index first.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import functools
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import warp as wp
from annotated_types import Ge
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.task_facts import TaskFacts
from qdx.policies.placing import on_device
from qdx.policies.policy import Program

CPU_LANES = 8  # float32 lanes of an AVX register: rows padded to it become vector instructions


@dataclass(frozen=True)
class MlpParameters:
    """The papers' controller; what is not given is the task's own.

    Attributes:
        hidden: Units of each hidden layer.
        layers: Hidden layers.
    """

    hidden: Annotated[int, Ge(1)] | None = None
    layers: Annotated[int, Ge(1)] | None = None


@dataclass(frozen=True)
class Mlp:
    """Shape of the controller.

    Attributes:
        n_in: Observed numbers.
        n_out: Actions.
        hidden: Units of each hidden layer.
        layers: Hidden layers.
    """

    n_in: int
    n_out: int
    hidden: int = 5
    layers: int = 2

    torch_module = "qdx.policies.mlp_torch:TorchMlp"

    @property
    def n_genes(self) -> int:
        """G: all weights and a bias per layer."""
        h = self.hidden
        return self.n_in * h + 1 + (self.layers - 1) * (h * h + 1) + h * self.n_out + 1

    def initial(self, normal: Float32[Array, "n G"]) -> Float32[Array, "n G"]:
        """All ~ N(0, 1)."""
        return normal

    def matrices(self, genes: Float32[Array, "B G"]) -> list[tuple[Array, Array]]:
        """Per layer the weights (B, rows, columns) and the bias (B,), as views of the genes."""
        h = self.hidden
        shapes = [(self.n_in, h), *[(h, h)] * (self.layers - 1), (h, self.n_out)]
        layers, at = [], 0
        for rows, columns in shapes:
            weights = genes[:, at : at + rows * columns].reshape(len(genes), rows, columns)
            layers.append((weights, genes[:, at + rows * columns]))
            at += rows * columns + 1
        return layers

    def program(self, device: str) -> Program:
        """What a fused kernel runs on a device."""
        lanes = CPU_LANES if device == "cpu" else 1
        return _program(self, lanes)


def build(parameters: MlpParameters, facts: TaskFacts) -> Mlp:
    """The controller for a task; what the config leaves open is the task's own."""
    hidden, layers = facts.hidden
    return Mlp(
        n_in=len(facts.observation),
        n_out=len(facts.action),
        hidden=parameters.hidden or hidden,
        layers=parameters.layers or layers,
    )


@functools.cache
def _program(shape: Mlp, lanes: int) -> Program:
    """Rows of weights as vectors: a layer is a sum of rows scaled by inputs.

    A layer occupies one row per input and one for the bias; lanes beyond the layer's width carry
    zeros, whose activation is zero.
    """
    width = -(-shape.hidden // lanes) * lanes
    width_out = -(-shape.n_out // lanes) * lanes
    Inner = wp.types.vector(width, wp.float32)
    Outer = wp.types.vector(width_out, wp.float32)
    Sight = wp.types.vector(shape.n_in, wp.float32)
    Action = wp.types.vector(shape.n_out, wp.float32)
    n_in, hidden, layers, n_out = shape.n_in, shape.hidden, shape.layers, shape.n_out

    @wp.struct
    class Body:
        inner: wp.array2d(dtype=Inner)
        outer: wp.array2d(dtype=Outer)

    # Sums are split in two chains: a step of a small net is bound by latency, not by arithmetic.
    @wp.func
    def inner_layer(body: Body, row: wp.int32, first: wp.int32, inputs: Sight) -> Inner:
        sums = body.inner[row, first + n_in]
        more = Inner()
        for i in range(0, n_in - 1, 2):
            sums = sums + body.inner[row, first + i] * inputs[i]
            more = more + body.inner[row, first + i + 1] * inputs[i + 1]
        if wp.static(n_in % 2 == 1):
            sums = sums + body.inner[row, first + n_in - 1] * inputs[n_in - 1]
        sums = sums + more
        for i in range(width):
            sums[i] = half_tanh(sums[i])
        return sums

    @wp.func
    def middle_layer(body: Body, row: wp.int32, first: wp.int32, inputs: Inner) -> Inner:
        sums = body.inner[row, first + hidden]
        more = Inner()
        for i in range(0, hidden - 1, 2):
            sums = sums + body.inner[row, first + i] * inputs[i]
            more = more + body.inner[row, first + i + 1] * inputs[i + 1]
        if wp.static(hidden % 2 == 1):
            sums = sums + body.inner[row, first + hidden - 1] * inputs[hidden - 1]
        sums = sums + more
        for i in range(width):
            sums[i] = half_tanh(sums[i])
        return sums

    @wp.func
    def act(body: Body, row: wp.int32, sight: Sight, step: wp.int32) -> Action:
        units = inner_layer(body, row, wp.int32(0), sight)
        first = wp.int32(n_in + 1)
        for _layer in range(layers - 1):
            units = middle_layer(body, row, first, units)
            first = first + hidden + 1
        out = body.outer[row, hidden]
        more = Outer()
        for i in range(0, hidden - 1, 2):
            out = out + body.outer[row, i] * units[i]
            more = more + body.outer[row, i + 1] * units[i + 1]
        if wp.static(hidden % 2 == 1):
            out = out + body.outer[row, hidden - 1] * units[hidden - 1]
        out = out + more
        for i in range(width_out):
            out[i] = half_tanh(out[i])
        action = Action()
        for i in range(n_out):
            action[i] = out[i]
        return action

    def load(genes: Float32[Array, "B G"], device: str) -> Any:
        *inner, outer = [_rows(w, b, lanes) for w, b in shape.matrices(genes)]
        body = Body()
        body.inner = on_device(np.concatenate(inner, axis=1), Inner, device)
        body.outer = on_device(outer, Outer, device)
        return body

    return Program(Body, act, load)


def _rows(weights: Array, bias: Array, lanes: int) -> Array:
    """(B, rows, columns) and (B,) → (B, rows + 1, padded columns); the bias is the last row."""
    n, rows, columns = weights.shape
    padded = np.zeros((n, rows + 1, -(-columns // lanes) * lanes), np.float32)
    padded[:, :rows, :columns] = weights
    padded[:, rows, :columns] = bias[:, None]
    return padded


@wp.func
def half_tanh(x: wp.float32) -> wp.float32:
    """tanh(x / 2) by a (13, 6) rational minimax approximation, within 4e-7 (tests/policies).

    Coefficients as published in Eigen's `ptanh` (Eigen 3, MathFunctionsImpl.h); the clamp is where
    float32 tanh reaches 1. An overflowing sum is clamped too, NaN included, so actions are finite.
    """
    # Coefficients are scaled for x in place of x / 2 (powers of two: the same bits); sums are
    # grouped in pairs, as a Horner chain would be the longest wait of a step.
    t = wp.clamp(x, -15.810623, 15.810623)
    a = t * t
    b = a * a
    p01 = 4.89352455891786e-03 / 2.0 + a * (6.37261928875436e-04 / 8.0)
    p23 = 1.48572235717979e-05 / 32.0 + a * (5.12229709037114e-08 / 128.0)
    p45 = -8.60467152213735e-11 / 512.0 + a * (2.00018790482477e-13 / 2048.0)
    p = p01 + b * (p23 + b * (p45 + b * (-2.76076847742355e-16 / 8192.0)))
    q01 = 4.89352518554385e-03 + a * (2.26843463243900e-03 / 4.0)
    q23 = 1.18534705686654e-04 / 16.0 + a * (1.19825839466702e-06 / 64.0)
    return t * p / (q01 + b * q23)

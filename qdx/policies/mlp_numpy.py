"""The papers' controller in NumPy: a batch of policies, each with an observation of its own.

What stepped rollouts drive their worlds with. The action of a row has the same bits whatever rows
stand around it: all arithmetic is elementwise additions, products and quotients of float32, each
rounded by itself. Matrix products, sums along an axis and NumPy's tanh are avoided, for how they
round may depend on the place of a row in the batch.
"""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.policies.mlp import Mlp

CLAMP = np.float32(15.810623)  # where tanh(x / 2) reaches 1 in float32
# Numerator t (p0 + p1 t² + …), denominator q0 + q1 t² + …: those of `mlp.half_tanh`, for x / 2.
P = np.array(
    [
        4.89352455891786e-03 / 2.0,
        6.37261928875436e-04 / 8.0,
        1.48572235717979e-05 / 32.0,
        5.12229709037114e-08 / 128.0,
        -8.60467152213735e-11 / 512.0,
        2.00018790482477e-13 / 2048.0,
        -2.76076847742355e-16 / 8192.0,
    ],
    np.float32,
)
Q = np.array(
    [
        4.89352518554385e-03,
        2.26843463243900e-03 / 4.0,
        1.18534705686654e-04 / 16.0,
        1.19825839466702e-06 / 64.0,
    ],
    np.float32,
)


@final
class NumpyMlp:
    """tanh(x / 2) layers of a batch of genomes; the scalar bias of a layer is shared by its units.

    Calling it maps observations, one a genome, to actions in [-1, 1]. Observations and sums that
    are not finite saturate, so actions always are.
    """

    def __init__(self, shape: Mlp, genes: Float32[Array, "B G"]) -> None:
        """Load genomes.

        Args:
            shape: Of the controller.
            genes: One genome a row.
        """
        # (B, rows, columns) → (rows, B, columns): a layer is a sum of rows scaled by inputs
        self._layers = [
            (np.ascontiguousarray(weights.transpose(1, 0, 2)), np.array(bias)[:, None])
            for weights, bias in shape.matrices(genes)
        ]

    def __call__(self, observations: Float32[Array, "B O"]) -> Float32[Array, "B A"]:
        units = observations
        with np.errstate(all="ignore"):  # overflow is clamped
            for weights, bias in self._layers:
                scaled = weights * units.T[:, :, None]
                sums = scaled[0] + bias
                for row in scaled[1:]:
                    sums += row
                units = half_tanh(sums)
        return units


def half_tanh(x: Float32[Array, "B U"]) -> Float32[Array, "B U"]:
    """tanh(x / 2) within 4e-7, elementwise (the approximation of `mlp.half_tanh`); NaN gives -1."""
    t = np.fmin(np.fmax(x, -CLAMP), CLAMP)
    a = t * t
    numerator: Array = np.full_like(a, P[-1])
    for p in P[-2::-1]:
        numerator *= a
        numerator += p
    denominator: Array = np.full_like(a, Q[-1])
    for q in Q[-2::-1]:
        denominator *= a
        denominator += q
    numerator *= t
    numerator /= denominator
    return numerator

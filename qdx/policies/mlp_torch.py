"""The papers' controller as a torch module, for use outside qdx."""

from __future__ import annotations

import itertools
from typing import final

import torch
from jaxtyping import Float32
from numpy import ndarray as Array
from torch import nn

from qdx.policies.mlp import Mlp


@final
class TorchMlp(nn.Module):
    """tanh(x / 2) layers; the scalar bias of a layer is shared by its units.

    `forward` maps observations (..., n_in) to actions (..., n_out) in (-1, 1). The step of the
    episode, which open-loop policies need, changes nothing.
    """

    def __init__(self, shape: Mlp) -> None:
        """Zero weights; `load` gives them values."""
        super().__init__()
        widths = [shape.n_in, *[shape.hidden] * shape.layers, shape.n_out]
        self.weights = nn.ParameterList(torch.zeros(n, m) for n, m in itertools.pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(()) for _ in widths[1:])

    @classmethod
    def load(cls, shape: Mlp, genes: Float32[Array, " G"]) -> TorchMlp:
        """A module with the weights of one genome."""
        module = cls(shape)
        with torch.no_grad():
            for i, (weights, bias) in enumerate(shape.matrices(genes[None])):
                module.weights[i].copy_(torch.from_numpy(weights[0].copy()))
                module.biases[i].fill_(float(bias[0]))
        return module

    def forward(self, observation: torch.Tensor, step: int | torch.Tensor = 0) -> torch.Tensor:
        """The action for an observation."""
        x = observation
        for weights, bias in zip(self.weights, self.biases, strict=True):
            x = torch.tanh((x @ weights + bias) / 2)
        return x

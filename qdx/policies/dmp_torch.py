"""The open-loop policy of TAXONS as a torch module, for use outside qdx."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray as Array
from torch import nn

from qdx.policies.dmp import Dmp


@final
class TorchDmp(nn.Module):
    """Polynomials in cos(t / scale), t = step / horizon.

    `forward` maps observations (..., n_in), of which it looks at the shape alone, and the step to
    actions (..., n_out) in [-1, 1].
    """

    def __init__(self, shape: Dmp) -> None:
        """Zero weights; `load` gives them values."""
        super().__init__()
        self.shape = shape
        self.weights = nn.Parameter(torch.zeros(shape.n_out, shape.degree + 1))
        self.scales = nn.Parameter(torch.ones(shape.n_out))
        self.action_length = nn.Parameter(torch.ones(()))

    @classmethod
    def load(cls, shape: Dmp, genes: Float32[Array, " G"]) -> TorchDmp:
        """A module with the parameters of one genome."""
        module = cls(shape)
        weights, scales, length = (
            torch.from_numpy(np.array(p[0])) for p in shape.split(genes[None])
        )
        with torch.no_grad():
            module.weights.copy_(weights)
            module.scales.copy_(scales)
            module.action_length.copy_(length)
        return module

    def forward(self, observation: torch.Tensor, step: int | torch.Tensor) -> torch.Tensor:
        """The action at a step of the episode, counted from 0."""
        t = torch.as_tensor(step, dtype=self.scales.dtype) / self.shape.horizon
        t = t.expand(observation.shape[:-1])[..., None]
        x = torch.cos(t / self.scales)
        powers = x[..., None] ** torch.arange(self.shape.degree + 1)
        action = (self.weights * powers).sum(-1).clamp(-1, 1)
        if not self.shape.cuts:
            return action
        return torch.where(t > self.action_length, torch.zeros(()), action)

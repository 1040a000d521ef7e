"""Policies as torch tensors, decoded where they are evaluated.

The same bits as in NumPy: product and sum are two operations, each rounded by itself.
"""

from __future__ import annotations

import functools
from typing import final

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.encodings.noise import Table, open_table
from qdx.encodings.seed_chain import FARTHEST, Decoder, Parent, SeedChain


@final
class OnDevice:
    """Policies on a device, the noise table too."""

    def __init__(self, encoding: SeedChain, device: str) -> None:
        self._encoding, self._device = encoding, device
        self._n = encoding.policy.n_genes

    def empty(self) -> torch.Tensor:
        return torch.empty(self._n, device=self._device)

    def start(self, seed: int, out: torch.Tensor) -> None:
        normal = np.empty((1, self._n), np.float32)
        self._encoding.noise.fill(seed, 0, normal[0])
        out.copy_(torch.from_numpy(self._encoding.policy.initial(normal)[0]))

    def mutate(self, parent: Parent, sigma: np.float32, seed: int, out: torch.Tensor) -> None:
        move = self._noise(seed) * float(sigma)
        if parent.sensitivity is not None:
            move = (move / parent.sensitivity).clamp_(-float(FARTHEST), float(FARTHEST))
        torch.add(parent.policy, move, out=out)

    def copy(self, values: torch.Tensor | Array, out: torch.Tensor) -> None:
        out.copy_(values if isinstance(values, torch.Tensor) else torch.from_numpy(values.copy()))

    def to_host(self, policy: torch.Tensor) -> Float32[Array, " G"]:
        values: Array = policy.cpu().numpy()
        return values

    def _noise(self, seed: int) -> torch.Tensor:
        noise = self._encoding.noise
        if isinstance(noise, Table):
            return _table(noise, self._device)[seed : seed + self._n]
        values = np.empty(self._n, np.float32)
        noise.fill(seed, 0, values)
        return torch.from_numpy(values).to(self._device)


@functools.cache
def _table(noise: Table, device: str) -> torch.Tensor:
    """The table on a device, once per process."""
    values = open_table(noise.entries, noise.folder)
    return torch.tensor(values, device=device)


@functools.lru_cache(maxsize=8)
def device_decoder(encoding: SeedChain, device: str) -> Decoder:
    """The process's own decoder on a device."""
    return Decoder(encoding, OnDevice(encoding, device))

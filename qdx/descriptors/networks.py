"""The autoencoders of the papers, in torch.

stax: Paolo, Coninx, Laflaquière & Doncieux, "Discovering and exploiting sparse rewards in a learned
behavior space", Evolutionary Computation 32(3), 2024. taxons: Paolo, Laflaquière, Coninx &
Doncieux, "Unsupervised learning and exploration of reachable outcome space", ICRA 2020; its layers
have no biases and are normalised after the activation. Layers as in the released code of both. For
frames of 64 pixels the sizes are theirs; other sizes change the flattened layers only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import nn

from qdx.descriptors.parameters import AutoencoderParameters

HALVINGS = 4  # each convolution halves the side


@final
class Dense(nn.Linear):
    """A linear layer that, when it is not being trained, gives a row its own bits.

    A product of matrices rounds a row by its place in the batch; a product with one vector, on the
    CPU, does not.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Rows times weights, row by row in evaluation: (N, in) → (N, out)."""
        if self.training or input.device.type != "cpu":
            return super().forward(input)
        # a row is copied so that it begins where memory is aligned
        products = [torch.mv(self.weight, row.clone()) for row in input.to(self.weight.dtype)]
        found = torch.stack(products)
        return found if self.bias is None else found + self.bias


@final
class Network(nn.Module):
    """An encoder and a decoder; `forward` is the reconstruction."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What comes back."""
        reconstruction: torch.Tensor = self.decoder(self.encoder(x))
        return reconstruction


def build(p: AutoencoderParameters, *, side: int, n_numbers: int, seed: int) -> Network:
    """Fresh weights, drawn from a seed on the CPU: the same on every device.

    Args:
        p: Which network.
        side: Pixels of a frame's side; 0 where the input is no frame.
        n_numbers: Of a vector; of a frame, 3 side².
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if p.network == "mlp":
            return _mlp(p, side, n_numbers)
        make = _stax if p.network == "stax" else _taxons
        network = make(p, side >> HALVINGS)
        for weights in network.parameters():
            if weights.ndim == 4:  # as frames lie in memory: a fifth faster on a CPU
                weights.data = weights.data.contiguous(memory_format=torch.channels_last)
        return network


def _latent(p: AutoencoderParameters) -> list[nn.Module]:
    return [nn.SELU()] if p.latent_activation == "selu" else []


def _stax(p: AutoencoderParameters, side: int) -> Network:
    flat = 16 * side * side
    encoder: list[nn.Module] = []
    for inputs, outputs in pairwise((3, 32, 64, 32, 16)):
        encoder += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.SELU()]
    encoder += [nn.Flatten(), Dense(flat, p.latent), *_latent(p)]
    decoder = [Dense(p.latent, flat), nn.SELU(), nn.Unflatten(1, (16, side, side))]
    for inputs, outputs in pairwise((16, 32, 64, 32)):
        decoder += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.SELU()]
    decoder += [nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.ReLU()]
    return Network(nn.Sequential(*encoder), nn.Sequential(*decoder))


def _taxons(p: AutoencoderParameters, side: int) -> Network:
    flat = 64 * side * side
    encoder: list[nn.Module] = []
    for inputs, outputs in pairwise((3, 32, 128, 128, 64)):
        conv = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)
        encoder += [conv, nn.SELU(), nn.BatchNorm2d(outputs)]
    encoder += [nn.Flatten(), Dense(flat, flat, bias=False), nn.SELU()]
    encoder += [Dense(flat, flat // 4, bias=False), nn.SELU()]
    encoder += [Dense(flat // 4, p.latent, bias=False), *_latent(p)]
    decoder: list[nn.Module] = [Dense(p.latent, flat // 4, bias=False), nn.SELU()]
    decoder += [Dense(flat // 4, flat // 2, bias=False), nn.SELU()]
    decoder += [nn.Unflatten(1, (32, side, side)), nn.BatchNorm2d(32)]
    for inputs, outputs in pairwise((32, 64, 32, 32)):
        conv_t = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
        decoder += [conv_t, nn.SELU(), nn.BatchNorm2d(outputs)]
    decoder += [nn.ConvTranspose2d(32, 3, 4, 2, 1, bias=False), nn.ReLU()]
    return Network(nn.Sequential(*encoder), nn.Sequential(*decoder))


def _mlp(p: AutoencoderParameters, side: int, n_numbers: int) -> Network:
    """Hidden layers with SELU; the reconstruction is linear, for vectors may be negative."""
    encoder: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise((n_numbers, *p.hidden)):
        encoder += [Dense(inputs, outputs), nn.SELU()]
    encoder += [Dense((n_numbers, *p.hidden)[-1], p.latent), *_latent(p)]
    decoder: list[nn.Module] = []
    for inputs, outputs in pairwise((p.latent, *reversed(p.hidden))):
        decoder += [Dense(inputs, outputs), nn.SELU()]
    decoder += [Dense((p.latent, *reversed(p.hidden))[-1], n_numbers)]
    decoder += [nn.Unflatten(1, (3, side, side))] if side else []
    return Network(nn.Sequential(*encoder), nn.Sequential(*decoder))

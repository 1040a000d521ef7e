"""A network as a plain torch module, and many different networks evaluated as one batch.

`TorchNetwork` is an `nn.Sequential` of torch's own layers, so its state dict loads into one that is
written down outside qdx. `Networks` holds P networks side by side: convolutions of all of them are
one grouped convolution, dense layers one batched matrix product, and each network may look at R
observations of its own. An answer has the same bits in every slot, whatever the other slots hold:
grouped convolutions and batched products treat their members alike, as long as there are two of
them (one alone takes another path), and as long as R is the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64
from numpy import ndarray as Array
from torch import nn

from qdx.policies.network import Layer, Network

Method = Literal["grouped", "unfold"]
FEWEST = 2  # networks in a batch: a batch of one is computed otherwise


@final
class TorchNetwork(nn.Sequential):
    """Padding, convolutions, rectifiers, dense layers, as torch's own modules.

    `forward` maps frames (..., C, H, W) in [0, 1], or uint8, or numbers (..., n), to the outputs;
    the step of the episode, which open-loop policies need, changes nothing.
    """

    @classmethod
    def load(cls, shape: Network, genes: Float32[Array, " G"]) -> TorchNetwork:
        """A module with the weights of one genome."""
        flat = torch.from_numpy(genes.copy())
        modules: list[nn.Module] = []
        with torch.no_grad():
            for layer, after in pairwise([*shape.layers, None]):
                if layer is not None:
                    modules += _modules(layer, shape, flat, is_last=after is None)
        return cls(*modules)

    def forward(self, observation: torch.Tensor, step: int | torch.Tensor = 0) -> torch.Tensor:
        """The outputs for an observation."""
        x = observation / 255 if observation.dtype == torch.uint8 else observation
        lead = x.shape[: x.ndim - self._n_axes]
        x = x.reshape(-1, *x.shape[len(lead) :])
        for module in self:
            x = module(x)
        return x.reshape(*lead, -1)

    @property
    def _n_axes(self) -> int:
        return 1 if isinstance(self[0], nn.Linear) else 3


def _modules(layer: Layer, shape: Network, flat: torch.Tensor, *, is_last: bool) -> list[nn.Module]:
    """A layer with its weights, what comes before it and its activation."""
    weights, biases = _of(layer, flat)
    if layer.conv is not None:
        conv = nn.Conv2d(layer.seen[0], layer.n_out, layer.conv.kernel, layer.conv.stride)
        conv.weight.copy_(weights.permute(3, 2, 0, 1))
        conv.bias.copy_(biases)  # type: ignore[union-attr]
        pad: list[nn.Module] = [nn.ZeroPad2d(layer.pad * 2)] if any(layer.pad) else []
        return [*pad, conv, nn.ReLU()]
    linear = nn.Linear(layer.fan_in, layer.n_out)
    if len(layer.seen) == 3:  # genes see channels last, torch flattens channels first
        c, h, w = layer.seen
        weights = weights.reshape(h, w, c, -1).permute(2, 0, 1, 3).reshape(layer.weights)
    linear.weight.copy_(weights.T)
    linear.bias.copy_(biases)
    flatten: list[nn.Module] = [nn.Flatten()] if len(layer.seen) == 3 else []
    activation = nn.ReLU() if shape.activation == "relu" else nn.Tanh()
    return [*flatten, linear, *([] if is_last else [activation])]


def _of(layer: Layer, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and biases of a layer, as views of genes (..., G)."""
    weights = flat[..., layer.start : layer.end].view(*flat.shape[:-1], *layer.weights)
    return weights, flat[..., layer.end : layer.end + layer.n_out]


@final
class Networks:
    """P networks of one shape, evaluated at once.

    Weights lie as products read them, each unit's in a row: a batch of different networks waits for
    its memory, and this is twice as fast as in the order of the genes.
    """

    def __init__(
        self, shape: Network, n: int, device: str = "cpu", *, method: Method = "grouped"
    ) -> None:
        """All weights zero.

        Args:
            shape: Of each network.
            n: P, at least 2.
            device: Where they lie.
            method: Of the convolutions: grouped, or patches and a batched product.
        """
        self._shape, self._method, self.device = shape, method, device
        n = max(n, FEWEST)
        self._weights = [
            torch.zeros(n, layer.n_out, layer.fan_in, device=device) for layer in shape.layers
        ]
        self._biases = [torch.zeros(n, layer.n_out, device=device) for layer in shape.layers]

    def load(self, place: int, genes: torch.Tensor) -> None:
        """Put the network of a genome (G,) into a place."""
        for i, layer in enumerate(self._shape.layers):
            weights, biases = _of(layer, genes)
            rows = weights.permute(3, 2, 0, 1) if layer.conv is not None else weights.T
            self._weights[i][place] = rows.reshape(layer.n_out, layer.fan_in)
            self._biases[i][place] = biases

    def picked(self, rows: Int64[Array, " Q"]) -> Networks:
        """Some of the networks, in a batch of their own."""
        few = Networks(self._shape, len(rows), self.device, method=self._method)
        at = torch.from_numpy(rows).to(self.device)
        for mine, theirs in zip(
            [*few._weights, *few._biases], [*self._weights, *self._biases], strict=True
        ):
            mine[: len(rows)] = theirs[at]
        return few

    @torch.inference_mode()
    def __call__(self, observations: torch.Tensor) -> torch.Tensor:
        """Outputs (P, R, A) for frames (P, R, C, H, W) or numbers (P, R, n)."""
        x, layers = observations, self._shape.layers
        if x.dtype == torch.uint8:
            x = x.float() / 255
        conv = self._grouped if self._method == "grouped" else self._unfolded
        for layer, weights, biases in zip(layers, self._weights, self._biases, strict=True):
            if layer.conv is not None:
                x = F.relu(conv(layer, x, weights, biases))
                continue
            if x.ndim == 5:
                x = x.permute(0, 1, 3, 4, 2).flatten(2)  # (P, R, C, H, W) → (P, R, H W C)
            x = torch.baddbmm(biases[:, None], x, weights.transpose(1, 2))
            if layer.end != layers[-1].end:
                x = F.relu(x) if self._shape.activation == "relu" else torch.tanh(x)
        return x

    def _grouped(
        self, layer: Layer, x: torch.Tensor, kernels: torch.Tensor, biases: torch.Tensor
    ) -> torch.Tensor:
        """A group each: (P, R, C, H, W) → (R, P C, H, W) → (P, R, C', H', W')."""
        p = len(x)
        assert layer.conv is not None  # for the type checker
        before, after = layer.pad
        x = x.transpose(0, 1).flatten(1, 2)
        if before != after:
            x = F.pad(x, (before, after, before, after))
            before = 0
        x = F.conv2d(
            x,
            kernels.reshape(p * layer.n_out, layer.seen[0], *layer.weights[:2]),
            biases.flatten(),
            stride=layer.conv.stride,
            padding=before,
            groups=p,
        )
        return x.reshape(len(x), p, layer.n_out, *x.shape[2:]).transpose(0, 1)

    def _unfolded(
        self, layer: Layer, x: torch.Tensor, kernels: torch.Tensor, biases: torch.Tensor
    ) -> torch.Tensor:
        """Patches (P R, C k k, L), then (P, out, C k k) x (P, C k k, R L)."""
        p, r = x.shape[:2]
        assert layer.conv is not None  # for the type checker
        x = F.pad(x.flatten(0, 1), layer.pad * 2)
        patches = F.unfold(x, layer.conv.kernel, stride=layer.conv.stride)
        side = (x.shape[-1] - layer.conv.kernel) // layer.conv.stride + 1
        patches = patches.reshape(p, r, *patches.shape[1:]).transpose(1, 2).flatten(2)
        made = torch.baddbmm(biases[..., None], kernels, patches)  # (P, out, R L)
        return made.reshape(p, layer.n_out, r, side, side).transpose(1, 2)

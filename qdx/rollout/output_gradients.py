"""Sensitivities for safe mutations: gradients of a policy's outputs on states of its task.

SM-G-SUM of Lehman, Chen, Clune & Stanley, "Safe mutations for deep and recurrent neural networks
through output gradients", GECCO 2018 (arXiv 1712.06563), as its code computes it: for parameter w,
outputs y_k and states e_i

    s(w) = sqrt( sum over k of ( sum over i of dy_k(e_i) / dw )² ),

at least 0.01, and 1 where nothing depends on w.

Two things differ, so that a genome stays what it is, a few seeds. The states are not the parent's
own experiences, which would have to be stored with every chain: they are common to a campaign,
keyed by its seed, and played again by whoever decodes. And s is computed in float64 and rounded to
five bits: what a processor or a thread count changes in the last bits of a sum is gone, so the same
states give the same genome everywhere, on a GPU too, where this is computed on the host.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Shaped
from numpy import ndarray as Array
from torch import nn

from qdx.core.errors import ConfigError
from qdx.core.rng import draw
from qdx.policies.mlp import Mlp
from qdx.policies.mlp_torch import TorchMlp
from qdx.policies.network import Network
from qdx.policies.network_torch import TorchNetwork
from qdx.rollout.episodes import SEEDS
from qdx.rollout.slots import open_slots
from qdx.signatures.threads import one_thread

LEAST = 0.01  # sensitivity, of the authors' code
ZERO = 1e-9  # below, a sensitivity is 0 but for rounding
BITS = 5  # of a sensitivity
LATEST = 100  # step of an episode from which a state comes
HELD = 10  # steps that an action is held: random ones step by step lead nowhere


@final
@dataclass(frozen=True, eq=False)
class OutputGradients:
    """The sensitivity of one policy on one task; an equal `repr` makes two of them equal.

    Attributes:
        task: Whose states they are.
        policy: What parameters belong to.
        n_states: How many states.
        seed: Of the campaign.
    """

    task: Any
    policy: Mlp | Network
    n_states: int
    seed: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OutputGradients) and self._said == other._said

    def __hash__(self) -> int:
        return hash(self._said)

    @functools.cached_property
    def _said(self) -> str:
        return repr(self)

    def of(self, policy: Float32[Array, " G"]) -> Float32[Array, " G"]:
        with torch.inference_mode(False), torch.enable_grad(), one_thread():
            module = _module(self.policy, policy).double()
            parameters = list(module.parameters())
            outputs = module(_states(self))
            squares = [torch.zeros_like(p) for p in parameters]
            for output in outputs.sum(dim=0):  # over the states
                found = torch.autograd.grad(output, parameters, retain_graph=True)
                for square, gradient in zip(squares, found, strict=True):
                    square += gradient**2
        s = np.concatenate([square.sqrt().numpy().ravel() for square in squares])
        in_order = np.empty(len(s))
        in_order[_places(self.policy)] = s
        return bounded(in_order)


def build(task: Any, policy: Any, n_states: int, seed: int) -> OutputGradients:
    """The sensitivity for a campaign.

    Raises:
        ConfigError: The policy has no gradients on what it sees of this task.
    """
    shown = task.facts.image or (len(task.facts.observation),)
    sight = getattr(policy, "sight", None) or (getattr(policy, "n_in", None),)
    if not isinstance(policy, Mlp | Network) or sight != shown:
        raise ConfigError(
            "encoding.mutation: expected plain, for this policy does not look at what "
            f"{task.facts.name} shows, got safe."
        )
    return OutputGradients(task, policy, n_states, seed)


def bounded(s: Float64[Array, " G"]) -> Float32[Array, " G"]:
    """Rounded to five bits, at least 0.01, and 1 where it is zero."""
    fraction, exponent = np.frexp(s)  # fraction of [0.5, 1)
    rounded = np.ldexp(np.round(fraction * 2**BITS) / 2**BITS, exponent)
    floored = np.where(s < ZERO, 1.0, np.maximum(rounded, LEAST))
    return floored.astype(np.float32)


def _module(shape: Mlp | Network, genes: Float32[Array, " G"]) -> nn.Module:
    if isinstance(shape, Mlp):
        return TorchMlp.load(shape, genes)
    return TorchNetwork.load(shape, genes)


@functools.lru_cache(maxsize=8)
def _places(shape: Mlp | Network) -> Shaped[Array, " G"]:
    """Which gene each parameter of the module is: a genome of 0, 1, 2, … is loaded and read back.

    Exact, for float32 counts to 16 million.
    """
    numbered = _module(shape, np.arange(shape.n_genes, dtype=np.float32))
    flat = np.concatenate([p.detach().numpy().ravel() for p in numbered.parameters()])
    return flat.astype(np.int64)


@functools.lru_cache(maxsize=8)
def _states(gradients: OutputGradients) -> torch.Tensor:
    """What policies see in some moments of the task, in float64; played once per process."""
    seen = torch.from_numpy(states(gradients.task, gradients.n_states, gradients.seed))
    return seen.double() / 255 if seen.dtype == torch.uint8 else seen.double()


def states(task: Any, n: int, seed: int) -> Shaped[Array, "n ..."]:
    """Observations of n episodes of keyed actions, each at another step; always on the CPU.

    Of an episode that ends before, the last one.
    """
    latest = min(task.facts.horizon - 1, LATEST)
    due = np.arange(n) * latest // max(n - 1, 1)
    begins = np.array([draw(seed, "states", i).integers(SEEDS) for i in range(n)])
    slots = open_slots(task, n, "cpu", "measures")
    try:
        playing = np.flatnonzero(~slots.begin(np.arange(n), begins))
        seen, action = np.zeros(0), torch.zeros(0)
        for t in range(latest + 1):
            sights = torch.as_tensor(slots.observe(playing)).numpy()
            if t == 0:
                seen = sights.copy()
            seen[playing] = sights[playing]
            playing = playing[due[playing] > t]
            if not len(playing):
                break
            if t % HELD == 0:
                drawn = draw(seed, "actions of states", t).uniform(
                    -1, 1, (n, len(task.facts.action))
                )
                action = torch.from_numpy(drawn.astype(np.float32))
            playing = playing[~slots.step(playing, action)]
    finally:
        slots.close()
    return seen if seen.dtype == np.uint8 else np.nan_to_num(seen, posinf=0.0, neginf=0.0)

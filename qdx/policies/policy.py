"""The interface of policies: bodies for genes, inside a fused kernel and as torch modules."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from jaxtyping import Float32
from numpy import ndarray as Array


class Program(NamedTuple):
    """A policy inside a kernel.

    Attributes:
        body: The `wp.struct` of a batch of policies.
        act: `wp.func` (body, row, observation, step) → action in [-1, 1].
        load: (genes, device) → body.
    """

    body: Any
    act: Any
    load: Any


class Policy(Protocol):
    """The shape of a policy; `build(parameters, facts)` of its module fits it to a task.

    Implementations are hashable and picklable.
    """

    @property
    def n_genes(self) -> int: ...

    @property
    def torch_module(self) -> str:
        """As "module:Class", whose `load(policy, genes)` is a torch module (observation, step)."""
        ...

    def initial(self, normal: Float32[Array, "n G"]) -> Float32[Array, "n G"]:
        """Fresh genes, made from standard normal draws. Called by the encoding, which clips."""
        ...

    def program(self, device: str) -> Program:
        """What a fused kernel runs on a device."""
        ...

"""Signature to log-signature: the logarithm of the truncated tensor algebra.

    log(1 + x) = x ⊗ (1 - x ⊗ (1/2 - x ⊗ (1/3 - …)))

The power series by Horner's rule, truncated: the inner a bracket, the fewer levels it needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

Levels = Sequence[Float64[Tensor, "_ B"]]  # level 1 first; paths along the last axis


def logarithm(levels: Levels) -> list[Float64[Tensor, "_ B"]]:
    """The levels of the logarithm of 1 + `levels`."""
    depth = len(levels)
    bracket: list[Tensor] = []  # levels 1, 2, … of a bracket whose level 0 is 1/k
    for k in range(depth, 1, -1):
        bracket = [-level for level in _product(levels[: depth - k + 1], bracket, 1.0 / k)]
    return _product(levels, bracket, 1.0)


def _product(left: Levels, right: Levels, constant: float) -> list[Float64[Tensor, "_ B"]]:
    """`left` ⊗ (`constant` + `right`), as many levels as `left` has."""
    made = []
    for level in range(1, len(left) + 1):
        total = left[level - 1] * constant
        for i in range(1, level):
            a, b = left[i - 1], right[level - i - 1]
            total.view(len(a), len(b), -1).addcmul_(a[:, None], b[None])
        made.append(total)
    return made


def flat(levels: Levels) -> Float64[Tensor, "D B"]:
    """All levels, one after the other."""
    return torch.cat(list(levels))

"""Plain signatures, to judge the fast ones by: Chen's identity, written as in a textbook.

A tensor is a list of its levels 0 … N, level k an array with k axes of length C.
"""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np


def product(a, b):
    """The product of two tensors, truncated."""
    return [sum(np.multiply.outer(a[i], b[k - i]) for i in range(k + 1)) for k in range(len(a))]


def exponential(step, depth):
    """The signature of one straight segment: step ⊗ … ⊗ step / k!."""
    levels = [np.array(1.0)]
    for _ in range(depth):
        levels.append(np.multiply.outer(levels[-1], step))
    return [level / factorial(k) for k, level in enumerate(levels)]


def signature(path, depth):
    """The signature of a (T, C) path, a tensor."""
    total = exponential(np.zeros(path.shape[1]), depth)
    for step in np.diff(path, axis=0):
        total = product(total, exponential(step, depth))
    return total


def logarithm(tensor):
    """x - x²/2 + x³/3 … of a tensor 1 + x."""
    x = [np.zeros(()), *tensor[1:]]
    power, total = x, [np.zeros_like(level) for level in x]
    for k in range(1, len(tensor)):
        total = [t - (-1) ** k / k * p for t, p in zip(total, power, strict=True)]
        power = product(power, x)
    return total


def flat(tensor):
    """Levels 1 … N as one row."""
    return np.concatenate([level.ravel() for level in tensor[1:]])


def unflat(row, channels, depth):
    """A row as a tensor."""
    levels, start = [np.array(1.0)], 0
    for k in range(1, depth + 1):
        size = channels**k
        levels.append(row[start : start + size].reshape([channels] * k))
        start += size
    return levels


def shuffles(u, v):
    """All interleavings of two words, as often as they occur."""
    n = len(u) + len(v)
    found = []
    for places in combinations(range(n), len(u)):
        letters, rest = iter(u), iter(v)
        found.append(tuple(next(letters) if i in places else next(rest) for i in range(n)))
    return found

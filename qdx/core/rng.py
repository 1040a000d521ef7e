"""Stateless random draws.

Every draw is keyed by what it is for, never by when, where or by whom it is made, so a resumed or a
distributed run draws the same numbers. Philox is counter-based (Salmon et al. 2011, Parallel random
numbers: as easy as 1, 2, 3, SC'11); the key is spread by NumPy's `SeedSequence`.
"""

from __future__ import annotations

import zlib

import numpy as np


def draw(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The generator of one draw.

    Args:
        seed: Seed of the campaign.
        purpose: What the numbers are for, such as "mutation".
        key: The id or step the draw belongs to, then the trial where there are several. Give each
            purpose a fixed number of keys: trailing zeros do not count.

    Returns:
        A generator at the start of its own stream; equal arguments give equal numbers.
    """
    entropy = (seed, zlib.crc32(purpose.encode()), *key)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))

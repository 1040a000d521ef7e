"""What every descriptor is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float32, UInt8
from numpy import ndarray as Array

from qdx.core.protocols import Bounds

Draw = Callable[[Float32[Array, "*N K"]], UInt8[Array, "*N H W 3"]]


@dataclass(frozen=True)
class DescriptorSetting:
    """A descriptor's world.

    Attributes:
        observation: Name of what it reads: the observer's.
        bounds: (low, high) of each number of it.
        n_samples: S, moments of the episode that the observer looks at.
        n_genes: G.
        seed: Seed of the campaign; every draw is keyed by it.
        device: Where to compute: cpu, cuda, cuda:1, …
        frame_size: Pixels of a side where the observation is frames, else 0.
        draw: Sketches → frames; None where the observation is none, or is pixels already.
    """

    observation: str
    bounds: Bounds
    n_samples: int = 1
    n_genes: int = 0
    seed: int = 0
    device: str = "cpu"
    frame_size: int = 0
    draw: Draw | None = None

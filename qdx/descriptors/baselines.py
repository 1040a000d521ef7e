"""Behaviour spaces to compare learned ones with: genes, noise, and raw pixels.

The baselines of TAXONS (Paolo, Laflaquière, Coninx & Doncieux, ICRA 2020): policy search (PS, the
descriptor is the genome), random (RBD, ten uniform numbers) and image (IBD, the frame itself,
12 288 numbers). None of them learns.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Observations
from qdx.core.rng import draw
from qdx.descriptors.fixed import Fixed
from qdx.descriptors.parameters import GenomeParameters, PixelsParameters, RandomParameters
from qdx.descriptors.setting import DescriptorSetting

GENE_BOUND = 5.0  # genes are clipped to ±5 (the papers)
CHUNK = 256  # episodes whose frames are drawn at once


def genome(parameters: GenomeParameters, setting: DescriptorSetting) -> Fixed:
    """The genes: whoever differs in genes differs."""
    bounds = ((-GENE_BOUND, GENE_BOUND),) * setting.n_genes
    return Fixed(lambda seen: seen["genes"].astype(np.float32), bounds)


def random(parameters: RandomParameters, setting: DescriptorSetting) -> Fixed:
    """Uniform numbers keyed by the id: an individual keeps its own."""

    def place(seen: Observations) -> Float32[Array, "B D"]:
        # one by one: each row has a key of its own
        drawn = [draw(setting.seed, "random descriptor", i) for i in seen["id"].tolist()]
        return np.stack([rng.random(parameters.dimension, np.float32) for rng in drawn])

    return Fixed(place, ((0.0, 1.0),) * parameters.dimension)


def pixels(parameters: PixelsParameters, setting: DescriptorSetting) -> Fixed:
    """The frames, 0 to 1.

    Raises:
        ConfigError: The observer keeps no frames.
    """
    if not setting.frame_size:
        raise ConfigError(
            f"descriptor.kind: pixels: expected observer frames, got {setting.observation!r}."
        )

    def place(seen: Observations) -> Float32[Array, "B D"]:
        kept = seen[setting.observation]
        paint = setting.draw if kept.ndim == 3 else None
        chunks = [kept[i : i + CHUNK] for i in range(0, len(kept), CHUNK)]
        drawn = [(paint(chunk) if paint else chunk).reshape(len(chunk), -1) for chunk in chunks]
        return np.concatenate(drawn).astype(np.float32) / np.float32(255)

    return Fixed(place, ((0.0, 1.0),) * (3 * setting.frame_size**2 * setting.n_samples))

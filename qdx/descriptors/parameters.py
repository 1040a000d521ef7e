"""What a config may say of each descriptor; light, so that listing them imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval


@dataclass(frozen=True)
class IdentityParameters:
    """No parameters: the descriptor is what the observer keeps."""


@dataclass(frozen=True)
class GenomeParameters:
    """No parameters: the descriptor is the genes."""


@dataclass(frozen=True)
class RandomParameters:
    """Numbers that mean nothing.

    Attributes:
        dimension: How many (TAXONS: 10).
    """

    dimension: Annotated[int, Ge(1)] = 10


@dataclass(frozen=True)
class PixelsParameters:
    """No parameters: the descriptor is the frames, 0 to 1."""


@dataclass(frozen=True)
class AutoencoderParameters:
    """STAX's values are the defaults.

    Attributes:
        network: stax or taxons, the convolutional ones of the papers, for frames; mlp for anything.
        latent: Numbers a frame, or a vector, is encoded into.
        latent_activation: selu (the papers), which is bounded below by -1.76, or linear.
        hidden: Units of the encoder's hidden layers, mirrored in the decoder; mlp only.
        described: all frames of an episode make up the descriptor, or the last one alone.
        train: Whether it learns; an untrained encoder is the papers' control.
        reset: Whether each training begins with fresh weights instead of the present ones.
        weights: Which are kept after a training: those best in validation, or the last (the code).
        max_epochs: At most so many passes (the code: 101).
        patience: Validations in a row above the best one that end a training.
        validation: Share of the individuals that are held out.
        batch: Frames, or vectors, of a step of the optimiser.
        learning_rate: Of Adam.
        max_samples: Individuals of a training, at random where there are more; 0 for all.
        threads: Of torch. The bits depend on it, so it is not the number of cores.
    """

    network: Literal["stax", "taxons", "mlp"] = "stax"
    latent: Annotated[int, Ge(1)] = 10
    latent_activation: Literal["selu", "linear"] = "selu"
    hidden: tuple[Annotated[int, Ge(1)], ...] = (64, 32)
    described: Literal["all", "last"] = "all"
    train: bool = True
    reset: bool = False
    weights: Literal["best", "last"] = "best"
    max_epochs: Annotated[int, Ge(1)] = 101
    patience: Annotated[int, Ge(1)] = 4
    validation: Annotated[float, Interval(gt=0, lt=1)] = 0.2
    batch: Annotated[int, Ge(2)] = 128
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    max_samples: Annotated[int, Ge(0)] = 0
    threads: Annotated[int, Ge(1)] = 1

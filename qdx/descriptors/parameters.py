"""What a config may say of each descriptor; light, so that listing them imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

# Inputs of an epoch, epochs, inputs shown in all. `python -m benchmarks training` compares the two.
SHORT = {"max_inputs": 4096, "max_epochs": 101, "max_shown": 4096}
PAPER = {"max_inputs": 0, "max_epochs": 101, "max_shown": 0}  # the code's 100 epochs, off by one


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
    """STAX's values are the defaults, but for the schedule.

    Attributes:
        network: stax or taxons, the convolutional ones of the papers, for frames; mlp for anything.
        latent: Numbers a frame, or a vector, is encoded into.
        latent_activation: selu (the papers), which is bounded below by -1.76, or linear.
        hidden: Units of the encoder's hidden layers, mirrored in the decoder; mlp only.
        described: all frames of an episode make up the descriptor, or the last one alone.
        train: Whether it learns; an untrained encoder is the papers' control.
        reset: Whether each training begins with fresh weights instead of the present ones.
        weights: Which are kept after a training: those best in validation, or the last (the code).
        schedule: `paper`: each epoch sees all inputs, up to 101 epochs. `short`: a convolutional
            network sees 4 096 in all, be they few and shown often or many and shown once; an MLP,
            which costs little, learns as in the paper. The three numbers may be given themselves.
        max_inputs: Frames, or vectors, of an epoch, those held out included; where there are more,
            each epoch draws anew which it learns from. 0 for all; None for the schedule's.
        max_epochs: At most so many epochs; None for the schedule's.
        max_shown: At most about so many inputs in all epochs of a training together, in whole
            epochs and one at least, so that few are shown often and many seldom. 0 for no bound;
            None for the schedule's.
        patience: Validations in a row above the best one that end a training.
        validation: Share of the individuals that are held out.
        batch: Frames, or vectors, of a step of the optimiser.
        learning_rate: Of Adam.
        precision: bfloat16 rounds what layers read and multiply to 8 bits, in trainings and in
            encodings; weights, moments and sums stay float32. Faster where the processor has it.
        threads: Of torch. The bits of a training depend on it, so it is not the number of cores.
    """

    network: Literal["stax", "taxons", "mlp"] = "stax"
    latent: Annotated[int, Ge(1)] = 10
    latent_activation: Literal["selu", "linear"] = "selu"
    hidden: tuple[Annotated[int, Ge(1)], ...] = (64, 32)
    described: Literal["all", "last"] = "all"
    train: bool = True
    reset: bool = False
    weights: Literal["best", "last"] = "best"
    schedule: Literal["short", "paper"] = "short"
    max_inputs: Annotated[int, Ge(0)] | None = None
    max_epochs: Annotated[int, Ge(1)] | None = None
    max_shown: Annotated[int, Ge(0)] | None = None
    patience: Annotated[int, Ge(1)] = 4
    validation: Annotated[float, Interval(gt=0, lt=1)] = 0.2
    batch: Annotated[int, Ge(2)] = 128
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Ge(1)] = 1

    def __post_init__(self) -> None:
        """Settle the schedule once: the resolved config says what a run and its resumes do."""
        is_short = self.schedule == "short" and self.network != "mlp"
        for name, value in (SHORT if is_short else PAPER).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

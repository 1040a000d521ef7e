"""The config of a Gymnasium task; read without importing Gymnasium."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, MinLen

from qdx.core.task_facts import EpisodeSeed


@dataclass(frozen=True)
class GoalArea:
    """A disc in the units of the descriptor; episodes that end in it are counted.

    Attributes:
        name: As printed beside rewards.
        centre: One number per measure.
        radius: Of the disc.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: str
    centre: tuple[float, ...]
    radius: Annotated[float, Gt(0)]


@dataclass(frozen=True)
class GymnasiumParameters:
    """Any registered Gymnasium environment, by its id, such as gymnasium:CartPole-v1.

    Attributes:
        descriptor: The ground-truth measures, taken at the end of the episode: indices of the
            observation, or names of numbers in `info`. Where not given, the first two observed
            numbers, and without `bounds` the first two that have bounds of their own.
        bounds: (low, high) of each; the observation space's own where not given.
        bins: Cells of the coverage grid per measure.
        horizon: Steps of a full episode; the environment's own time limit where not given.
        goals: Named discs, for counting where episodes end; fitness does not depend on them.
        episode_seed: What episodes are reset with: `same` for all, or `per_genome`.
        kwargs: What the environment is made with.
    """

    descriptor: Annotated[tuple[int | str, ...], MinLen(1)] | None = None
    bounds: tuple[tuple[float, float], ...] | None = None
    bins: Annotated[int, Ge(1)] = 50
    horizon: Annotated[int, Ge(1)] | None = None
    goals: tuple[GoalArea, ...] = ()
    episode_seed: EpisodeSeed = "same"
    kwargs: dict[str, Any] = field(default_factory=dict)

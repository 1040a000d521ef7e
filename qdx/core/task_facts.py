"""What a task says of itself: numbers and names, no world and no kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy import ndarray as Array

EpisodeSeed = Literal["same", "per_genome", "per_trial"]


class Goal(NamedTuple):
    """A rewarded disc or box, in the units of the ground-truth measures.

    Attributes:
        name: As printed beside rewards.
        centre: One number per measure.
        radius: Of the disc, or half the edge of a box.
        is_box: A square instead of a disc.
    """

    name: str
    centre: tuple[float, ...]
    radius: float
    is_box: bool = False


class Ceiling(NamedTuple):
    """The largest coverage any search can reach.

    Attributes:
        coverage: Share of the ground-truth grid.
        method: How it was computed.
    """

    coverage: float
    method: str


class Scenery(NamedTuple):
    """What pictures of the task are drawn on, in the units of the ground-truth measures.

    Attributes:
        walls: (H, W) bool raster, row 0 at the smallest second measure; None for an empty world.
        start: Where episodes begin; None where that follows from their seed.
        y_down: The second measure grows downwards.
        view: (low, high) of both measures that the raster covers and a picture shows; None for the
            bounds of the coverage grid.
        limbs: (P, 2) the joints of an arm at the start, from its base to its tip.
    """

    walls: Array | None
    start: tuple[float, float] | None
    y_down: bool = False
    view: tuple[tuple[float, float], tuple[float, float]] | None = None
    limbs: Array | None = None


@dataclass(frozen=True)
class TaskFacts:
    """The constants of a task.

    Attributes:
        name: As named in a config.
        summary: One sentence: the world and what is rewarded.
        observation: A name per observed number.
        action: A name per action.
        horizon: Steps of a full episode.
        measures: A name per ground-truth measure.
        bounds: (low, high) per measure: the range of the coverage grid.
        bins: Cells of the coverage grid per measure.
        goals: Reward areas; `Outcomes.reward_area` is an index into them.
        hidden: Width and number of the papers' controller's hidden layers.
        source: Where the task comes from.
        episode_seed: What an episode is reset with: the campaign's seed, so that all episodes begin
            the same way (the papers'), a seed of its own for each genome, or one for each trial,
            common to all genomes. Validation episodes have one for each trial unless it is `same`.
        policy: Kind of policy where a config names none.
        sketch: A name per number that a frame of the task is drawn from; none where it draws none.
        renders: Its worlds give frames as they run, which cannot be drawn again afterwards.
        image: (C, H, W) of the frames that policies with eyes see; empty where they have none.
    """

    name: str
    summary: str
    observation: tuple[str, ...]
    action: tuple[str, ...]
    horizon: int
    measures: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    bins: tuple[int, ...]
    goals: tuple[Goal, ...]
    hidden: tuple[int, int]
    source: str
    episode_seed: EpisodeSeed = "same"
    policy: str = "mlp"
    sketch: tuple[str, ...] = ()
    renders: bool = False
    image: tuple[int, ...] = ()

    @property
    def low(self) -> Array:
        """Lower bounds of the measures, (M,) float32."""
        return np.array([low for low, _ in self.bounds], np.float32)

    @property
    def high(self) -> Array:
        """Upper bounds of the measures, (M,) float32."""
        return np.array([high for _, high in self.bounds], np.float32)

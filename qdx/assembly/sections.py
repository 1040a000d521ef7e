"""Sections of a config that belong to no single room."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval, Predicate


def is_file_name(name: str) -> bool:
    """Whether a campaign's name can name its directory: letters, digits, `_ . + -`, or empty."""
    return re.fullmatch(r"(\w[\w.+-]*)?", name) is not None


def as_file_name(name: str) -> str:
    """The nearest name that can name a directory."""
    return re.sub(r"[^\w.+-]+", "_", name).lstrip(".+-") or "campaign"


@dataclass(frozen=True)
class CheckpointSection:
    """When a campaign commits: whichever comes first.

    Attributes:
        generations: Generations between commits.
        seconds: Seconds between commits.
    """

    generations: Annotated[int, Ge(1)] = 100
    seconds: Annotated[float, Ge(0)] = 20.0


@dataclass(frozen=True)
class SteadySection:
    """What a steady campaign keeps under way.

    Attributes:
        shard: Genomes that are asked for, run and told together; 0 for a sixteenth of what stands
            for a generation. Evolution strategies ask for their whole population instead.
        in_flight: Shards under way for each that can run at once; the others wait their turn.
        keep_events: Keep the whole event log, not only what the commits in place may need: the run
            then follows from its config and the log, without an episode.
    """

    shard: Annotated[int, Ge(0)] = 0
    in_flight: Annotated[int, Ge(1)] = 2
    keep_events: bool = False


@dataclass(frozen=True)
class IslandsSection:
    """How campaigns exchange what they keep.

    Attributes:
        n: Islands, this one among them.
        folder: Where they publish; all of them see it.
        exchange: Generations between moments.
        wait_s: Seconds that an island waits for what another one is to have published.
    """

    n: Annotated[int, Ge(1)]
    folder: str
    exchange: Annotated[int, Ge(1)] = 10
    wait_s: Annotated[float, Ge(0)] = 600.0


@dataclass(frozen=True)
class CampaignSection:
    """The keys of a config that are no section.

    Attributes:
        name: Names the run; its directory is archives/<name>-<seed>.
        seed: Every random draw follows from it.
        budget: Evaluations; the last generation may overshoot it.
        max_failed_fraction: A generation with more failed episodes than this stops the campaign.
        budget_steps: Steps of all episodes; the campaign ends with the first budget that is spent.
        island: Number of this campaign among those that share an archive.
        mode: generational, or steady: results are told as they arrive, one shard at a time.
    """

    budget: Annotated[int, Ge(1)]
    name: Annotated[str, Predicate(is_file_name)] = ""
    seed: Annotated[int, Ge(0)] = 0
    max_failed_fraction: Annotated[float, Interval(ge=0, le=1)] = 0.5
    budget_steps: Annotated[int, Ge(1)] | None = None
    island: Annotated[int, Interval(ge=0, lt=8192)] = 0
    mode: Literal["generational", "steady"] = "generational"

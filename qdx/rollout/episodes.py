"""What fused and stepped rollouts share: seeds before the episodes, outcomes after them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, Shaped
from numpy import ndarray as Array

from qdx.core.errors import ShapeError
from qdx.core.protocols import Observer
from qdx.core.rng import draw
from qdx.core.task_facts import TaskFacts
from qdx.core.types import Genomes, Outcomes, Purpose
from qdx.policies.policy import Policy

SEEDS = 1 << 31  # seeds are 0 to SEEDS - 1: what a kernel's int32 and every simulator can hold
INVALID = "genes are not finite"
DIVERGED = "the episode ended in numbers that are not finite"


class Ends(NamedTuple):
    """What a batch of episodes leaves behind.

    Attributes:
        samples: Measures, or frames, at the steps the observer asks for.
        truth: Measures at the end.
        fitness: Reward of the episode.
        area: Index of the rewarded goal, -1 for none.
        length: Steps taken.
    """

    samples: Shaped[Array, "B S ..."]
    truth: Float32[Array, "B M"]
    fitness: Float32[Array, " B"]
    area: Int32[Array, " B"]
    length: Int32[Array, " B"]


def episode_seeds(facts: TaskFacts, seed: int, genomes: Genomes) -> Int64[Array, " B"]:
    """The seed each episode is reset with, as the task says.

    `same`: the rollout's own seed, for all. `per_genome`: a seed of its own for each genome and
    trial, drawn by its id, so it does not depend on when or where the genome is evaluated.
    `per_trial`: one for each trial, common to all genomes, as validation episodes have it too.
    """
    if facts.episode_seed == "same":
        return np.full(len(genomes), seed % SEEDS)
    is_common = (genomes.purpose == Purpose.VALIDATION) | (facts.episode_seed == "per_trial")
    keys = zip(genomes.ids.tolist(), genomes.trial.tolist(), is_common.tolist(), strict=True)
    drawn = [
        draw(seed, "trial", trial) if common else draw(seed, "episode", id_, trial)
        for id_, trial, common in keys
    ]
    return np.array([rng.integers(SEEDS) for rng in drawn], np.int64)


def not_finite(genomes: Genomes, policy: Policy, facts: TaskFacts) -> Bool[Array, " B"]:
    """Which genomes cannot be evaluated.

    Raises:
        ShapeError: Genes that do not fit the policy.
    """
    if genomes.genes.shape[1:] != (policy.n_genes,):
        raise ShapeError(
            f"genes: expected (B, {policy.n_genes}) for {policy} on {facts.name!r}, got "
            f"{genomes.genes.shape}."
        )
    finite: Array = np.isfinite(genomes.genes).all(axis=1)
    return ~finite


def outcomes(
    ends: Ends, observer: Observer, facts: TaskFacts, reason: Shaped[Array, " B"]
) -> Outcomes:
    """Outcomes of episodes, some of which are known to have failed.

    Args:
        ends: What they left behind.
        observer: What is kept of it.
        facts: Of the task.
        reason: Why a row failed, empty where it is not known to have; rows that ended in numbers
            that are not finite are added.
    """
    observations = observer.observations(ends.samples, ends.length, facts)
    finite = np.isfinite(ends.truth).all(axis=1) & _all_finite(ends.samples)
    for values in observations.values():  # a product of large numbers may be too large
        finite &= _all_finite(values)
    diverged = ~(finite & np.isfinite(ends.fitness))
    reason = np.where((reason == "") & diverged, DIVERGED, reason)
    failed = reason != ""
    return Outcomes(
        fitness=np.where(failed, np.float32(np.nan), ends.fitness),
        length=ends.length,
        truth=np.where(failed[:, None], np.float32(np.nan), ends.truth),
        observations=observations,
        failed=failed,
        reward_area=np.where(failed, -1, ends.area).astype(np.int8),
        reason=reason,
    )


def _all_finite(samples: Shaped[Array, "B ..."]) -> Bool[Array, " B"]:
    rows = tuple(range(1, samples.ndim))
    finite: Array = np.isfinite(samples).all(axis=rows)
    return finite

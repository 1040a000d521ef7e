"""Stepped rollouts: a batch of policies drives as many worlds, one step at a time.

For tasks of `tasks/stepped.py`: MuJoCo, any Gymnasium environment. An engine that releases the
interpreter while it steps lets threads over shards use every core. A row's result has the same bits
whatever rows stand around it: worlds promise it, `policies/mlp_numpy.py` keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float32, Int64, Shaped
from numpy import ndarray as Array

from qdx.core.protocols import Observer
from qdx.core.types import Genomes, Outcomes
from qdx.policies.mlp import Mlp
from qdx.policies.mlp_numpy import NumpyMlp
from qdx.rollout.episodes import INVALID, Ends, episode_seeds, not_finite, outcomes
from qdx.tasks.stepped import RenderingWorlds, SteppedTask, Worlds


@final
@dataclass(frozen=True)
class SteppedRollout:
    """Task x policy x observer, on the CPU.

    Attributes:
        task: Opens the worlds.
        policy: The body that genes are loaded into.
        observer: What is kept of an episode.
        seed: Seed of the episodes; the task says whether all are reset with it.
    """

    task: SteppedTask
    policy: Mlp
    observer: Observer
    seed: int = 0

    @property
    def frame_size(self) -> int:
        """Pixels of a side where the observer looks at frames, else 0."""
        return int(getattr(self.observer, "size", 0))

    def __call__(self, genomes: Genomes) -> Outcomes:
        invalid = not_finite(genomes, self.policy, self.task.facts)
        seeds = episode_seeds(self.task.facts, self.seed, genomes)
        rows = np.flatnonzero(~invalid)
        ends, reason = self._nothing(len(genomes)), np.full(len(genomes), INVALID, object)
        if len(rows):
            played = self._play(genomes.genes[rows], seeds[rows])
            for all_rows, values in zip(ends, played.ends, strict=True):
                all_rows[rows] = values
            reason[rows] = played.reason
        return outcomes(ends, self.observer, self.task.facts, reason.astype(str))

    def _nothing(self, n: int) -> Ends:
        """Room for the ends of a batch."""
        n_measures = len(self.task.facts.measures)
        n_samples, side = len(self.observer.steps(self.task.facts.horizon)), self.frame_size
        measures = np.full((n, n_samples, n_measures), np.nan, np.float32)
        return Ends(
            samples=np.zeros((n, n_samples, side, side, 3), np.uint8) if side else measures,
            truth=np.full((n, n_measures), np.nan, np.float32),
            fitness=np.full(n, np.nan, np.float32),
            area=np.full(n, -1, np.int32),
            length=np.zeros(n, np.int32),
        )

    def _play(self, genes: Float32[Array, "B G"], seeds: Int64[Array, " B"]) -> Played:
        """Run episodes to their ends."""
        ends = self._nothing(len(genes))
        worlds = self.task.open(len(genes), frame_size=self.frame_size)
        try:
            self._drive(worlds, genes, seeds, ends)
            fitness, area, reason = worlds.finish()
        finally:
            worlds.close()
        return Played(ends._replace(fitness=fitness, area=area), reason)

    def _drive(
        self, worlds: Worlds, genes: Float32[Array, "B G"], seeds: Int64[Array, " B"], ends: Ends
    ) -> None:
        """Step the worlds until all are over; fills samples, truth and lengths."""
        horizon = self.task.facts.horizon
        steps = self.observer.steps(horizon)
        slots = {step: slot for slot, step in enumerate(steps.tolist())}
        rows = np.flatnonzero(~worlds.reset(seeds))
        look: Callable[[], Array] = worlds.measure
        if self.frame_size and isinstance(worlds, RenderingWorlds):
            look = worlds.render
        policies, t = NumpyMlp(self.policy, genes[rows]), 0
        while len(rows) and t < horizon:
            if t in slots:
                ends.samples[:, slots[t]] = look()
            over = worlds.step(rows, policies(worlds.observe(rows)))
            ends.length[rows] += 1
            t += 1
            if over.any():
                rows = rows[~over]
                policies = NumpyMlp(self.policy, genes[rows])
        ends.truth[:] = worlds.measure()
        ends.samples[:, steps >= t] = look()[:, None]


class Played(NamedTuple):
    """Episodes that were run, and why some failed; empty where they did not."""

    ends: Ends
    reason: Shaped[Array, " B"]

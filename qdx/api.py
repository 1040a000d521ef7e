"""The Python interface: run a campaign, open one that ran, evaluate genomes.

import qdx

run = qdx.run("configs/hard_maze.yaml")
run.metrics.plot(x="evaluations", y="coverage")
action = run.best().policy()(observation)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from jaxtyping import Float32
from matplotlib.figure import Figure
from numpy import ndarray as Array

from qdx.assembly import replay as replaying
from qdx.assembly.config import load
from qdx.assembly.parts import build_policy, build_rollout, parameters
from qdx.assembly.stored import StoredRun
from qdx.assembly.tables import row
from qdx.campaign.campaign import Campaign
from qdx.core.types import Evaluations, Genomes, Json, Outcomes, Purpose
from qdx.report import export
from qdx.report.picture import run_picture


@final
@dataclass(frozen=True)
class Elite:
    """An archived individual."""

    run: Run
    id: int

    @property
    def evaluation(self) -> Evaluations:
        """Everything stored of it, a batch of one."""
        return self.run.stored.evaluations(np.array([self.id]))

    @property
    def genes(self) -> Float32[Array, " G"]:
        """Its genes; the decoded parameters of a seed chain."""
        genes: Array = parameters(self.run.stored.config, self.evaluation.genomes)[0]
        return genes

    @property
    def fitness(self) -> float:
        """Its episode reward."""
        return float(self.evaluation.outcomes.fitness[0])

    def policy(self) -> Any:
        """Its controller, a torch module: (observation, step) → action.

        The papers' controller needs no step.
        """
        return export.policy(self.run.stored, self.id)

    def replay(self, *, device: str = "") -> replaying.Replay:
        """Run it again."""
        return replaying.replay(self.run.stored, self.id, device=device)


@final
class Run:
    """A run directory, read at its newest commit."""

    def __init__(self, path: str | Path) -> None:
        """Read it.

        Raises:
            ConfigError: No run there.
            DamagedRunError: No commit verifies.
        """
        self.stored = StoredRun.open(path)
        self.path = self.stored.path

    @property
    def summary(self) -> Json:
        """What `qdx inspect --json` prints."""
        return self.stored.summary()

    @property
    def metrics(self) -> pd.DataFrame:
        """One row per generation."""
        return export.metrics(self.stored)

    @property
    def elites(self) -> pd.DataFrame:
        """One row per archived individual."""
        return export.elites(self.stored)

    @property
    def archive(self) -> Evaluations:
        """All archived individuals, by id."""
        return self.stored.evaluations(self.stored.archive_ids())

    def best(self) -> Elite:
        """The fittest archived individual."""
        return Elite(self, self.stored.best())

    def elite(self, id_: int) -> Elite:
        """An individual by id."""
        return Elite(self, id_)

    def replay(self, id_: int, *, device: str = "") -> replaying.Replay:
        """Run an individual again."""
        return replaying.replay(self.stored, id_, device=device)

    def picture(self) -> Figure:
        """The map with the archive on it, and the coverage curve."""
        return run_picture(self.stored)

    def __repr__(self) -> str:
        c = self.stored.config
        return f"Run({str(self.path)!r}: {c.searcher.kind} on {c.task.kind})"


def run(
    config: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
) -> Run:
    """Run a campaign to its end.

    Args:
        config: A YAML file or a mapping of the same keys.
        out: The run directory; archives/<name>-<seed> where not given.
        overrides: `key=value` on top of the config.

    Raises:
        ConfigError: The config is wrong or the directory is in use.
        RolloutError: Too many episodes failed.
    """
    with Campaign(config, out, overrides=overrides) as campaign:
        campaign.run()
    return Run(campaign.path)


def open_run(path: str | Path) -> Run:
    """A run on disk; also one that is still running, at its last commit."""
    return Run(path)


def evaluate(
    task: str | Mapping[str, Any],
    genes: Float32[Array, "B G"],
    *,
    observer: str | Mapping[str, Any] = "final",
    device: str = "cpu",
    seed: int = 0,
) -> Outcomes:
    """Run genomes on a task with its default policy, without a campaign.

    Args:
        task: A task by name, or a mapping with its `kind`.
        genes: One genome a row.
        observer: What is kept of an episode, by name or mapping.
        device: cpu, cuda, cuda:1, …
        seed: Seed of the episodes.

    Raises:
        ConfigError: No such task or device.
        ShapeError: Genes that do not fit the policy.
    """
    row("task", task if isinstance(task, str) else str(task.get("kind")))
    config = load(
        {"task": task, "observer": observer, "searcher": "random_search", "budget": 1, "seed": seed}
    )
    n = len(genes)
    genomes = Genomes(
        ids=np.arange(n),
        genes=np.ascontiguousarray(genes, np.float32),
        parents=np.full(n, -1),
        purpose=np.full(n, Purpose.REPLAY, np.int32),
        trial=np.zeros(n, np.int32),
    )
    return build_rollout(config, config.observer.parameters, device)(genomes)


def n_genes(task: str | Mapping[str, Any]) -> int:
    """Genes of a task's default policy."""
    return int(build_policy(load({"task": task, "searcher": "random_search", "budget": 1})).n_genes)


__all__ = ["Campaign", "Elite", "Run", "evaluate", "n_genes", "open_run", "run"]

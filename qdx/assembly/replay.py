"""Run one stored individual again, and say whether the outcome is the stored one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray as Array

from qdx.assembly.config import Config
from qdx.assembly.parts import build_reader_executor, build_rollout, home_device
from qdx.assembly.stored import StoredRun
from qdx.assembly.tables import resolve
from qdx.core.types import Evaluations, Genomes, Outcomes
from qdx.executors.evaluate import evaluate
from qdx.observers.sampling import Checkpoints, Path
from qdx.tasks.posed import Posed

TOLERANCE = 1e-3  # of a measure; chaotic episodes may differ more between devices

Match = Literal["same bits", "within tolerance", "different"]


@dataclass(frozen=True)
class Replay:
    """An episode that was run again.

    Attributes:
        stored: What the run holds of the individual.
        outcome: What came out now.
        path: Ground-truth measures after every step, the start first.
        limbs: The joints of the task's arm after every step; None where it has no arm.
        match: How the two agree.
        note: Why they may differ, such as another device; empty for none.
    """

    stored: Evaluations
    outcome: Outcomes
    path: Float32[Array, "S M"]
    limbs: Float32[Array, "S P 2"] | None
    match: Match
    note: str


def replay(run: StoredRun, id_: int, *, device: str = "") -> Replay:
    """Run an individual of a stored run again.

    Args:
        run: Where it is stored.
        id_: Its id.
        device: Where to run it; the run's own device where not given.

    Raises:
        ConfigError: No such individual, or no such device.
    """
    stored = run.evaluations(np.array([id_]))
    outcome = build_rollout(run.config, run.config.observer.parameters, device)(stored.genomes)
    traced = build_rollout(run.config, Path(stride=1), device)(stored.genomes)
    path = traced.observations["path"][0, : int(traced.length[0]) + 1]
    made_on = run.snapshot.meta.get("environment", {}).get("device", "")
    used = device or home_device(run.config)
    note = f"stored on {made_on}, replayed on {used}" if made_on not in ("", used) else ""
    limbs = _limbs(run.config, stored.genomes, len(path), device)
    return Replay(stored, outcome, path, limbs, _match(stored.outcomes, outcome), note)


def frames(run: StoredRun, id_: int, *, device: str = "") -> UInt8[Array, "T H W"] | None:
    """What an individual's policy sees, a frame a step; None where it sees no frames."""
    rollout: Any = build_rollout(run.config, run.config.observer.parameters, device)
    if not hasattr(rollout, "policy") or len(getattr(rollout.policy, "sight", ())) != 3:
        return None
    made: Array = resolve("qdx.rollout.networks:film")(
        rollout, run.evaluations(np.array([id_])).genomes
    )
    return made


def _limbs(config: Config, genomes: Genomes, n: int, device: str) -> Array | None:
    """The arm's joints at the first n samples of an episode, (n, P, 2)."""
    task = config.task.parameters
    if not hasattr(task, "pose"):
        return None
    posed = replace(config, task=replace(config.task, parameters=Posed(task)))
    joints: Array = build_rollout(posed, Path(stride=1), device)(genomes).observations["path"]
    return joints[0, :n].reshape(n, -1, 2)


def at_moments(
    run: StoredRun, ids: Int64[Array, " N"], n: int, *, device: str = ""
) -> Float32[Array, "N S M"]:
    """Ground-truth measures of stored individuals over the episode, which they run again.

    Args:
        run: Where they are stored.
        ids: Theirs.
        n: Equally spaced moments of the longest episode, the last one its end; after an early end
            the last state repeats.
        device: Where to run them; the run's own device where not given.

    Raises:
        ConfigError: No such individual or device, or more moments than steps.
        RolloutError: A shard could not be evaluated.
    """
    observer = Checkpoints(n)
    rollout = build_rollout(run.config, observer, device)
    executor = build_reader_executor(run.config)
    try:
        genomes = run.evaluations(ids).genomes
        outcomes = evaluate(executor, rollout, genomes, stopping=lambda: False)
    finally:
        executor.close()
    moments: Array = outcomes.observations["checkpoints"]
    return moments


def _match(stored: Outcomes, now: Outcomes) -> Match:
    """Equal fitness, measures, length and observations; or measures and fitness nearby."""
    pairs = [(stored.fitness, now.fitness), (stored.truth, now.truth), (stored.length, now.length)]
    pairs += [(stored.observations[name], now.observations[name]) for name in stored.observations]
    if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
        return "same bits"
    near = all(np.allclose(a, b, atol=TOLERANCE, rtol=0, equal_nan=True) for a, b in pairs[:2])
    return "within tolerance" if near else "different"

"""Fused rollouts: one kernel runs whole episodes, on a GPU one a thread, on a CPU two side by side.

`open_program` composes a task (`tasks/fused.py`), a policy and the observer's sampling plan into
one Warp kernel. The same source runs on the CPU and on CUDA; a launch releases the interpreter, so
threads over shards use every core. A row's result has the same bits whatever rows stand around it.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import warp as wp
from jaxtyping import Float32, Int64
from numpy import ndarray as Array

from qdx.core.protocols import Observer
from qdx.core.types import Genomes, Outcomes
from qdx.policies.placing import on_device
from qdx.policies.policy import Policy
from qdx.rollout.device import check_device
from qdx.rollout.episodes import INVALID, Ends, episode_seeds, not_finite, outcomes
from qdx.rollout.fused_kernels import EpisodeResults, Sampled, episode_parts, paired, single
from qdx.tasks.fused import FusedTask

OPENING = threading.Lock()  # kernels and tables are built once per process, by whoever comes first


@final
@dataclass(frozen=True)
class FusedRollout:
    """Task x policy x observer on a device.

    Attributes:
        task: The world.
        policy: The body that genes are loaded into.
        observer: What is kept of an episode.
        device: "cpu", "cuda" or "cuda:N".
        seed: Seed of the episodes; the task says whether all are reset with it.
    """

    task: FusedTask
    policy: Policy
    observer: Observer
    device: str = "cpu"
    seed: int = 0

    def __call__(self, genomes: Genomes) -> Outcomes:
        pieces, finish = self.divide(genomes, max(len(genomes), 1))
        for piece in pieces:
            piece()
        return finish()

    def divide(
        self, genomes: Genomes, size: int
    ) -> tuple[list[Callable[[], None]], Callable[[], Outcomes]]:
        """The batch on the device, once; a launch per `size` rows, on a GPU one for all.

        Raises:
            ShapeError: Genes that do not fit the policy.
        """
        facts, n = self.task.facts, len(genomes)
        invalid = not_finite(genomes, self.policy, facts)
        # A genome with NaN must not steer table look-ups: it is run as zeros and marked.
        safe = np.where(invalid[:, None], np.float32(0), genomes.genes)
        run, ends = _prepare(self, safe, episode_seeds(facts, self.seed, genomes))
        size = size if self.device == "cpu" else max(n, 1)
        pieces = [functools.partial(run, i, min(i + size, n)) for i in range(0, n, size)]
        reason = np.where(invalid, INVALID, "")
        return pieces, lambda: outcomes(ends(), self.observer, facts, reason)


def _prepare(
    rollout: FusedRollout, genes: Float32[Array, "B G"], seeds: Int64[Array, " B"]
) -> tuple[Callable[[int, int], None], Callable[[], Ends]]:
    """Arrays on the rollout's device; what runs rows `first` to `last`, and what reads the ends."""
    sampled = samples_of(rollout.observer)
    program = open_program(rollout.task, rollout.policy, rollout.device, sampled)
    steps = rollout.observer.steps(program.horizon).astype(np.int32)
    n, n_measures, device = len(genes), program.n_measures, rollout.device
    results = EpisodeResults()
    results.sample_at = on_device(steps, wp.int32, device)
    results.samples = wp.empty((n, len(steps), program.n_sampled), dtype=wp.float32, device=device)
    results.truth = wp.empty((n, n_measures), dtype=wp.float32, device=device)
    results.fitness = wp.empty(n, dtype=wp.float32, device=device)
    results.area = wp.empty(n, dtype=wp.int32, device=device)
    results.length = wp.empty(n, dtype=wp.int32, device=device)
    results.seeds = on_device(seeds.astype(np.int32), wp.int32, device)
    policies = program.load(genes, device)

    def run(first: int, last: int) -> None:
        _launch(program, [program.world, policies, results], first, last)

    def ends() -> Ends:
        return Ends(
            results.samples.numpy(),
            results.truth.numpy(),
            results.fitness.numpy(),
            results.area.numpy(),
            results.length.numpy(),
        )

    return run, ends


def _launch(program: "FusedProgram", inputs: list[Any], first: int, last: int) -> None:
    """Run the episodes of rows `first` to `last`; on a CPU this returns when they have ended."""
    wp.launch(
        program.kernel,
        dim=-(-(last - first) // program.rows_per_thread),
        inputs=[*inputs, first, last],
        device=program.device,
    )


class FusedProgram(NamedTuple):
    """A compiled kernel, its world, and how policies get onto the device."""

    kernel: Any
    world: Any
    load: Any
    horizon: int
    n_measures: int
    n_sampled: int
    rows_per_thread: int
    device: str


def samples_of(observer: Observer) -> Sampled:
    """What an observer is given samples of."""
    sampled: Sampled = getattr(observer, "samples_of", "measures")
    return sampled


def open_program(
    task: FusedTask, policy: Policy, device: str, sampled: Sampled = "measures"
) -> FusedProgram:
    """The kernel of a task and a policy on a device, built once per process."""
    with OPENING:
        return _build(task, policy, device, sampled)


def open_world(task: FusedTask, device: str) -> Any:
    """The world of a task on a device, built once per process."""
    with OPENING:
        return _world(task, device)


@functools.cache
def _world(task: FusedTask, device: str) -> Any:
    check_device(device)
    return task.world(device)


@functools.cache
def _build(task: FusedTask, policy: Policy, device: str, sampled: Sampled) -> FusedProgram:
    check_device(device)
    body = policy.program(device)
    parts = episode_parts(task, body, sampled)
    kernel = paired(parts) if device == "cpu" else single(parts)
    rows_per_thread = 2 if device == "cpu" else 1
    wp.load_module(kernel.module, device=device)  # here, under the lock; not in a race of threads
    return FusedProgram(
        kernel,
        _world(task, device),
        body.load,
        task.facts.horizon,
        len(task.facts.measures),
        len(task.facts.measures if sampled == "measures" else task.facts.sketch),
        rows_per_thread,
        device,
    )

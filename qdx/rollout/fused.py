"""Fused rollouts: one kernel runs whole episodes, one thread a genome.

`program` composes a task (`tasks/fused.py`), a policy and the observer's sampling plan into one Warp
kernel. The same source runs on the CPU and on CUDA; a launch releases the interpreter, so threads over
shards use every core. A row's result has the same bits whatever rows stand around it.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import functools
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import warp as wp
from jaxtyping import Bool, Float32, Int32
from numpy import ndarray as Array

from qdx.core.errors import ShapeError
from qdx.core.protocols import Observer
from qdx.core.types import Genomes, Outcomes
from qdx.policies.mlp import Mlp
from qdx.rollout.device import check_device
from qdx.tasks.fused import FusedTask

_OPENING = threading.Lock()  # kernels and tables are built once per process, by whoever comes first


@final
@dataclass(frozen=True)
class FusedRollout:
    """Task x policy x observer on a device.

    Attributes:
        task: The world.
        policy: The body that genes are loaded into.
        observer: What is kept of an episode.
        device: "cpu", "cuda" or "cuda:N".
        seed: Seed of the episodes; the papers' environments are reset to the same one each time.
    """

    task: FusedTask
    policy: Mlp
    observer: Observer
    device: str = "cpu"
    seed: int = 0

    def __call__(self, genomes: Genomes) -> Outcomes:
        genes = genomes.genes
        if genes.shape[1:] != (self.policy.n_genes,):
            raise ShapeError(
                f"genes: expected (B, {self.policy.n_genes}) for {self.policy} on "
                f"{self.task.facts.name!r}, got {genes.shape}."
            )
        # A genome with NaN must not steer table look-ups: it is run as zeros and marked.
        invalid = ~np.isfinite(genes).all(axis=1)
        safe = np.where(invalid[:, None], np.float32(0), genes)
        ends = _launch(self, safe)
        return self._outcomes(ends, failed=invalid | ends.failed)

    def _outcomes(self, ends: "Ends", failed: Bool[Array, " B"]) -> Outcomes:
        fitness = np.where(failed, np.float32(np.nan), ends.fitness)
        return Outcomes(
            fitness=fitness,
            length=ends.length,
            truth=np.where(failed[:, None], np.float32(np.nan), ends.truth),
            observations=self.observer.observations(ends.samples),
            failed=failed,
            reward_area=np.where(failed, -1, ends.area).astype(np.int8),
        )


class Ends(NamedTuple):
    """What a kernel leaves behind, as NumPy arrays."""

    samples: Float32[Array, "B S M"]
    truth: Float32[Array, "B M"]
    fitness: Float32[Array, " B"]
    area: Int32[Array, " B"]
    length: Int32[Array, " B"]
    failed: Bool[Array, " B"]


def _launch(rollout: FusedRollout, genes: Float32[Array, "B G"]) -> Ends:
    """Run a batch of episodes on the rollout's device."""
    program = open_program(rollout.task, rollout.policy, rollout.device)
    steps = rollout.observer.steps(program.horizon)
    device = rollout.device
    results = {
        "samples": wp.zeros((len(genes), len(steps), program.n_measures), float, device=device),
        "truth": wp.zeros((len(genes), program.n_measures), dtype=float, device=device),
        "fitness": wp.zeros(len(genes), dtype=float, device=device),
        "area": wp.zeros(len(genes), dtype=int, device=device),
        "length": wp.zeros(len(genes), dtype=int, device=device),
        "failed": wp.zeros(len(genes), dtype=int, device=device),
    }
    if len(genes):
        wp.launch(
            program.kernel,
            dim=len(genes),
            inputs=[
                program.world,
                program.load(genes, device),
                wp.array(steps.astype(np.int32), dtype=int, device=device),
                rollout.seed,
                *results.values(),
            ],
            device=device,
        )
    arrays = {name: result.numpy() for name, result in results.items()}
    return Ends(**{**arrays, "failed": arrays["failed"] != 0})


class FusedProgram(NamedTuple):
    """A compiled kernel, its world, and how policies get onto the device."""

    kernel: Any
    world: Any
    load: Any
    horizon: int
    n_measures: int


def open_program(task: FusedTask, policy: Mlp, device: str) -> FusedProgram:
    """The kernel of a task and a policy on a device, built once per process."""
    with _OPENING:
        return _build(task, policy, device)


@functools.cache
def _build(task: FusedTask, policy: Mlp, device: str) -> FusedProgram:
    check_device(device)
    body = policy.program(device)
    horizon, n_measures = task.facts.horizon, len(task.facts.measures)
    reset, observe, step, measure, finish = (
        task.reset,
        task.observe,
        task.step,
        task.measure,
        task.finish,
    )
    act = body.act
    world = task.world(device)
    World, Body = task.World, body.body

    @wp.kernel(enable_backward=False, module="unique")
    def episode(
        world: World,
        policies: Body,
        sample_at: wp.array(dtype=wp.int32),
        seed: wp.int32,
        samples: wp.array3d(dtype=wp.float32),
        truth: wp.array2d(dtype=wp.float32),
        fitness: wp.array(dtype=wp.float32),
        area: wp.array(dtype=wp.int32),
        length: wp.array(dtype=wp.int32),
        failed: wp.array(dtype=wp.int32),
    ):
        row = wp.tid()
        state = reset(world, seed)
        slot = wp.int32(0)
        t = wp.int32(0)
        alive = wp.bool(True)
        while alive:
            if slot < sample_at.shape[0] and sample_at[slot] == t:
                sample = measure(world, state)
                for m in range(n_measures):
                    samples[row, slot, m] = sample[m]
                slot = slot + 1
            action = act(policies, row, observe(world, state))
            if wp.isfinite(wp.dot(action, action)):
                state = step(world, state, action)
                t = t + 1
                alive = t < horizon and state.done == 0
            else:  # parameters too large for float32
                failed[row] = 1
                alive = wp.bool(False)
        last = measure(world, state)
        for m in range(n_measures):
            truth[row, m] = last[m]
        while slot < sample_at.shape[0]:
            for m in range(n_measures):
                samples[row, slot, m] = last[m]
            slot = slot + 1
        reward = finish(world, state)
        fitness[row] = reward.fitness
        area[row] = reward.area
        length[row] = t

    return FusedProgram(episode, world, body.load, horizon, n_measures)

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
from typing import Any, Literal, NamedTuple, final

import numpy as np
import warp as wp
from jaxtyping import Float32, Int64
from numpy import ndarray as Array

from qdx.core.protocols import Observer
from qdx.core.types import Genomes, Outcomes
from qdx.policies.placing import on_device
from qdx.policies.policy import Policy, Program
from qdx.rollout.device import check_device
from qdx.rollout.episodes import INVALID, Ends, episode_seeds, not_finite, outcomes
from qdx.tasks.fused import FusedTask

Sampled = Literal["measures", "sketch"]

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


@wp.struct
class EpisodeResults:
    """What a kernel writes, a row a genome; `sample_at` is the observer's sampling plan.

    `seeds` is read: what each episode is reset with.
    """

    seeds: wp.array(dtype=wp.int32)
    sample_at: wp.array(dtype=wp.int32)
    samples: wp.array3d(dtype=wp.float32)
    truth: wp.array2d(dtype=wp.float32)
    fitness: wp.array(dtype=wp.float32)
    area: wp.array(dtype=wp.int32)
    length: wp.array(dtype=wp.int32)


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


class EpisodeParts(NamedTuple):
    """What both kernels are made of."""

    World: Any
    Body: Any
    Results: Any
    functions: tuple[Any, ...]  # begin, sample, observe, act, move, end


@functools.cache
def _world(task: FusedTask, device: str) -> Any:
    check_device(device)
    return task.world(device)


@functools.cache
def _build(task: FusedTask, policy: Policy, device: str, sampled: Sampled) -> FusedProgram:
    check_device(device)
    body = policy.program(device)
    parts = _episode_parts(task, body, sampled)
    kernel = _paired(parts) if device == "cpu" else _single(parts)
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


def _single(parts: EpisodeParts) -> Any:
    """One episode a thread: on a GPU other threads fill the waits."""
    World, Body, Results = parts.World, parts.Body, parts.Results
    begin, sample, observe, act, move, end = parts.functions

    @wp.kernel(enable_backward=False, module="unique")
    def episode(world: World, policies: Body, results: Results, start: wp.int32, stop: wp.int32):
        row = start + wp.tid()
        a = begin(world, results.seeds[row])
        while a.alive:
            a = sample(world, results, row, a)
            a = move(world, a, act(policies, row, observe(world, a.state), a.t))
        end(world, results, row, a)

    return episode


def _paired(parts: EpisodeParts) -> Any:
    """Two episodes a thread, step by step side by side.

    A step of a small world is one chain of dependent operations; a CPU core has room for a second
    chain in the waits of the first, and runs the pair in little more than the time of one.
    """
    World, Body, Results = parts.World, parts.Body, parts.Results
    begin, sample, observe, act, move, end = parts.functions

    @wp.kernel(enable_backward=False, module="unique")
    def episodes(world: World, policies: Body, results: Results, start: wp.int32, stop: wp.int32):
        first = start + 2 * wp.tid()
        second = wp.min(first + 1, stop - 1)  # an odd one out runs twice
        a = begin(world, results.seeds[first])
        b = begin(world, results.seeds[second])
        while a.alive or b.alive:
            a = sample(world, results, first, a)
            b = sample(world, results, second, b)
            sight_a = observe(world, a.state)
            sight_b = observe(world, b.state)
            action_a = act(policies, first, sight_a, a.t)
            action_b = act(policies, second, sight_b, b.t)
            a = move(world, a, action_a)
            b = move(world, b, action_b)
        end(world, results, first, a)
        end(world, results, second, b)

    return episodes


def _episode_parts(task: FusedTask, body: Program, sampled: Sampled) -> EpisodeParts:
    """An episode as Warp functions, for one task."""
    World, State, Results = task.World, task.State, EpisodeResults
    reset, observe, step = task.reset, task.observe, task.step
    measure, finish = task.measure, task.finish
    look = task.measure if sampled == "measures" else task.sketch
    horizon, n_measures = task.facts.horizon, len(task.facts.measures)
    n_sampled = n_measures if sampled == "measures" else len(task.facts.sketch)
    Action = wp.types.vector(len(task.facts.action), wp.float32)

    @wp.struct
    class Episode:
        state: State
        t: wp.int32
        slot: wp.int32  # samples taken
        alive: wp.bool

    @wp.func
    def begin(world: World, seed: wp.int32) -> Episode:
        episode = Episode()
        episode.state = reset(world, seed)
        episode.alive = wp.bool(True)
        return episode

    @wp.func
    def sample(world: World, results: Results, row: wp.int32, episode: Episode) -> Episode:
        if episode.slot == results.sample_at.shape[0]:
            return episode
        if results.sample_at[episode.slot] == episode.t:
            point = look(world, episode.state)
            for m in range(n_sampled):
                results.samples[row, episode.slot, m] = point[m]
            episode.slot = episode.slot + 1
        return episode

    @wp.func
    def move(world: World, episode: Episode, action: Action) -> Episode:
        if episode.alive:
            episode.state = step(world, episode.state, action)
            episode.t = episode.t + 1
            episode.alive = episode.t < horizon and episode.state.done == 0
        return episode

    @wp.func
    def end(world: World, results: Results, row: wp.int32, episode: Episode):
        last = measure(world, episode.state)
        for m in range(n_measures):
            results.truth[row, m] = last[m]
        if episode.slot < results.sample_at.shape[0]:
            view = look(world, episode.state)
            for slot in range(episode.slot, results.sample_at.shape[0]):
                for m in range(n_sampled):
                    results.samples[row, slot, m] = view[m]
        reward = finish(world, episode.state)
        results.fitness[row] = reward.fitness
        results.area[row] = reward.area
        results.length[row] = episode.t

    return EpisodeParts(World, body.body, Results, (begin, sample, observe, body.act, move, end))

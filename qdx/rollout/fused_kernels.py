"""The two kernels of a fused rollout: whole episodes, one a thread or two of them side by side."""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
from typing import Any, Literal, NamedTuple

import warp as wp

from qdx.policies.policy import Program
from qdx.tasks.fused import FusedTask

Sampled = Literal["measures", "sketch"]


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


class EpisodeParts(NamedTuple):
    """What both kernels are made of."""

    World: Any
    Body: Any
    Results: Any
    functions: tuple[Any, ...]  # begin, sample, observe, act, move, end


def single(parts: EpisodeParts) -> Any:
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


def paired(parts: EpisodeParts) -> Any:
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


def episode_parts(task: FusedTask, body: Program, sampled: Sampled) -> EpisodeParts:
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

"""The stepped form of a fused task: a kernel a step over all slots, on the CPU or on CUDA.

The functions are those of the fused form, so an episode is the same episode; only the policy is
asked from outside, by torch, on the same device. A task whose policies have eyes adds one function,

    view(world, state, row, column)  → the grey of a pixel, 0 to 1

of the frame that it shows; a slot keeps the last C of them, as `facts.image` says, black before the
start.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import contextlib
import functools
from typing import Any, NamedTuple, final

import numpy as np
import torch
import warp as wp
from numpy import ndarray as Array

from qdx.policies.placing import on_device
from qdx.rollout.device import check_device
from qdx.rollout.fused import OPENING, open_world
from qdx.rollout.fused_kernels import Sampled
from qdx.tasks.fused import FusedTask
from qdx.tasks.stepped import Finish


class Kernels(NamedTuple):
    """Of one task; `see` is None where it shows no frames."""

    begin: Any
    sight: Any
    see: Any
    move: Any
    look: Any
    end: Any


@final
class FusedSlots:
    """Worlds of a fused task, their states on the device."""

    def __init__(self, task: FusedTask, n: int, device: str, sampled: Sampled) -> None:
        """All slots are idle."""
        self._world = open_world(task, device)
        with OPENING:
            self._kernels = _kernels(task, sampled, device)
        self._device, self._facts = device, task.facts
        self._states = wp.zeros(n, dtype=task.State, device=device)
        self._n_sampled = len(task.facts.measures if sampled == "measures" else task.facts.sketch)
        shape, dtype = (len(task.facts.observation),), torch.float32
        if self._kernels.see is not None:
            shape, dtype = task.facts.image, torch.uint8
        self._sights = torch.zeros((n, *shape), dtype=dtype, device=device)
        self._seen = wp.from_torch(self._sights)

    def begin(self, slots: Array, seeds: Array) -> Array:
        inputs = [self._slots(slots), on_device(seeds.astype(np.int32), wp.int32, self._device)]
        self._launch(self._kernels.begin, len(slots), [*inputs, self._states])
        self._sights[torch.from_numpy(slots).to(self._device)] = 0
        return np.zeros(len(slots), bool)

    def observe(self, slots: Array) -> torch.Tensor:
        inputs = [self._slots(slots), self._states, self._seen]
        if self._kernels.see is None:
            self._launch(self._kernels.sight, len(slots), inputs)
        else:
            _, height, width = self._facts.image
            self._launch(self._kernels.see, (len(slots), height, width), inputs)
        return self._sights

    def step(self, slots: Array, actions: torch.Tensor) -> Array:
        over = wp.zeros(len(slots), dtype=wp.int32, device=self._device)
        moves = wp.from_torch(actions.contiguous())
        self._launch(
            self._kernels.move, len(slots), [self._slots(slots), moves, self._states, over]
        )
        return over.numpy() != 0

    def sample(self, slots: Array) -> Array:
        out = wp.zeros((len(slots), self._n_sampled), dtype=wp.float32, device=self._device)
        self._launch(self._kernels.look, len(slots), [self._slots(slots), self._states, out])
        return out.numpy()

    def measure(self, slots: Array) -> Array:
        return self._ended(slots)[0]

    def finish(self, slots: Array) -> Finish:
        _, fitness, area = self._ended(slots)
        return Finish(fitness, area.astype(np.int64), np.full(len(slots), "", object))

    def _ended(self, slots: Array) -> tuple[Array, Array, Array]:
        n = len(slots)
        truth = wp.zeros((n, len(self._facts.measures)), dtype=wp.float32, device=self._device)
        fitness = wp.zeros(n, dtype=wp.float32, device=self._device)
        area = wp.zeros(n, dtype=wp.int32, device=self._device)
        inputs = [self._slots(slots), self._states, truth, fitness, area]
        self._launch(self._kernels.end, n, inputs)
        return truth.numpy(), fitness.numpy(), area.numpy()

    def close(self) -> None:
        pass

    def _slots(self, slots: Array) -> Any:
        return on_device(slots.astype(np.int32), wp.int32, self._device)

    def _launch(self, kernel: Any, dim: Any, inputs: list[Any]) -> None:
        """On the stream that torch uses, so that each sees what the other wrote."""
        with contextlib.ExitStack() as stack:
            if self._device != "cpu":
                stream = wp.stream_from_torch(torch.cuda.current_stream(self._device))
                stack.enter_context(wp.ScopedStream(stream))
            wp.launch(kernel, dim=dim, inputs=[self._world, *inputs], device=self._device)


@functools.cache
def _kernels(task: FusedTask, sampled: Sampled, device: str) -> Kernels:
    """All kernels of a task, loaded here under the lock, not in a race of threads."""
    check_device(device)
    begin, move = _moving(task)
    sight, see = _seeing(task)
    look, end = _leaving(task, sampled)
    kernels = Kernels(begin, sight, see, move, look, end)
    for kernel in kernels:
        if kernel is not None:
            wp.load_module(kernel.module, device=device)
    return kernels


def _moving(task: FusedTask) -> tuple[Any, Any]:
    World, State, reset, step = task.World, task.State, task.reset, task.step
    n_acts = len(task.facts.action)
    Action = wp.types.vector(n_acts, wp.float32)

    @wp.kernel(enable_backward=False, module="unique")
    def begin(
        world: World,
        slots: wp.array(dtype=wp.int32),
        seeds: wp.array(dtype=wp.int32),
        states: wp.array(dtype=State),
    ):
        i = wp.tid()
        states[slots[i]] = reset(world, seeds[i])

    @wp.kernel(enable_backward=False, module="unique")
    def move(
        world: World,
        slots: wp.array(dtype=wp.int32),
        actions: wp.array2d(dtype=wp.float32),
        states: wp.array(dtype=State),
        over: wp.array(dtype=wp.int32),
    ):
        i = wp.tid()
        slot = slots[i]
        action = Action()
        for k in range(n_acts):
            action[k] = wp.clamp(actions[slot, k], -1.0, 1.0)
        state = step(world, states[slot], action)
        states[slot] = state
        over[i] = state.done

    return begin, move


def _seeing(task: FusedTask) -> tuple[Any, Any]:
    World, State, observe = task.World, task.State, task.observe
    n_seen, view = len(task.facts.observation), getattr(task, "view", None)

    @wp.kernel(enable_backward=False, module="unique")
    def sight(
        world: World,
        slots: wp.array(dtype=wp.int32),
        states: wp.array(dtype=State),
        sights: wp.array2d(dtype=wp.float32),
    ):
        slot = slots[wp.tid()]
        seen = observe(world, states[slot])
        for k in range(n_seen):
            sights[slot, k] = seen[k]

    if view is None:
        return sight, None
    n_frames = task.facts.image[0]

    @wp.kernel(enable_backward=False, module="unique")
    def see(
        world: World,
        slots: wp.array(dtype=wp.int32),
        states: wp.array(dtype=State),
        frames: wp.array4d(dtype=wp.uint8),
    ):
        i, row, column = wp.tid()
        slot = slots[i]
        for k in range(n_frames - 1):  # the oldest first
            frames[slot, k, row, column] = frames[slot, k + 1, row, column]
        grey = wp.clamp(view(world, states[slot], row, column), 0.0, 1.0)
        frames[slot, n_frames - 1, row, column] = wp.uint8(255.0 * grey + 0.5)

    return sight, see


def _leaving(task: FusedTask, sampled: Sampled) -> tuple[Any, Any]:
    World, State, measure, finish = task.World, task.State, task.measure, task.finish
    picture = task.measure if sampled == "measures" else task.sketch
    n_measures = len(task.facts.measures)
    n_sampled = n_measures if sampled == "measures" else len(task.facts.sketch)

    @wp.kernel(enable_backward=False, module="unique")
    def look(
        world: World,
        slots: wp.array(dtype=wp.int32),
        states: wp.array(dtype=State),
        out: wp.array2d(dtype=wp.float32),
    ):
        i = wp.tid()
        point = picture(world, states[slots[i]])
        for k in range(n_sampled):
            out[i, k] = point[k]

    @wp.kernel(enable_backward=False, module="unique")
    def end(
        world: World,
        slots: wp.array(dtype=wp.int32),
        states: wp.array(dtype=State),
        truth: wp.array2d(dtype=wp.float32),
        fitness: wp.array(dtype=wp.float32),
        area: wp.array(dtype=wp.int32),
    ):
        i = wp.tid()
        state = states[slots[i]]
        last = measure(world, state)
        for k in range(n_measures):
            truth[i, k] = last[k]
        reward = finish(world, state)
        fitness[i] = reward.fitness
        area[i] = reward.area

    return look, end

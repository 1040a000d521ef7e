"""Frames drawn from sketches, a batch at a time, in a Warp kernel on CPU or CUDA."""

# no `from __future__ import annotations`: Warp reads the annotations of nested kernels
import functools
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import warp as wp
from jaxtyping import Float32, UInt8
from numpy import ndarray as Array

from qdx.core.errors import ShapeError
from qdx.policies.placing import on_device
from qdx.rollout.device import check_device
from qdx.rollout.fused import open_world
from qdx.tasks.fused import FusedTask


@final
@dataclass(frozen=True)
class Drawing:
    """Draws the frames of a task; equal sketches give equal bits.

    Attributes:
        task: A task that can be looked at.
        size: Pixels of a side.
        device: "cpu", "cuda" or "cuda:N".
    """

    task: FusedTask
    size: int = 64
    device: str = "cpu"

    def __call__(self, sketches: Float32[Array, "*N K"]) -> UInt8[Array, "*N H W 3"]:
        """A frame each, row 0 at the top.

        Raises:
            ShapeError: Sketches of another task.
        """
        n_numbers = len(self.task.facts.sketch)
        if sketches.shape[-1] != n_numbers:
            raise ShapeError(
                f"sketches: expected (..., {n_numbers}) for {self.task.facts.name!r}, got "
                f"{sketches.shape}."
            )
        flat = np.ascontiguousarray(sketches.reshape(-1, n_numbers), np.float32)
        shape = (len(flat), self.size, self.size, 3)
        frames = wp.empty(shape, dtype=wp.uint8, device=self.device)
        world = open_world(self.task, self.device)
        wp.launch(
            _kernel(self.task, self.device),
            dim=(len(flat), self.size),
            inputs=[world, on_device(flat, wp.float32, self.device), self.size, frames],
            device=self.device,
        )
        return frames.numpy().reshape(*sketches.shape[:-1], *shape[1:])


@functools.cache
def _kernel(task: FusedTask, device: str) -> Any:
    """A thread a row of pixels: it reads its sketch once."""
    check_device(device)
    World, draw, n_numbers = task.World, task.draw, len(task.facts.sketch)
    Sketch = wp.types.vector(n_numbers, wp.float32)

    @wp.kernel(enable_backward=False, module="unique")
    def paint(
        world: World,
        sketches: wp.array2d(dtype=wp.float32),
        size: wp.int32,
        frames: wp.array4d(dtype=wp.uint8),
    ):
        i, row = wp.tid()
        sketch = Sketch()
        for k in range(n_numbers):
            sketch[k] = sketches[i, k]
        y = (wp.float32(row) + 0.5) / wp.float32(size)
        for column in range(size):
            x = (wp.float32(column) + 0.5) / wp.float32(size)
            colour = draw(world, sketch, x, y)
            for c in range(3):
                frames[i, row, column, c] = wp.uint8(255.0 * wp.clamp(colour[c], 0.0, 1.0) + 0.5)

    return paint

"""How the numbers of a policy and those of a Gymnasium environment are translated.

A policy's outputs in [-1, 1] are scaled to the bounds of a Box, or the largest of them names the
action of a Discrete space, the first of equals. A policy sees a Box flattened, and a Discrete
observation as one number per value: 1 for the present one, else 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Discrete
from jaxtyping import Float32, UInt8
from numpy import ndarray as Array
from PIL import Image

ENDLESS = 1e30  # a bound beyond this is none: some spaces name the largest float

Acting = Callable[[Float32[Array, " A"]], Any]


class View(NamedTuple):
    """The translation for one environment.

    Attributes:
        n_seen: Numbers the policy sees.
        n_acts: Numbers it answers with.
        bounds: (low, high) of each observed number; None where there are none.
        numbers: Observation → the numbers that measures are taken from.
        seen: Those numbers → what the policy sees.
        action: The policy's answer → action.
    """

    n_seen: int
    n_acts: int
    bounds: list[tuple[float, float] | None]
    numbers: Callable[[Any], Array]
    seen: Callable[[Array], Array]
    action: Acting


def view_of(environment: Any) -> View:
    """The translation that an environment's spaces ask for.

    Raises:
        TypeError: Spaces that are neither Box nor Discrete, or actions without bounds.
    """
    n_acts, action = _acting(environment.action_space)
    space = environment.observation_space
    if isinstance(space, Discrete):
        first, hot = int(space.start), np.eye(int(space.n), dtype=np.float32)
        return View(
            n_seen=len(hot),
            n_acts=n_acts,
            bounds=[(first - 0.5, first + len(hot) - 0.5)],  # a value is the middle of its cell
            numbers=lambda observation: np.array([observation]),
            seen=lambda numbers: hot[int(numbers[0]) - first],
            action=action,
        )
    if not isinstance(space, Box):
        raise TypeError(f"expected observations in a Box or Discrete space, got {space}")
    ends = zip(space.low.ravel().tolist(), space.high.ravel().tolist(), strict=True)
    bounds = [(low, high) if -ENDLESS < low < high < ENDLESS else None for low, high in ends]
    return View(
        n_seen=len(bounds),
        n_acts=n_acts,
        bounds=bounds,
        numbers=lambda observation: np.asarray(observation).ravel(),
        seen=lambda numbers: numbers,
        action=action,
    )


def reduced(pixels: Any, size: int) -> UInt8[Array, "H W 3"]:
    """A picture of (height, width, 3) bytes averaged down to `size` pixels a side, squeezed.

    Raises:
        TypeError: No such picture.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
        found = getattr(pixels, "shape", type(pixels).__name__)
        raise TypeError(f"expected frames of (height, width, 3) bytes, got {found}")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX))


def _acting(space: Any) -> tuple[int, Acting]:
    """How many numbers make an action, and how."""
    if isinstance(space, Discrete):
        first = int(space.start)
        return int(space.n), lambda outputs: first + int(outputs.argmax())
    if not isinstance(space, Box) or space.dtype.kind != "f":
        raise TypeError(f"expected actions in a Discrete space or a Box of floats, got {space}")
    low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
    if np.abs([low, high]).max(initial=0) > ENDLESS:
        raise TypeError(f"expected actions with bounds, to scale (-1, 1) to, got {space}")
    middle, half = (low + high) / 2, (high - low) / 2

    def action(outputs: Float32[Array, " A"]) -> Array:
        scaled = np.clip(middle + half * outputs, low, high)
        return scaled.astype(space.dtype).reshape(space.shape)

    return len(low), action

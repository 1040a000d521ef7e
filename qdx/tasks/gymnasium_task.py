"""Any registered Gymnasium environment as a stepped task.

Towers et al., "Gymnasium: a standard interface for reinforcement learning environments", 2024
(arXiv 2407.17032). An episode's fitness is the sum of its rewards. It ends when the environment
says terminated or truncated, or at the horizon; `Outcomes.length` says when. The time limit that an
environment is registered with is only the default of the horizon.

Every episode has an environment of its own, made for it and reset with its seed, so nothing can
pass from one episode to another. An environment that raises fails its row alone.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks.gymnasium_parameters import GymnasiumParameters
from qdx.tasks.gymnasium_registry import make, told
from qdx.tasks.gymnasium_view import reduced, view_of
from qdx.tasks.stepped import Finish

RGB = "rgb_array"  # the render mode that gives pixels


@final
@dataclass(frozen=True)
class GymnasiumTask:
    """One environment; `gymnasium_build.build` makes it from a config.

    Attributes:
        parameters: As the user wrote them.
        descriptor: Where each measure is found: an observed number, or a name in `info`.
        facts: Names and sizes, read from the environment.
        libraries: Distributions whose versions the outcomes depend on.
    """

    parameters: GymnasiumParameters
    descriptor: tuple[int | str, ...]
    facts: TaskFacts
    libraries: tuple[str, ...]

    def open(self, n: int, *, frame_size: int = 0) -> GymnasiumWorlds:
        kwargs = self.parameters.kwargs
        if frame_size and kwargs.get("render_mode", RGB) != RGB:
            raise ConfigError(
                f"task.kwargs.render_mode: expected {RGB} where frames are observed, got "
                f"{kwargs['render_mode']!r}. Leave it out."
            )
        if frame_size:
            kwargs = {"render_mode": RGB, **kwargs}
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame: no screen, no window
        if frame_size and not n:
            self._try_rendering(kwargs, frame_size)
        made = [make(self.facts.name, kwargs) for _ in range(n)]
        episodes = [Episode(each, self.descriptor) for each in made]
        return GymnasiumWorlds(episodes, self.facts.goals, frame_size)

    def _try_rendering(self, kwargs: dict[str, Any], frame_size: int) -> None:
        """Draw one frame, to see that this machine can.

        Raises:
            ConfigError: It cannot, for want of a package or a display; or it is no picture.
        """
        probe = Episode(make(self.facts.name, kwargs), self.descriptor)
        probe.reset(0)
        probe.render(frame_size)
        probe.close()
        if probe.reason:
            raise ConfigError(
                f"task: {self.facts.name} cannot draw the frames that the observer wants "
                f"({probe.reason}). Install what it draws with, or use an observer of numbers."
            )

    def ceiling(self) -> Ceiling | None:
        return None

    def scenery(self) -> Scenery:
        return Scenery(None, None)


@final
class GymnasiumWorlds:
    """Environments of one shard."""

    def __init__(
        self, episodes: list[Episode], goals: tuple[Goal, ...], frame_size: int = 0
    ) -> None:
        self._episodes = episodes
        self._frame_size = frame_size
        self._goals = goals

    def reset(self, seeds: Int64[Array, " B"]) -> Bool[Array, " B"]:
        begun = zip(self._episodes, seeds.tolist(), strict=True)
        return np.array([episode.reset(seed) for episode, seed in begun], bool)

    def observe(self, rows: Int64[Array, " R"]) -> Float32[Array, "R O"]:
        return np.stack([self._episodes[row].sight for row in rows])

    def step(self, rows: Int64[Array, " R"], actions: Float32[Array, "R A"]) -> Bool[Array, " R"]:
        with np.errstate(over="ignore"):  # float64 observations that no float32 holds
            moves = zip(rows, actions, strict=True)
            return np.array([self._episodes[row].step(action) for row, action in moves], bool)

    def measure(self) -> Float32[Array, "B M"]:
        return np.stack([episode.measures for episode in self._episodes])

    def render(self) -> UInt8[Array, "B H W 3"]:
        return np.stack([episode.render(self._frame_size) for episode in self._episodes])

    def finish(self) -> Finish:
        return Finish(
            fitness=np.array([episode.total for episode in self._episodes], np.float32),
            area=np.array([self._area(episode.measures) for episode in self._episodes], np.int64),
            reason=np.array([episode.reason for episode in self._episodes], object),
        )

    def _area(self, measures: Float32[Array, " M"]) -> int:
        """The first goal whose disc an episode ended in, -1 for none."""
        for i, goal in enumerate(self._goals):
            if np.linalg.norm(measures - np.array(goal.centre)) <= goal.radius:
                return i
        return -1

    def close(self) -> None:
        for episode in self._episodes:
            episode.close()


@final
class Episode:
    """One environment from its reset to its end.

    Attributes:
        sight: What the policy sees, (O,) float32.
        measures: (M,) float32.
        total: Sum of the rewards.
        reason: Why it failed; empty where it did not.
    """

    def __init__(self, environment: Any, descriptor: tuple[int | str, ...]) -> None:
        self._environment = environment
        self._descriptor = descriptor
        self._view = view_of(environment)
        self.sight = np.zeros(self._view.n_seen, np.float32)
        self.measures = np.full(len(descriptor), np.nan, np.float32)
        self.total = 0.0
        self.reason = ""

    def reset(self, seed: int) -> bool:
        """Begin; says whether it is over already, because it failed."""
        try:
            self._look(*self._environment.reset(seed=seed))
        except Exception as error:  # whatever an environment may raise
            self.reason = told(error)
        return bool(self.reason)

    def step(self, action: Float32[Array, " A"]) -> bool:
        """Move; says whether that was the end."""
        try:
            answer = self._environment.step(self._view.action(action))
            observation, reward, terminated, truncated, info = answer
            self._look(observation, info)
            self.total += float(reward)
        except Exception as error:  # whatever an environment may raise
            self.reason = told(error)
            return True
        return bool(terminated or truncated)

    def render(self, size: int) -> UInt8[Array, "H W 3"]:
        """How it looks, averaged down to `size` pixels a side; black once it has failed."""
        try:
            if not self.reason:
                return reduced(self._environment.render(), size)
        except Exception as error:  # whatever an environment may raise
            self.reason = told(error)
        return np.zeros((size, size, 3), np.uint8)

    def _look(self, observation: Any, info: Any) -> None:
        numbers = self._view.numbers(observation)
        if len(numbers) != len(self._view.bounds):
            raise ValueError(f"observed {len(numbers)} numbers, not {len(self._view.bounds)}")
        self.sight[:] = self._view.seen(numbers)
        for m, key in enumerate(self._descriptor):
            self.measures[m] = info[key] if isinstance(key, str) else numbers[key]

    def close(self) -> None:
        """Let the environment go; that it cannot even be closed changes no outcome."""
        with contextlib.suppress(Exception):
            self._environment.close()

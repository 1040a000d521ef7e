"""Observers that keep samples of the ground-truth measures: the final state, checkpoints, the path.

Samples after an early end repeat the last state, so arrays have one shape; `Outcomes.length` says
how many of them were alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Float32, Int32, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Bounds, Observations
from qdx.core.task_facts import TaskFacts


@final
@dataclass(frozen=True)
class Final:
    """The measures at the end: the papers' hand-made descriptor."""

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        return np.array([horizon])

    def observations(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        return {"final": samples[:, -1]}

    def bounds(self, facts: TaskFacts) -> Bounds:
        return facts.bounds


@final
@dataclass(frozen=True)
class Checkpoints:
    """The measures at s equally spaced moments, the start excluded (STAX code, "NS_5ts").

    Attributes:
        samples: s. The last one is the final state.
    """

    samples: Annotated[int, Ge(1)] = 5

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        if self.samples > horizon:
            raise ConfigError(
                f"observer.samples: expected at most the {horizon} steps of an episode, got "
                f"{self.samples}."
            )
        return horizon * np.arange(1, self.samples + 1) // self.samples

    def observations(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        return {"checkpoints": samples}

    def bounds(self, facts: TaskFacts) -> Bounds:
        return facts.bounds * len(self.steps(facts.horizon))


@final
@dataclass(frozen=True)
class Path:
    """The measures from the start to the end of the episode, every `stride` steps and at the end.

    Attributes:
        stride: Steps between samples.
    """

    stride: Annotated[int, Ge(1)] = 20

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        return np.unique(np.append(np.arange(0, horizon, self.stride), horizon))

    def observations(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        return {"path": samples}

    def bounds(self, facts: TaskFacts) -> Bounds:
        return facts.bounds * len(self.steps(facts.horizon))

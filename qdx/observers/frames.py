"""The observer that looks at an episode: frames, kept as the numbers they are drawn from.

Frames of STAX (Paolo, Coninx, Laflaquière & Doncieux, "Discovering and exploiting sparse rewards in
a learned behavior space", Evolutionary Computation 32(3), 2024) and, with one sample, of TAXONS
(Paolo, Laflaquière, Coninx & Doncieux, ICRA 2020). A frame of 64 x 64 pixels is 12 288 bytes; the
sketch it is drawn from (`tasks/fused.py`) is some dozens, and drawing it again costs less than
reading it. Descriptors are given the frames, drawn. Where only the environment itself can render,
frames are kept as the bytes they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge, Interval, MultipleOf
from jaxtyping import Int32, Int64, Shaped
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Bounds, Observations
from qdx.core.task_facts import TaskFacts


@final
@dataclass(frozen=True)
class Frames:
    """Frames at equally spaced moments, the start excluded.

    Attributes:
        samples: s. The last one is the end of the episode.
        size: Pixels of a side.
    """

    samples: Annotated[int, Ge(1)] = 1
    size: Annotated[int, Interval(ge=16, le=512), MultipleOf(16)] = 64

    samples_of: ClassVar[Literal["sketch"]] = "sketch"

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        """The papers render after step t = 0, 1, …, T - 1 where t is in the list below."""
        most = max(horizon - 1, 1)
        if self.samples > most:
            raise ConfigError(
                f"observer.samples: expected at most {most} for episodes of {horizon} steps, got "
                f"{self.samples}."
            )
        t = np.ceil(np.linspace(0, horizon - 1, self.samples + 1))[1:]
        return 1 + t.astype(np.int64)

    def observations(
        self, samples: Shaped[Array, "B S *K"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        return {"frames": samples}

    def bounds(self, facts: TaskFacts) -> Bounds:
        """Of the sketches, or of the pixels where the frames themselves are kept."""
        n_samples = len(self.steps(facts.horizon))
        if facts.renders:
            return ((0.0, 255.0),) * (n_samples * 3 * self.size**2)
        if not facts.sketch:
            raise ConfigError(
                f"observer.kind: expected a task that draws frames, got {facts.name!r}. Use "
                "another observer, such as final or path."
            )
        return ((-np.inf, np.inf),) * (n_samples * len(facts.sketch))

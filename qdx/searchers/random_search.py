"""Random search: fresh genomes every generation, the floor under every comparison.

The "RND" baseline of SERENE: M genomes ~ clip(N(0, 1)) a generation, N_Q random ones archived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.protocols import Describe
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.setting import Setting, newborn


@dataclass(frozen=True)
class RandomSearchParameters:
    """The SERENE baseline's values are the defaults.

    Attributes:
        batch: M, genomes of a generation.
        additions: N_Q, of which enter the archive.
    """

    batch: Annotated[int, Ge(1)] = 100
    additions: Annotated[int, Ge(0)] = 5

    archives: ClassVar[dict[str, str]] = {"novelty": "novelty"}


@final
class RandomSearch:
    """Learns nothing from what it sees."""

    def __init__(self, parameters: RandomSearchParameters, setting: Setting) -> None:
        """Its only state is the next id."""
        self._p = parameters
        self._setting = setting
        self._next_id = setting.first_id

    def ask(self) -> Genomes:
        rng = draw(self._setting.seed, "initial", self._next_id)
        return newborn(self._next_id, self._setting.encoding.initial(self._p.batch, rng))

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        alive = np.flatnonzero(~evaluations.outcomes.failed)
        rng = draw(self._setting.seed, "admission", self._next_id)
        n = min(self._p.additions, len(alive))
        return {"novelty": evaluations.genomes.ids[np.sort(rng.choice(alive, n, replace=False))]}

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        self._next_id += len(evaluations)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # holds no individual

    def report(self) -> Json:
        return {}

    def state(self) -> State:
        return State({}, {"next_id": self._next_id})

    def restore(self, state: State) -> None:
        self._next_id = state.json["next_id"]

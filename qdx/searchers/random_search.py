"""Random search: fresh genomes every generation, the floor under every comparison.

The "RND" baseline of SERENE: M genomes ~ clip(N(0, 1)) a generation, N_Q random ones archived.
In a steady campaign they are drawn of each M ids in turn, before anybody knows who fails.
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

    @property
    def steady_batch(self) -> int:
        """Evaluations that stand for a generation in a steady campaign."""
        return self.batch


@final
class RandomSearch:
    """Learns nothing from what it sees."""

    def __init__(self, parameters: RandomSearchParameters, setting: Setting) -> None:
        """Its only state is the next id."""
        self._p = parameters
        self._setting = setting
        self._next_id = setting.first_id

    def ask(self) -> Genomes:
        return self._newborn(self._p.batch)

    def ask_more(self, n: int) -> Genomes:
        asked = self._newborn(n)
        self._next_id += n
        return asked

    def admit_some(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        ids = evaluations.genomes.ids
        blocks = np.unique((ids - self._setting.first_id) // self._p.batch)
        drawn = np.concatenate([self._drawn(block) for block in blocks.tolist()])
        return {"novelty": ids[np.isin(ids, drawn)]}

    def tell_some(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        pass  # nothing follows from it

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

    def _newborn(self, n: int) -> Genomes:
        rng = draw(self._setting.seed, "initial", self._next_id)
        return newborn(self._next_id, self._setting.encoding.initial(n, rng))

    def _drawn(self, block: int) -> Int64[Array, " N"]:
        """Whom of the M ids of a block the archive is offered."""
        size, first = self._p.batch, self._setting.first_id + block * self._p.batch
        rng = draw(self._setting.seed, "admission", first)
        drawn: Array = first + rng.choice(size, min(self._p.additions, size), replace=False)
        return drawn

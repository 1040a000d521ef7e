"""TAXONS: exploration of a behaviour space that is learned on the way.

Paolo, Laflaquière, Coninx & Doncieux, "Unsupervised learning and exploration of reachable outcome
space", ICRA 2020; in the form of its authors' STAX code, on the loop of Novelty Search:

    P <- M genomes ~ clip(N(0, 1)), evaluated;  A <- {}
    while budget left:
        O <- for each p in P: m children clip(p + N(0, sigma² I)), evaluated
        novelty of P u O against P u O u A;  surprise: the descriptor's reconstruction error
        A <- A u {N_Q random members of O}
        P <- the M best of P u O by novelty or by surprise, a fair coin each generation
        when it is time (`lessons`): the descriptor learns from A u P u O

Of the ICRA code, which has a population without offspring, the parts that fit this loop are
options: regular trainings (`growth: 0`) and generations that select for novelty before the coin is
thrown (`novelty_first`). Its replacement of the 5 worst, its admission of the best and its mutation
in place are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Describe
from qdx.core.records import empty_ids
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.lessons import LessonParameters, Lessons, pupils
from qdx.searchers.novelty_search import NoveltySearch, NoveltySearchParameters, Pool, Survive
from qdx.searchers.pareto import best
from qdx.searchers.setting import Setting

Selection = Literal["alternate", "novelty", "surprise", "pareto"]


@dataclass(frozen=True)
class TaxonsParameters(LessonParameters, NoveltySearchParameters):
    """The papers' values are the defaults; those of Novelty Search and of lessons come with it.

    Attributes:
        selection: What P survives by: novelty or surprise by a coin (TAXONS), novelty (TAXO-N),
            surprise (TAXO-S), or the Pareto fronts of both (TAXONS-P).
        novelty_first: Generations that select for novelty alone, whatever `selection` says.
    """

    selection: Selection = "alternate"
    novelty_first: Annotated[int, Ge(0)] = 0

    defaults: ClassVar[dict[str, str]] = {"observer": "frames", "descriptor": "autoencoder"}


def check_surprise(selection: Selection, setting: Setting) -> None:
    """Refuse to select by surprise in a space that knows none.

    Raises:
        ConfigError: As it says.
    """
    if selection != "novelty" and not setting.has_surprise:
        raise ConfigError(
            f"searcher.selection: expected novelty for a descriptor without surprise, got "
            f"{selection!r}. Use descriptor autoencoder, or selection novelty."
        )


def surprise(pool: Pool) -> Float64[Array, " B"]:
    """Reconstruction error in the present space; -inf for failed individuals."""
    found = pool.records.column("surprise", pool.ids).astype(np.float64)
    return np.where(np.isfinite(found), found, -np.inf)


def survival(selection: Selection, seed: int) -> Survive:
    """The population update: rows of the n survivors, the older of equals."""

    def survive(pool: Pool, n: int) -> Int64[Array, " n"]:
        by = selection
        if by == "alternate":
            newest = int(pool.ids.max()) if len(pool.ids) else 0
            by = "novelty" if draw(seed, "criterion", newest).random() < 0.5 else "surprise"
        if by == "pareto":
            return best(np.column_stack([pool.novelty, surprise(pool)]), n)
        scores = pool.novelty if by == "novelty" else surprise(pool)
        # an error beyond float32 counts for nothing, yet comes before whoever failed
        order: Array = np.lexsort((pool.ids, -scores, pool.novelty == -np.inf))[:n]
        return order

    return survive


@final
class Taxons:
    """Explores by novelty and surprise in a space that it has learned; reward is not looked at."""

    def __init__(self, parameters: TaxonsParameters, setting: Setting) -> None:
        """Exploring, with the first chunk before it.

        Raises:
            ConfigError: Selection by surprise in a space that knows none.
        """
        check_surprise(parameters.selection, setting)
        self._p = parameters
        self._setting = setting
        self._explore = NoveltySearch(parameters, setting, self._survive)
        self._lessons = Lessons(parameters)
        self._offspring = empty_ids()  # O
        self._left = parameters.chunk  # of K
        self._generation = 0
        self._is_due = False  # a lesson, after this generation

    def ask(self) -> Genomes:
        return self._explore.ask()

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return self._explore.admit(evaluations)

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        self._explore.tell(evaluations, verdicts)
        self._setting.records.hold(evaluations.genomes.ids)
        self._setting.records.release(self._offspring)
        self._offspring = evaluations.genomes.ids
        self._generation += 1
        self._left -= len(evaluations)
        self._is_due = self._left <= 0 and self._lessons.chunk_over()
        if self._left <= 0:
            self._left = self._p.chunk

    def lesson(self) -> Int64[Array, " L"] | None:
        if not self._is_due:
            return None
        archived = self._setting.archives["novelty"].members()
        groups = (archived, self._explore.population, self._offspring)
        return pupils(self._setting.records, *groups)

    def redescribe(self, describe: Describe) -> None:
        pass  # novelty and surprise are read from the records every generation

    def report(self) -> Json:
        return {"lessons": self._lessons.given}

    def state(self) -> State:
        explore = self._explore.state()
        json = explore.json | {"left": self._left, "generation": self._generation}
        json |= {"lessons": self._lessons.state()}
        return State(explore.arrays | {"offspring": self._offspring}, json)

    def restore(self, state: State) -> None:
        self._explore.restore(state)
        self._offspring = state.arrays["offspring"]
        self._setting.records.hold(self._offspring)
        self._left, self._generation = state.json["left"], state.json["generation"]
        self._lessons.restore(state.json["lessons"])

    def _survive(self, pool: Pool, n: int) -> Int64[Array, " n"]:
        early = self._generation < self._p.novelty_first
        return survival("novelty" if early else self._p.selection, self._setting.seed)(pool, n)

"""Novelty Search, as SERENE and STAX use it.

Lehman & Stanley, "Abandoning objectives: evolution through the search for novelty alone",
Evolutionary Computation 19(2), 2011; in the (mu + lambda) form of Paolo et al., GECCO 2021:

    P <- M genomes ~ clip(N(0, 1)), evaluated;  A <- {}
    while budget left:
        O <- for each p in P: m children clip(p + N(0, sigma² I)), evaluated
        novelty of P u O against P u O u A
        A <- A u {N_Q random members of O}
        P <- the M most novel of P u O
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple, final

import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.core.protocols import Describe
from qdx.core.records import Records, empty_ids
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.novelty_score import pool_novelty
from qdx.searchers.setting import Setting, newborn
from qdx.searchers.variation import gaussian


@dataclass(frozen=True)
class NoveltySearchParameters:
    """The papers' values are the defaults.

    Attributes:
        population: M.
        offspring: m, children of each member of the population.
        sigma: Standard deviation of the Gaussian mutation of every gene.
        neighbours: k of the novelty.
        additions: N_Q, offspring that enter the archive each generation.
        admission: Which of them: random (the papers) or the most novel.
    """

    population: Annotated[int, Ge(1)] = 100
    offspring: Annotated[int, Ge(1)] = 2
    sigma: Annotated[float, Gt(0)] = 0.05
    neighbours: Annotated[int, Ge(1)] = 15
    additions: Annotated[int, Ge(0)] = 5
    admission: Literal["random", "novel"] = "random"

    archives: ClassVar[dict[str, str]] = {"novelty": "novelty"}


class Pool(NamedTuple):
    """P u O at the population update.

    Attributes:
        ids: Of the individuals.
        novelty: -inf for failed ones.
        nearest: Ids of the k nearest of each in P u O u A, -1 for none.
        records: What belongs to an id.
    """

    ids: Int64[Array, " B"]
    novelty: Float64[Array, " B"]
    nearest: Int64[Array, "B K"]
    records: Records


Survive = Callable[[Pool, int], Int64[Array, " n"]]


def most_novel(pool: Pool, n: int) -> Int64[Array, " n"]:
    """Rows of the n most novel, the older of equals."""
    order: Array = np.lexsort((pool.ids, -pool.novelty))[:n]
    return order


@final
class NoveltySearch:
    """Selects for novelty alone; reward is never looked at."""

    def __init__(
        self,
        parameters: NoveltySearchParameters,
        setting: Setting,
        survive: Survive = most_novel,
    ) -> None:
        """An empty population; the first `ask` gives its members.

        Args:
            parameters: Of the search.
            setting: Its world.
            survive: The population update, which makes other searchers of this loop.
        """
        self._p = parameters
        self._survive = survive
        self._setting = setting
        self.next_id = setting.first_id
        self.population = empty_ids()  # P
        self._pool = empty_ids()  # P u O, between `admit` and `tell`
        self._novelty = np.zeros(0)  # of P u O
        self._nearest = np.zeros((0, 0), np.int64)  # ids of their neighbours

    def ask(self) -> Genomes:
        seed, encoding = self._setting.seed, self._setting.encoding
        if not len(self.population):
            rng = draw(seed, "initial", self.next_id)
            return newborn(self.next_id, encoding.initial(self._p.population, rng))
        parents = np.repeat(self.population, self._p.offspring)
        rng = draw(seed, "mutation", self.next_id)
        genes = gaussian(self._setting.records.genes(parents), self._p.sigma, rng)
        return newborn(self.next_id, encoding.clip(genes), parents=parents)

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        self._pool = np.concatenate([self.population, evaluations.genomes.ids])
        self._novelty, self._nearest = pool_novelty(
            self._pool,
            self._setting.records,
            list(self._setting.archives.values()),
            self._p.neighbours,
        )
        if not len(self.population):  # P itself does not enter the archive
            return {"novelty": empty_ids()}
        return {"novelty": evaluations.genomes.ids[self._admitted(evaluations)]}

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        pool = Pool(self._pool, self._novelty, self._nearest, self._setting.records)
        n = min(self._p.population, int((self._novelty > -np.inf).sum()))  # -inf: failed
        survivors = np.sort(self._pool[self._survive(pool, n)])
        self._setting.records.hold(survivors)
        self._setting.records.release(self.population)
        self.population = survivors
        self.next_id += len(evaluations)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # novelty is recomputed from the records every generation

    def report(self) -> Json:
        return {}

    def state(self) -> State:
        return State({"population": self.population}, {"next_id": self.next_id})

    def restore(self, state: State) -> None:
        self.population = state.arrays["population"]
        self.next_id = state.json["next_id"]
        self._setting.records.hold(self.population)

    def _admitted(self, evaluations: Evaluations) -> Int64[Array, " R"]:
        """Rows of N_Q offspring that did not fail."""
        alive = np.flatnonzero(~evaluations.outcomes.failed)
        n = min(self._p.additions, len(alive))
        if self._p.admission == "random":
            rng = draw(self._setting.seed, "admission", self.next_id)
            return np.sort(rng.choice(alive, n, replace=False))
        scores = self._novelty[len(self.population) :][alive]
        return np.sort(alive[np.lexsort((alive, -scores))[:n]])

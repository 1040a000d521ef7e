"""CMA-ES: climbs the reward and looks at nothing else.

Hansen & Ostermeier, "Completely derandomized self-adaptation in evolution strategies",
Evolutionary Computation 9(2), 2001. The baseline of SERENE and STAX: it begins at genes 0 with step
size 0.05 and six samples; when it has collapsed, when rewards were flat for too long, or when it
stagnates, it begins again at the best individual found.

Everything it visits is offered to its archive, a grid: a by-product, which it never looks at. The
papers compare best rewards and coverage alone, which do not depend on the archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.protocols import Describe
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.evolution_strategies import (
    EvolutionStrategy,
    Kind,
    long_patience,
    restore,
    state_of,
)
from qdx.searchers.setting import Setting, newborn
from qdx.searchers.stagnation import Rule, Stagnation


@dataclass(frozen=True)
class CmaEsParameters:
    """The SERENE baseline's values are the defaults.

    Attributes:
        population: λ, samples of a generation; half of them are parents.
        sigma: First step size, also after a restart.
        stagnation: When it begins again: by the rule of the SERENE paper, or the original one of
            CMA-ES.
        strategy: cma_es, or sep_cma_es for many genes.
    """

    population: Annotated[int, Ge(2)] = 6
    sigma: Annotated[float, Gt(0)] = 0.05
    stagnation: Rule = "paper"
    strategy: Kind = "cma_es"

    archives: ClassVar[dict[str, str]] = {"cells": "grid"}


@final
class CmaEs:
    """One evolution strategy, begun again and again."""

    def __init__(self, parameters: CmaEsParameters, setting: Setting) -> None:
        """At genes 0."""
        self._p = p = parameters
        self._setting = setting
        n = setting.encoding.n_genes
        self._strategy = EvolutionStrategy(
            np.zeros(n, np.float32),
            p.sigma,
            setting.encoding,
            population=p.population,
            kind=p.strategy,
        )
        self._patience = long_patience(n, p.population)
        self._stagnation = Stagnation(p.stagnation, n, p.population)
        self._next_id = setting.first_id
        self._best = -1  # id of the best individual found
        self._origin = -1  # id of the one it began at
        self._values: list[list[float]] = []  # rewards of each generation since; NaN: failed
        self._n_steps = 0  # since
        self._n_restarts = 0

    def ask(self) -> Genomes:
        genes = self._strategy.ask(draw(self._setting.seed, "strategy", self._next_id))
        return newborn(self._next_id, genes, parents=np.full(len(genes), self._origin))

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return dict.fromkeys(self._setting.archives, evaluations.genomes.ids)

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        fitness = evaluations.outcomes.fitness.astype(np.float64)
        self._find_best(evaluations.genomes.ids, fitness)
        self._strategy.tell(fitness[:, None])
        self._values.append(fitness.tolist())
        self._n_steps += 1
        del self._values[: -self._stagnation.window(self._n_steps)]
        if self._strategy.is_over(self._patience) or self._is_stagnant():
            self._restart()
        self._next_id += len(evaluations)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # knows genes and rewards alone

    def report(self) -> Json:
        return {"restarts": self._n_restarts}

    def state(self) -> State:
        arrays = {f"strategy/{k}": v for k, v in state_of([self._strategy]).arrays.items()}
        arrays |= {"held": self._held()}
        arrays |= {"values": np.array(self._values, np.float64).reshape(-1, self._p.population)}
        names = ("next_id", "best", "origin", "n_steps", "n_restarts")
        return State(arrays, {name: getattr(self, f"_{name}") for name in names})

    def restore(self, state: State) -> None:
        own = {k: v for k, v in state.arrays.items() if k.startswith("strategy/")}
        arrays = {k.removeprefix("strategy/"): v for k, v in own.items()}
        restore([self._strategy], State(arrays, {}))
        self._values = state.arrays["values"].tolist()
        self._next_id, self._n_restarts = state.json["next_id"], state.json["n_restarts"]
        self._n_steps = state.json["n_steps"]
        self._best, self._origin = state.json["best"], state.json["origin"]
        self._setting.records.hold(self._held())

    def _held(self) -> Int64[Array, " R"]:
        """Ids it needs in the record store, with repeats."""
        return np.array([i for i in (self._best, self._origin) if i >= 0], np.int64)

    def _find_best(self, ids: Int64[Array, " B"], fitness: Array) -> None:
        """The fittest so far, the oldest of equals."""
        records = self._setting.records
        if np.isnan(fitness).all():
            return
        row = int(np.nanargmax(fitness))
        held = np.array([self._best])
        if self._best < 0 or fitness[row] > records.column("fitness", held)[0]:
            records.hold(ids[row : row + 1])
            if self._best >= 0:
                records.release(held)
            self._best = int(ids[row])

    def _is_stagnant(self) -> bool:
        return self._stagnation.is_reached(self._values, self._n_steps)

    def _restart(self) -> None:
        """At the best individual found; where it began while there is none."""
        before = self._held()
        mean = np.zeros(self._setting.encoding.n_genes, np.float32)
        if self._best >= 0:
            mean = self._setting.records.genes(np.array([self._best]))[0]
        self._origin = self._best
        self._setting.records.hold(self._held())
        self._setting.records.release(before)
        self._strategy.restart(mean)
        self._values, self._n_steps = [], 0
        self._n_restarts += 1

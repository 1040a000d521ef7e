"""How emitters make their next members, and when they end.

Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty search and emitters",
GECCO 2021 (SERENE), section 3.2. An elitist emitter makes twelve children and keeps the best six of
them and their parents. An emitter that is an evolution strategy ("CMA-NS" in the released code)
draws six samples, which are its next members whatever they are worth: a step costs 6 evaluations
instead of 12, a bootstrap 36 instead of 66.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.rng import draw
from qdx.searchers.emitters import CHILDREN, SIZE, Emitter, children, founders, samples
from qdx.searchers.evolution_strategies import EvolutionStrategy, long_patience
from qdx.searchers.parameters import EmitterParameters
from qdx.searchers.setting import Setting
from qdx.searchers.stagnation import Stagnation

BOOTSTRAP_STEPS = 5


@final
class Breeding:
    """What the kind of an emitter decides.

    Attributes:
        stagnation: The rule by which emitters end.
        n_elders: Members that compete with their children.
        bootstrap_cost: Evaluations of a bootstrap: founders, then five steps.
    """

    def __init__(self, parameters: EmitterParameters, setting: Setting) -> None:
        """Of all emitters of a search."""
        self._p = parameters
        self._setting = setting
        n_genes = setting.encoding.n_genes
        self._is_strategy = parameters.emitter in ("cma_es", "sep_cma_es")
        self._patience = long_patience(n_genes, SIZE)
        self.stagnation = Stagnation(parameters.stagnation, n_genes, SIZE)
        self.n_elders = 0 if self._is_strategy else SIZE
        n_children = SIZE if self._is_strategy else SIZE * CHILDREN
        self.bootstrap_cost = SIZE + BOOTSTRAP_STEPS * n_children

    def vary(
        self, emitters: Sequence[Emitter], next_id: int, *, founding: bool
    ) -> tuple[Array, Array]:
        """Genes and parents of the next batch, emitter by emitter; the same again until it is told.

        Args:
            emitters: Those that found a population, or step.
            next_id: Of the first row.
            founding: They have no members yet.
        """
        seed, encoding = self._setting.seed, self._setting.encoding
        if self._is_strategy:
            return samples(emitters, self.found, lambda row: draw(seed, "strategy", next_id + row))
        make = founders if founding else children
        return make(emitters, self._setting.records, encoding, draw(seed, "emitter", next_id))

    def learn(self, emitters: Sequence[Emitter], ids: Int64[Array, "E C"]) -> None:
        """Strategies move to where their samples were rewarded."""
        for emitter, sampled in zip(emitters, ids, strict=True):
            if emitter.strategy is not None:
                fitness = self._setting.records.column("fitness", sampled)
                emitter.strategy.tell(fitness[:, None])

    def is_through(self, emitter: Emitter) -> bool:
        """Whether it has had its steps, its strategy has come to an end, or it stagnates.

        The paper's counter of steps, which its bootstrap does not move, decides the first and the
        last.
        """
        if emitter.n_steps == self._p.max_emitter_steps:
            return True
        if emitter.strategy is not None and emitter.strategy.is_over(self._patience):
            return True
        return self.stagnation.is_reached(emitter.values, emitter.n_steps)

    def found(self, emitter: Emitter) -> EvolutionStrategy:
        """A strategy at the emitter's ancestor, with its step size."""
        return EvolutionStrategy(
            self._setting.records.genes(np.array([emitter.ancestor]))[0],
            emitter.sigma,
            self._setting.encoding,
            population=SIZE,
            kind="sep_cma_es" if self._p.emitter == "sep_cma_es" else "cma_es",
        )

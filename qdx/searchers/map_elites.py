"""MAP-Elites.

Mouret & Clune, "Illuminating search spaces by mapping elites", arXiv 1504.04909, 2015. An initial
batch fills the cells; then parents are drawn uniformly from the elites, varied and offered.
Variation is Gaussian (the SERENE baseline) or iso+line (Vassiliades & Mouret 2018). The archive is
a grid unless the config asks for a CVT. Of equally fit individuals the first stays; the archive's
`ties: replace` lets the last stay, as the SERENE baseline does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.protocols import Describe
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.setting import Setting, newborn
from qdx.searchers.variation import gaussian, iso_line


@dataclass(frozen=True)
class MapElitesParameters:
    """The SERENE baseline's values are the defaults.

    Attributes:
        initial: Individuals of the first batch, ~ clip(N(0, 1)).
        batch: Offspring of a generation.
        variation: gaussian, or iso_line.
        sigma: Standard deviation of the Gaussian variation.
        iso_sigma: sigma_1 of iso+line.
        line_sigma: sigma_2 of iso+line.
    """

    initial: Annotated[int, Ge(1)] = 100
    batch: Annotated[int, Ge(1)] = 100
    variation: Literal["gaussian", "iso_line"] = "gaussian"
    sigma: Annotated[float, Gt(0)] = 0.05
    iso_sigma: Annotated[float, Ge(0)] = 0.01
    line_sigma: Annotated[float, Ge(0)] = 0.2

    archives: ClassVar[dict[str, str]] = {"cells": "grid"}

    @property
    def steady_batch(self) -> int:
        """Evaluations that stand for a generation in a steady campaign."""
        return self.batch


@final
class MapElites:
    """Every evaluation is offered; parents are whom the archive keeps."""

    def __init__(self, parameters: MapElitesParameters, setting: Setting) -> None:
        """Starts with random genes until the archive holds an elite."""
        self._p = parameters
        self._setting = setting
        (self._archive,) = parameters.archives  # its name
        self._next_id = setting.first_id

    def ask(self) -> Genomes:
        has_elites = len(self._setting.archives[self._archive]) > 0
        return self._offspring(self._p.batch) if has_elites else self._initial(self._p.initial)

    def ask_more(self, n: int) -> Genomes:
        first = self._p.initial - (self._next_id - self._setting.first_id)  # that are left of them
        has_elites = len(self._setting.archives[self._archive]) > 0
        if first > 0 or not has_elites:
            asked = self._initial(min(n, first) if first > 0 else n)
        else:
            asked = self._offspring(n)
        self._next_id += len(asked)
        return asked

    def admit_some(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return self.admit(evaluations)

    def tell_some(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        pass  # the archive has been told

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return {self._archive: evaluations.genomes.ids}

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        self._next_id += len(evaluations)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # holds nothing but what the archive holds

    def report(self) -> Json:
        return {}

    def state(self) -> State:
        return State({}, {"next_id": self._next_id})

    def restore(self, state: State) -> None:
        self._next_id = state.json["next_id"]

    def _initial(self, n: int) -> Genomes:
        rng = draw(self._setting.seed, "initial", self._next_id)
        return newborn(self._next_id, self._setting.encoding.initial(n, rng))

    def _offspring(self, n: int) -> Genomes:
        """Children of elites and, by iso+line, of second ones; uniform with replacement."""
        drawn = self._setting.archives[self._archive].parents(2 * n, key=self._next_id)
        rng = draw(self._setting.seed, "mutation", self._next_id)
        genes = self._vary(drawn[:n], drawn[n:], rng)
        return newborn(self._next_id, self._setting.encoding.clip(genes), parents=drawn[:n])

    def _vary(
        self, parents: Int64[Array, " B"], partners: Int64[Array, " B"], rng: np.random.Generator
    ) -> Array:
        genes = self._setting.records.genes(parents)
        if self._p.variation == "gaussian":
            return gaussian(genes, self._p.sigma, rng)
        others = self._setting.records.genes(partners)
        return iso_line(genes, others, (self._p.iso_sigma, self._p.line_sigma), rng)

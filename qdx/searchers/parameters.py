"""Parameters that several searchers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from qdx.searchers.emitters import EmitterKind
from qdx.searchers.stagnation import Rule

CELLS = ("grid", "cvt", "soft_grid", "soft_cvt")  # archives that compare with the elite of a cell


@dataclass(frozen=True)
class EmitterParameters:
    """Of emitters; the papers' values are the defaults.

    Attributes:
        emitter: fitness (the elitist emitter: its members survive by reward), novelty, or an
            evolution strategy: cma_es (with it SERENE is "CMA-NS") or sep_cma_es.
        concurrent_emitters: n, emitters that step in one batch; 1 is the paper.
        handover: Novelty candidates of an ended emitter that enter the novelty archive.
        default_sigma: Where an ancestor has a twin in genome space.
        stagnation: The rule by which an emitter ends: the paper's, or the original one of CMA-ES.
        local_improvement: Whether improvement is measured from where it was last looked at rather
            than from the emitter's first three steps.
        max_emitters: Most emitters at a time; candidates wait until there is room.
        max_emitter_steps: Steps after which an emitter ends in any case, its bootstrap not counted.
    """

    emitter: EmitterKind = "fitness"
    concurrent_emitters: Annotated[int, Ge(1)] = 1
    handover: Annotated[int, Ge(0)] = 5
    default_sigma: Annotated[float, Gt(0)] = 0.05
    stagnation: Rule = "paper"
    local_improvement: bool = False
    max_emitters: Annotated[int, Ge(1)] | None = None
    max_emitter_steps: Annotated[int, Ge(1)] | None = None

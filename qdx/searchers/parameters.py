"""Parameters that several searchers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from qdx.searchers.emitters import Survival


@dataclass(frozen=True)
class EmitterParameters:
    """Of emitters; the papers' values are the defaults.

    Attributes:
        emitter: What its members survive by: fitness (the elitist emitter) or novelty.
        concurrent_emitters: n, emitters that step in one batch; 1 is the paper.
        handover: Novelty candidates of an ended emitter that enter the novelty archive.
        default_sigma: Where an ancestor has a twin in genome space.
    """

    emitter: Survival = "fitness"
    concurrent_emitters: Annotated[int, Ge(1)] = 1
    handover: Annotated[int, Ge(0)] = 5
    default_sigma: Annotated[float, Gt(0)] = 0.05

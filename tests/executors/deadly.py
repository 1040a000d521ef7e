"""Rollouts that end their processes, in a module that workers can import."""

from __future__ import annotations

import os
from dataclasses import dataclass

from qdx.core.types import Genomes, Outcomes
from tests.conformance.executor import Echo


@dataclass(frozen=True)
class Deadly:
    """A rollout that ends its process when it meets a culprit."""

    culprit: int

    def __call__(self, batch: Genomes) -> Outcomes:
        if self.culprit in batch.ids:
            os._exit(1)
        return Echo()(batch)

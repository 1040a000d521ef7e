"""A task that also tells where the joints of its arm are, for pictures.

A task with an arm has one Warp function more: `pose(world, state)` gives the joints from base to
tip, (x, y) after (x, y), in the units of the ground truth, as many as its scenery has limbs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts


@final
@dataclass(frozen=True)
class Posed:
    """A fused task whose measures are its joints; episodes are those of the task.

    Attributes:
        task: With a `pose`.
    """

    task: Any

    @property
    def facts(self) -> TaskFacts:
        """Those of the task, the measures excepted."""
        n = len(self.task.scenery().limbs)
        names = tuple(f"joint {i} {axis}" for i in range(n) for axis in "xy")
        own = self.task.facts
        return replace(own, measures=names, bounds=own.bounds * n, bins=own.bins * n)

    @property
    def World(self) -> Any:
        return self.task.World

    @property
    def State(self) -> Any:
        return self.task.State

    @property
    def reset(self) -> Any:
        return self.task.reset

    @property
    def observe(self) -> Any:
        return self.task.observe

    @property
    def step(self) -> Any:
        return self.task.step

    @property
    def measure(self) -> Any:
        return self.task.pose

    @property
    def finish(self) -> Any:
        return self.task.finish

    def world(self, device: str) -> Any:
        return self.task.world(device)

    def ceiling(self) -> Ceiling | None:
        return None

    def scenery(self) -> Scenery:
        scenery: Scenery = self.task.scenery()
        return scenery

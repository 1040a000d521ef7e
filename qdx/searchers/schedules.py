"""Meta-schedulers: whether the next chunk of the budget explores or exploits.

The four of the STAX code: strict alternation (the papers), a fixed coin, a coin that turns from
exploring to exploiting as the budget is spent, and a bandit (UCB1, Auer, Cesa-Bianchi & Fischer,
"Finite-time analysis of the multiarmed bandit problem", Machine Learning 47, 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from qdx.core.types import Json

Kind = Literal["alternating", "fixed_sampling", "time_sampling", "bandit"]
Process = Literal["explore", "exploit"]
ARMS: tuple[Process, Process] = ("explore", "exploit")


@final
@dataclass
class Schedule:
    """Decides chunk by chunk.

    Attributes:
        kind: How.
        last: What the previous chunk did; every search begins by exploring.
        value: Running mean reward of each arm of the bandit.
        pulls: How often each arm was pulled.
    """

    kind: Kind
    last: Process = "explore"
    value: dict[Process, float] = field(default_factory=lambda: dict.fromkeys(ARMS, 0.0))
    pulls: dict[Process, int] = field(default_factory=lambda: dict.fromkeys(ARMS, 0))

    def choose(self, rng: np.random.Generator, *, spent: float, can_exploit: bool) -> Process:
        """The next process.

        Args:
            rng: Keyed by the moment.
            spent: Share of the budget used, 0 to 1.
            can_exploit: There is a candidate or an emitter; else exploring is all there is.
        """
        if not can_exploit:
            chosen: Process = "explore"
        elif self.kind == "alternating":
            chosen = "exploit" if self.last == "explore" else "explore"
        elif self.kind == "bandit":
            chosen = max(ARMS, key=self._upper_bound)
        else:
            p_explore = 0.5 if self.kind == "fixed_sampling" else 1.0 - spent
            chosen = "explore" if rng.random() < p_explore else "exploit"
        self.last = chosen
        return chosen

    def reward(self, change: int) -> None:
        """What the last chunk was worth to the bandit.

        Args:
            change: Candidates and emitters after it, less those before: exploring is to find some,
                exploiting to use them up, so each is paid for the contrary.
        """
        worth = -math.tanh(change) if self.last == "explore" else math.tanh(change)
        self.pulls[self.last] += 1
        self.value[self.last] += (worth - self.value[self.last]) / self.pulls[self.last]

    def state(self) -> Json:
        """For a commit."""
        return {"last": self.last, "value": dict(self.value), "pulls": dict(self.pulls)}

    def restore(self, state: Json) -> None:
        """The inverse of `state`."""
        self.last, self.value, self.pulls = state["last"], state["value"], state["pulls"]

    def _upper_bound(self, arm: Process) -> float:
        """Q_a + c sqrt(ln t / n_a), c = 1; an arm never pulled comes first."""
        if not self.pulls[arm]:
            return math.inf
        t = sum(self.pulls.values())
        return self.value[arm] + math.sqrt(math.log(t) / self.pulls[arm])

"""How the size of a mutation changes over the generations of a genetic algorithm.

Such et al. 2017 (arXiv 1712.06567): constant on Atari; on the humanoid reduced once, after 1000
generations, from 0.00224 to 0.001, which is `step`. The released code also has `linear` and
`exponential` decay, the latter of which fails there; its configurations use neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from qdx.core.errors import ConfigError

Decay = Literal["constant", "step", "linear", "exponential"]


@final
@dataclass(frozen=True)
class SigmaSchedule:
    """Standard deviation of the mutations of each generation.

    Attributes:
        decay: `step` stays at the start until the end is due; the decays go there evenly, in sigma
            or in its logarithm.
        start: Of the first generation.
        end: From generation `generations` on; None where sigma is constant.
        generations: After how many the end is reached.
    """

    decay: Decay
    start: float
    end: float | None
    generations: int

    def __post_init__(self) -> None:
        """Raises ConfigError where the end is missing, or would not be looked at."""
        if self.decay == "constant" and self.end is not None:
            raise ConfigError(
                "searcher.sigma_decay: expected step, linear or exponential, by which sigma ends "
                f"at {self.end:g}, got constant. Name one, or leave sigma_end out."
            )
        if self.decay != "constant" and self.end is None:
            raise ConfigError(
                f"searcher.sigma_end: expected a number > 0, where sigma ends by {self.decay}, got "
                "nothing. The humanoid of the paper ends at 0.001."
            )

    def at(self, generation: int) -> float:
        """Of a generation, counted from 0."""
        if self.end is None:
            return self.start
        progress = min(generation / self.generations, 1.0)
        if progress == 1:
            return self.end
        if self.decay == "linear":
            return self.start + progress * (self.end - self.start)
        if self.decay == "exponential":
            return float(self.start * (self.end / self.start) ** progress)
        return self.start

"""STAX: sparse rewards found and exploited in a behaviour space that is learned on the way.

Paolo, Coninx, Laflaquière & Doncieux, "Discovering and exploiting sparse rewards in a learned
behavior space", Evolutionary Computation 32(3), 2024: SERENE whose exploring half is TAXONS.

    explore(K):  as TAXONS; P <- the M best of P u O by the Pareto fronts of (novelty, surprise);
                 every rewarded x of P u O becomes a candidate emitter and enters A_R
    learn:       after exploring chunks 1, 3, 6, 10, … the descriptor learns from A_N u A_R u P u O,
                 and all that is held, emitters among it, is described anew
    exploit(K):  as SERENE

The descriptor is the latents of s = 5 frames of an episode, the surprise the sum of their errors.
The ablations are options: a random criterion (`selection: alternate`), a single frame
(`observer.samples: 1`), fresh weights for every training (`descriptor.reset`), an untrained encoder
(`descriptor.train: false`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from qdx.searchers.lessons import LessonParameters, Lessons
from qdx.searchers.serene import Serene, SereneParameters
from qdx.searchers.setting import Setting
from qdx.searchers.taxons import Selection, check_surprise, survival


@dataclass(frozen=True)
class StaxParameters(LessonParameters, SereneParameters):
    """The papers' values are the defaults; those of SERENE and of lessons come with it.

    Attributes:
        selection: What P survives by: the Pareto fronts of novelty and surprise (STAX), either of
            them by a coin each generation, or one alone.
    """

    selection: Selection = "pareto"

    defaults: ClassVar[dict[str, Any]] = {
        "observer": {"kind": "frames", "samples": 5},
        "descriptor": "autoencoder",
    }


def stax(parameters: StaxParameters, setting: Setting) -> Serene:
    """SERENE with the population update and the lessons of TAXONS.

    Raises:
        ConfigError: Selection by surprise in a space that knows none.
    """
    check_surprise(parameters.selection, setting)
    survive = survival(parameters.selection, setting.seed)
    return Serene(parameters, setting, survive, Lessons(parameters))

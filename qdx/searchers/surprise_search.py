"""Surprise search: what the autoencoder cannot reconstruct survives ("TAXO-S").

Paolo, Laflaquière, Coninx & Doncieux, "Unsupervised learning and exploration of reachable outcome
space", ICRA 2020, whose control it is; in the form of its authors' STAX code. It is TAXONS without
the coin: the population update looks at surprise alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from qdx.core.errors import ConfigError
from qdx.searchers.lessons import LessonParameters
from qdx.searchers.novelty_search import NoveltySearchParameters
from qdx.searchers.setting import Setting
from qdx.searchers.taxons import Taxons, TaxonsParameters


@dataclass(frozen=True)
class SurpriseSearchParameters(LessonParameters, NoveltySearchParameters):
    """Those of lessons and of Novelty Search, whose loop it shares."""

    defaults: ClassVar[dict[str, str]] = TaxonsParameters.defaults


def surprise_search(parameters: SurpriseSearchParameters, setting: Setting) -> Taxons:
    """TAXONS that selects for surprise alone.

    Raises:
        ConfigError: The descriptor has no surprise.
    """
    if not setting.has_surprise:
        raise ConfigError(
            "descriptor.kind: expected one with a surprise, for surprise_search selects by nothing "
            "else, got one without. Use autoencoder, or searcher novelty_search."
        )
    return Taxons(TaxonsParameters(**asdict(parameters), selection="surprise"), setting)

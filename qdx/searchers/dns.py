"""Dominated Novelty Search: a genetic algorithm whose survivors are far from everybody better.

Bahlous-Boldi, Faldor, Grillotti, Janmohamed, Coiffard, Spector & Cully, "Dominated novelty search:
rethinking local competition in quality-diversity", GECCO 2025. The loop is that of MAP-Elites, and
so is everything the searcher does; competition is the archive's (`archives/dominated_novelty.py`),
which needs no cells and no bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from qdx.searchers.map_elites import MapElites, MapElitesParameters
from qdx.searchers.setting import Setting


@dataclass(frozen=True)
class DnsParameters(MapElitesParameters):
    """Those of MAP-Elites, whose loop it shares; the authors' code has these defaults.

    Attributes:
        variation: iso_line, or gaussian.
        iso_sigma: sigma_1 of iso+line.
        line_sigma: sigma_2 of iso+line.
    """

    variation: Literal["gaussian", "iso_line"] = "iso_line"
    iso_sigma: Annotated[float, Ge(0)] = 0.005
    line_sigma: Annotated[float, Ge(0)] = 0.05

    archives: ClassVar[dict[str, str]] = {"population": "dominated_novelty"}
    # with any other it is MAP-Elites
    archive_kinds: ClassVar[dict[str, tuple[str, ...]]] = {"population": ("dominated_novelty",)}


def dns(parameters: DnsParameters, setting: Setting) -> MapElites:
    """MAP-Elites on an archive without cells."""
    return MapElites(parameters, setting)

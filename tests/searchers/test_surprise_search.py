"""Surprise search: the protocol, survivors by a plain sort, and what it cannot work with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qdx.assembly.config import load
from qdx.assembly.parts import build as build_parts
from qdx.core.errors import ConfigError
from qdx.searchers.surprise_search import SurpriseSearchParameters, surprise_search
from tests.conformance.making import equal
from tests.conformance.searcher import Build, SearcherConformance, bench, world
from tests.searchers.test_taxons import SMALL, SurprisedBench, surprised


def by_surprise(*, seed: int = 0, first_id: int = 0, **keys: Any) -> SurprisedBench:
    parameters = SurpriseSearchParameters(**{**SMALL, **keys})
    made = bench(surprise_search, parameters, "novelty", seed=seed, first_id=first_id)
    return SurprisedBench(made.searcher, made.records, made.archives)


class TestSurpriseSearch(SearcherConformance):
    @pytest.fixture
    def build(self) -> Build:
        return by_surprise

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_surprise(population=1, offspring=1, additions=1)

    def test_does_not_change_what_it_is_told(self, build: Build) -> None:
        made = build()
        asked = made.searcher.ask()
        genes, told = asked.genes.copy(), made.step()
        assert equal(told.genomes.genes, genes)
        assert equal(told, surprised(world(told.genomes)))


def test_the_most_surprising_of_parents_and_offspring_survive() -> None:
    made, alive = by_surprise(), dict[int, float]()
    for _ in range(8):
        batch = made.step()
        found = batch.described.surprise
        assert found is not None
        alive |= dict(zip(batch.genomes.ids.tolist(), found.tolist(), strict=True))
        best = sorted(alive, key=lambda i: (-alive[i], i))[:6]
        alive = {i: alive[i] for i in best}
        assert set(made.searcher.ask().parents.tolist()) == set(best)


def test_surprise_rises_from_generation_to_generation() -> None:
    made = by_surprise()
    means = [float(np.mean(b.described.surprise)) for b in made.run(30)]
    assert np.mean(means[-5:]) > np.mean(means[:5]) + 0.1


def test_a_descriptor_without_surprise_is_refused_at_assembly() -> None:
    config = load(
        {"task": "point", "searcher": "surprise_search", "budget": 10,
         "observer": "final", "descriptor": "identity"}
    )  # fmt: skip
    with pytest.raises(ConfigError) as error:
        build_parts(config)
    assert str(error.value).startswith("descriptor.kind: expected one with a surprise")
    assert "\n" not in str(error.value)

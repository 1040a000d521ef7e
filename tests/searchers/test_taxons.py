"""TAXONS: the searcher's protocol, what survives, and when it learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qdx.core.errors import ConfigError
from qdx.core.records import Records
from qdx.core.types import Evaluations
from qdx.searchers.novelty_search import NoveltySearch, NoveltySearchParameters, Pool
from qdx.searchers.taxons import Taxons, TaxonsParameters, surprise, survival
from tests.conformance.making import equal, evaluations
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench, world

SMALL = {"population": 6, "offspring": 2, "additions": 2, "neighbours": 3, "chunk": 30}


def surprised(batch: Evaluations) -> Evaluations:
    """The further to the right, the more surprising."""
    points = batch.described.descriptors
    return replace(batch, described=replace(batch.described, surprise=points[:, 0].copy()))


@dataclass
class SurprisedBench(Bench):
    def step(self, evaluate: Any = world, *, moves: bool = False) -> Evaluations:
        return super().step(lambda genomes: surprised(evaluate(genomes)), moves=moves)


def taxons(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = TaxonsParameters(**{**SMALL, **keys})
    made = bench(Taxons, parameters, "novelty", seed=seed, first_id=first_id)
    return SurprisedBench(made.searcher, made.records, made.archives)


@pytest.mark.parametrize("selection", ["alternate", "novelty", "surprise", "pareto"])
class TestTaxons(SearcherConformance):
    @pytest.fixture
    def build(self, selection: str) -> Build:
        return lambda **keys: taxons(selection=selection, **keys)

    @pytest.fixture
    def build_smallest(self, selection: str) -> Build:
        return lambda: taxons(population=1, offspring=1, additions=1, selection=selection)

    def test_does_not_change_what_it_is_told(self, build: Build) -> None:
        made = build()
        asked = made.searcher.ask()
        genes, told = asked.genes.copy(), made.step()
        assert equal(told.genomes.genes, genes)
        assert equal(told, surprised(world(told.genomes)))


def pool(novelty: list[float], surprising: list[float]) -> Pool:
    n, records = len(novelty), Records()
    batch = evaluations([(0.0, 0.0)] * n)
    described = replace(batch.described, surprise=np.array(surprising, np.float32))
    records.add(replace(batch, described=described))
    return Pool(np.arange(n), np.array(novelty), np.full((n, 1), -1), records)


MADE = ([1.0, 5.0, 3.0, -np.inf, 5.0, 0.5], [9.0, 0.0, 8.0, np.nan, 1.0, 0.5])


def test_each_selection_takes_its_best() -> None:
    assert survival("novelty", 0)(pool(*MADE), 3).tolist() == [1, 4, 2]
    assert survival("surprise", 0)(pool(*MADE), 3).tolist() == [0, 2, 4]
    assert survival("pareto", 0)(pool(*MADE), 3).tolist() == [0, 2, 4]  # 1 is dominated by 4


def test_an_infinite_surprise_comes_before_failure() -> None:
    failed_first = pool([-np.inf, 1.0, 2.0], [np.nan, np.inf, 0.5])
    assert survival("surprise", 0)(failed_first, 2).tolist() == [2, 1]


def test_failed_individuals_surprise_nobody() -> None:
    assert surprise(pool(*MADE))[3] == -np.inf


def test_the_coin_is_fair_and_keyed_by_the_generation() -> None:
    drawn = [survives_by_novelty(0, i) for i in range(60)]
    assert 20 < sum(drawn) < 40
    assert drawn == [survives_by_novelty(0, i) for i in range(60)]
    assert drawn != [survives_by_novelty(1, i) for i in range(60)]


def survives_by_novelty(seed: int, first_id: int) -> bool:
    """Two individuals: the older is novel, the younger surprising."""
    records = Records()
    batch = evaluations([(0.0, 0.0)] * 2, first_id=2 * first_id)
    described = replace(batch.described, surprise=np.array([0.0, 1.0], np.float32))
    records.add(replace(batch, described=described))
    made = Pool(batch.genomes.ids, np.array([1.0, 0.0]), np.full((2, 1), -1), records)
    return survival("alternate", seed)(made, 1).tolist() == [0]


def test_learns_after_the_chunks_of_the_papers() -> None:
    """Chunks of 30: the first 6 and 2 x 12, then 3 x 12 and so on; trainings after 1, 3, 6."""
    made, lessons = taxons(), []
    for generation in range(1, 20):
        made.step()
        if made.searcher.lesson() is not None:
            lessons.append(generation)
    assert lessons == [3, 3 + 2 * 3, 3 + 5 * 3]


def test_learns_from_archive_population_and_offspring() -> None:
    made = taxons(novelty_first=10)
    made.run(2)
    batch = made.step()
    lesson = set(made.searcher.lesson().tolist())
    population = set(made.searcher.state().arrays["population"].tolist())
    assert lesson == {
        *made.archives["novelty"].members().tolist(),
        *population,
        *batch.genomes.ids.tolist(),
    }


def test_only_the_first_generations_select_for_novelty_alone() -> None:
    patient, novel, coin = taxons(novelty_first=4), taxons(selection="novelty"), taxons()
    first = [made.run(5)[-1].genomes.genes for made in (patient, novel)]
    assert equal(*first)
    assert not equal(patient.run(8)[-1].genomes.genes, novel.run(8)[-1].genomes.genes)
    assert not equal(coin.run(5)[-1].genomes.genes, first[0])


def test_by_novelty_alone_it_is_novelty_search() -> None:
    keys = {k: v for k, v in SMALL.items() if k != "chunk"}
    plain = bench(NoveltySearch, NoveltySearchParameters(**keys), "novelty")
    here = taxons(selection="novelty")
    for one, other in zip(plain.run(6), here.run(6), strict=True):
        assert equal(one.genomes, other.genomes)


@pytest.mark.parametrize("selection", ["alternate", "surprise", "pareto"])
def test_a_space_without_surprise_is_refused(selection: Any) -> None:
    setting = replace(taxons().searcher._setting, has_surprise=False)
    with pytest.raises(ConfigError, match=r"searcher\.selection: expected novelty"):
        Taxons(TaxonsParameters(selection=selection), setting)
    Taxons(TaxonsParameters(selection="novelty"), setting)

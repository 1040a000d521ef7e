"""STAX: the searcher's protocol; with novelty alone and lessons, it is SERENE that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qdx.assembly.config import check
from qdx.core.errors import ConfigError
from qdx.core.types import Purpose
from qdx.searchers.lessons import Lessons
from qdx.searchers.serene import Serene
from qdx.searchers.stax import StaxParameters, stax
from qdx.searchers.taxons import survival
from tests.conformance.making import equal
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench, world
from tests.searchers.test_taxons import SurprisedBench, surprised

SMALL = {"population": 6, "offspring": 2, "additions": 2, "neighbours": 3, "chunk": 150}


def made(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = StaxParameters(**{**SMALL, **keys})
    b = bench(stax, parameters, "novelty", seed=seed, first_id=first_id)
    return SurprisedBench(b.searcher, b.records, b.archives)


@pytest.mark.parametrize("selection", ["pareto", "alternate", "novelty"])
class TestStax(SearcherConformance):
    @pytest.fixture
    def build(self, selection: str) -> Build:
        return lambda **keys: made(selection=selection, **keys)

    @pytest.fixture
    def build_smallest(self, selection: str) -> Build:
        return lambda: made(population=1, offspring=1, additions=1, chunk=70, selection=selection)

    def test_does_not_change_what_it_is_told(self, build: Build) -> None:
        bench_ = build()
        asked = bench_.searcher.ask()
        genes, told = asked.genes.copy(), bench_.step()
        assert equal(told.genomes.genes, genes)
        assert equal(told, surprised(world(told.genomes)))


def test_explores_by_the_fronts_of_novelty_and_surprise_until_it_exploits() -> None:
    """Beside the SERENE it is made of, put together by hand."""

    def by_hand(parameters: Any, setting: Any) -> Serene:
        return Serene(parameters, setting, survival("pareto", setting.seed), Lessons(parameters))

    b = bench(by_hand, StaxParameters(**SMALL), "novelty", seed=3)
    other, whole = SurprisedBench(b.searcher, b.records, b.archives), made(seed=3)
    purposes = set()
    for _ in range(90):
        batch = whole.step()
        assert equal(batch, other.step())
        assert equal(whole.searcher.lesson(), other.searcher.lesson())
        purposes.update(batch.genomes.purpose.tolist())
    assert {Purpose.SEARCH, Purpose.BOOTSTRAP, Purpose.EMITTER} <= purposes


def test_the_criterion_changes_who_survives() -> None:
    runs = {selection: made(selection=selection) for selection in ("pareto", "novelty")}
    for one in runs.values():
        one.run(4)
    assert not equal(*[one.searcher.state() for one in runs.values()])


def test_brings_five_frames_and_keeps_what_the_user_says_of_them() -> None:
    raw = {"budget": 1, "task": "point", "searcher": "stax"}
    samples = {
        check({**raw, "observer": given} if given else raw).observer.parameters.samples
        for given in (None, "frames", {"size": 32}, {"kind": "frames"})
    }
    assert samples == {5}
    single = check({**raw, "observer": {"samples": 1}})
    assert (single.observer.kind, single.observer.parameters.samples) == ("frames", 1)
    assert check({**raw, "observer": "path"}).observer.kind == "path"
    assert (
        check({**raw, "observer": {"kind": "signature", "depth": 2}}).observer.kind == "signature"
    )


def test_a_space_without_surprise_is_refused_unless_novelty_is_asked_for() -> None:
    setting = replace(made().searcher._setting, has_surprise=False)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"searcher\.selection: expected novelty"):
        stax(StaxParameters(), setting)
    assert stax(StaxParameters(selection="novelty"), setting)

"""Novelty Search against the pseudo-code, written down a second time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from qdx.core.rng import draw
from qdx.searchers.novelty_search import NoveltySearch, NoveltySearchParameters
from tests.conformance.making import equal
from tests.conformance.searcher import (
    N_GENES,
    Bench,
    Build,
    SearcherConformance,
    bench,
    broken,
    fragile,
    world,
)


def novelty_search(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = NoveltySearchParameters(
        **{"population": 8, "additions": 3, "neighbours": 4, "sigma": 0.3, **keys}
    )
    return bench(NoveltySearch, parameters, "novelty", seed=seed, first_id=first_id)


class TestNoveltySearch(SearcherConformance):
    @pytest.fixture(params=["random", "novel"])
    def build(self, request: pytest.FixtureRequest) -> Build:
        return partial(novelty_search, admission=request.param)

    @pytest.fixture
    def build_smallest(self) -> Build:
        return partial(novelty_search, population=1, offspring=1, additions=1)


class Plain:
    """Section 1.3 of the specification: every distance, every generation, nothing remembered.

    P u O are the rows of one table in the order of their ids; A is a list of rows.
    """

    def __init__(self, seed: int, p: NoveltySearchParameters) -> None:
        self.seed, self.p, self.next_id = seed, p, 0
        self.ids, self.genes = np.zeros(0, np.int64), np.zeros((0, N_GENES), np.float32)
        self.points = np.zeros((0, 2), np.float32)
        self.archive: list[tuple[int, Any]] = []

    def generation(self, evaluate: Any) -> None:
        parents = np.repeat(self.genes, self.p.offspring, axis=0)
        is_first = not len(self.ids)
        purpose, n = ("initial", self.p.population) if is_first else ("mutation", len(parents))
        noise = draw(self.seed, purpose, self.next_id).standard_normal((n, N_GENES), np.float32)
        children = noise if is_first else parents + np.float32(self.p.sigma) * noise
        children = np.clip(children, -5, 5)
        born = np.arange(self.next_id, self.next_id + n)
        self.ids = np.concatenate([self.ids, born])
        self.genes = np.concatenate([self.genes, children])
        self.points = np.concatenate([self.points, evaluate(children)])
        novelty = np.array([self.novelty(row) for row in range(len(self.ids))])
        if not is_first:
            self.admit(born, novelty[-n:])
        order = sorted(range(len(self.ids)), key=lambda r: (-novelty[r], self.ids[r]))
        best = np.sort(order[: self.p.population])
        self.ids, self.genes, self.points = self.ids[best], self.genes[best], self.points[best]
        self.next_id += n

    def novelty(self, row: int) -> float:
        """Mean distance to the k nearest of P u O u A, itself excluded; nobody counts twice."""
        others = dict(self.archive) | dict(zip(self.ids, self.points, strict=True))
        del others[self.ids[row]]
        gaps = [np.linalg.norm(p.astype(float) - self.points[row]) for p in others.values()]
        return float(np.mean(sorted(gaps)[: self.p.neighbours])) if gaps else np.inf

    def admit(self, born: Any, novelty: Any) -> None:
        """A <- A u {N_Q members of O}."""
        rows = np.lexsort((born, -novelty))[: self.p.additions]
        if self.p.admission == "random":
            rng = draw(self.seed, "admission", self.next_id)
            rows = rng.choice(len(born), self.p.additions, replace=False)
        self.archive += [(int(born[r]), self.points[-len(born) :][r]) for r in np.sort(rows)]


@pytest.mark.parametrize("admission", ["random", "novel"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_generation_is_that_of_the_pseudo_code(admission: Any, seed: int) -> None:
    p = NoveltySearchParameters(10, 2, 0.3, 4, 3, admission)
    ours, plain = bench(NoveltySearch, p, "novelty", seed=seed), Plain(seed, p)
    for _ in range(12):
        ours.step()
        plain.generation(lambda genes: np.float32(0.5) + 0.5 * np.tanh(genes[:, :2]))
        population = ours.searcher.state().arrays["population"]
        assert equal(population, plain.ids)
        assert equal(ours.records.genes(population), plain.genes)
        assert ours.archives["novelty"].members().tolist() == [i for i, _ in plain.archive]


def test_the_first_population_does_not_enter_the_archive() -> None:
    made = novelty_search()
    made.step()
    assert len(made.archives["novelty"]) == 0
    made.step()
    assert len(made.archives["novelty"]) == 3


def test_every_parent_has_its_children() -> None:
    made = novelty_search(offspring=3)
    made.step()
    population = made.searcher.state().arrays["population"]
    assert equal(made.searcher.ask().parents, np.repeat(population, 3))


def test_reward_is_never_looked_at() -> None:
    blind, sighted = novelty_search(), novelty_search()
    for _ in range(4):
        a = blind.step(lambda g: world(g))
        b = sighted.step(lambda g: rewarded(world(g)))
        assert equal(a.genomes, b.genomes)


def rewarded(batch: Any) -> Any:
    """The same episodes, paid by their ids."""
    batch.outcomes.fitness[:] = batch.genomes.ids % 7
    return batch


def test_no_more_offspring_are_admitted_than_did_not_fail() -> None:
    made = novelty_search(additions=50)
    made.step()
    batch = made.step(fragile)
    alive = batch.genomes.ids[~batch.outcomes.failed]
    assert equal(made.archives["novelty"].members(), alive)


def test_failed_offspring_take_nobodys_place_in_the_archive() -> None:
    made = novelty_search()
    made.step()
    sizes = []
    for _ in range(4):
        made.step(fragile)
        sizes.append(len(made.archives["novelty"]))
    assert sizes == [3, 6, 9, 12]


def test_additions_may_be_none() -> None:
    made = novelty_search(additions=0)
    made.run(3)
    assert len(made.archives["novelty"]) == 0


def test_the_population_stays_where_all_offspring_fail() -> None:
    made = novelty_search()
    made.run(3)
    before = made.searcher.state().arrays["population"]
    made.step(broken)
    assert equal(made.searcher.state().arrays["population"], before)

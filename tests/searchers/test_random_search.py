"""Random search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qdx.core.rng import draw
from qdx.searchers.random_search import RandomSearch, RandomSearchParameters
from tests.conformance.making import equal
from tests.conformance.searcher import (
    N_GENES,
    Bench,
    Build,
    SearcherConformance,
    bench,
    fragile,
)
from tests.conformance.steady import SteadyConformance


def random_search(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = RandomSearchParameters(**{"batch": 9, "additions": 3, **keys})
    return bench(RandomSearch, parameters, "novelty", seed=seed, first_id=first_id)


class TestRandomSearch(SteadyConformance, SearcherConformance):
    @pytest.fixture
    def build(self) -> Build:
        return random_search

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: random_search(batch=1, additions=1)


def test_genomes_are_drawn_anew_each_generation() -> None:
    made = random_search(seed=4)
    for generation in range(3):
        rng = draw(4, "initial", 9 * generation)
        genes = np.clip(rng.standard_normal((9, N_GENES), np.float32), -5, 5)
        assert equal(made.step().genomes.genes, genes)


def test_nobody_has_a_parent() -> None:
    assert all((batch.genomes.parents == -1).all() for batch in random_search().run(3))


def test_a_few_of_each_generation_are_archived() -> None:
    made = random_search()
    made.run(4)
    generations = made.archives["novelty"].members() // 9
    assert generations.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_no_more_are_archived_than_did_not_fail() -> None:
    made = random_search(additions=50)
    batch = made.step(fragile)
    alive = batch.genomes.ids[~batch.outcomes.failed]
    assert equal(made.archives["novelty"].members(), alive)


def test_failed_individuals_take_nobodys_place_in_the_archive() -> None:
    made = random_search()
    made.run(4, fragile)
    assert len(made.archives["novelty"]) == 12


def test_any_row_may_be_archived() -> None:
    made = random_search()
    made.run(60)
    rows = made.archives["novelty"].members() % 9
    assert set(rows) == set(range(9))

"""NSGA-II and novelty search with local competition: the protocol, and who survives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qdx.core.records import Records
from qdx.searchers.novelty_search import Pool
from qdx.searchers.nsga2 import Nsga2Parameters, front_of_novelty_and_reward, nsga2
from qdx.searchers.nslc import (
    NslcParameters,
    front_of_novelty_and_competition,
    local_competition,
    nslc,
)
from tests.conformance.making import evaluations
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench

SMALL = {"population": 5, "offspring": 2, "additions": 2, "neighbours": 3}


def by_nsga2(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = Nsga2Parameters(**{**SMALL, **keys})
    return bench(nsga2, parameters, "novelty", seed=seed, first_id=first_id)


def by_nslc(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = NslcParameters(**{**SMALL, **keys})
    return bench(nslc, parameters, "novelty", seed=seed, first_id=first_id)


class TestNsga2(SearcherConformance):
    @pytest.fixture
    def build(self) -> Build:
        return by_nsga2

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_nsga2(population=1, offspring=1, additions=1)


class TestNslc(SearcherConformance):
    @pytest.fixture
    def build(self) -> Build:
        return by_nslc

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_nslc(population=1, offspring=1, additions=1)


def pool(novelty: list[float], reward: list[float], nearest: Any = None) -> Pool:
    n = len(novelty)
    records = Records()
    records.add(evaluations([(0.0, 0.0)] * n, np.array(reward)))
    near = np.full((n, 1), -1) if nearest is None else np.array(nearest)
    return Pool(np.arange(n), np.array(novelty), near, records)


def test_what_nobody_beats_in_both_survives() -> None:
    made = pool([5.0, 1.0, 3.0, 2.0], [0.0, 9.0, 4.0, 1.0])  # the last is dominated by the third
    assert front_of_novelty_and_reward(made, 3).tolist() == [0, 1, 2]


def test_failed_individuals_survive_last() -> None:
    made = pool([-np.inf, 1.0, 2.0], [np.nan, 0.0, 0.0])
    assert front_of_novelty_and_reward(made, 2).tolist() == [1, 2]
    assert front_of_novelty_and_competition(made, 2).tolist() == [1, 2]


def test_local_competition_counts_the_neighbours_that_are_beaten() -> None:
    made = pool([1.0] * 4, [3.0, 1.0, 3.0, 0.0], [[1, 2], [0, 3], [3, -1], [0, 1]])
    assert local_competition(made).tolist() == [1.0, 1.0, 1.0, 0.0]  # 2 ties with 0: not beaten

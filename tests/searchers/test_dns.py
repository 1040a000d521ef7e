"""Dominated Novelty Search: the protocol, and a generation by the plain algorithm."""

from __future__ import annotations

from functools import partial
from math import dist, inf
from typing import Any

import numpy as np
import pytest

from qdx.searchers.dns import DnsParameters, dns
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench
from tests.conformance.steady import SteadyConformance


def by_dns(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = DnsParameters(**{"initial": 9, "batch": 12, "line_sigma": 0.3, **keys})
    return bench(dns, parameters, "dominated_novelty", seed=seed, first_id=first_id)


class TestDns(SteadyConformance, SearcherConformance):
    @pytest.fixture(params=["gaussian", "iso_line"])
    def build(self, request: pytest.FixtureRequest) -> Build:
        return partial(by_dns, variation=request.param)

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_dns(initial=1, batch=1)


def score(one: Any, others: Any) -> float:
    gaps = sorted(dist(one[2], o[2]) for o in others if o[0] != one[0] and o[1] >= one[1])[:3]
    return sum(gaps) / len(gaps) if gaps else inf


@pytest.mark.parametrize("seed", [0, 1])
def test_every_population_is_that_of_the_plain_algorithm(seed: int) -> None:
    made, population = by_dns(seed=seed), []
    for _ in range(8):
        batch = made.step()
        parents = set(batch.genomes.parents.tolist()) - {-1}
        assert parents <= {id_ for id_, *_ in population}
        for row, id_ in enumerate(batch.genomes.ids.tolist()):
            point = batch.described.descriptors[row].astype(float).tolist()
            population.append((id_, float(batch.outcomes.fitness[row]), point))
        scores = {p[0]: score(p, population) for p in population}
        population = sorted(population, key=lambda p: (-scores[p[0]], p[0]))[:20]
        members = made.archives["population"].members()
        assert np.sort(members).tolist() == sorted(p[0] for p in population)

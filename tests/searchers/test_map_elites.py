"""MAP-Elites against a dictionary of elites."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from qdx.core.rng import draw
from qdx.searchers.map_elites import MapElites, MapElitesParameters
from tests.conformance.making import equal
from tests.conformance.searcher import (
    N_GENES,
    Bench,
    Build,
    SearcherConformance,
    bench,
    broken,
    world,
)
from tests.conformance.steady import SteadyConformance


def map_elites(archive: str = "grid", *, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = MapElitesParameters(**{"initial": 9, "batch": 12, "sigma": 0.3, **keys})
    return bench(MapElites, parameters, archive, seed=seed, first_id=first_id)


class MapElitesConformance(SteadyConformance, SearcherConformance):
    @pytest.fixture(params=["grid", "cvt"])
    def build_smallest(self, request: pytest.FixtureRequest) -> Build:
        return partial(map_elites, request.param, initial=1, batch=1)


class TestGaussian(MapElitesConformance):
    @pytest.fixture(params=["grid", "cvt"])
    def build(self, request: pytest.FixtureRequest) -> Build:
        return partial(map_elites, request.param, variation="gaussian")


class TestIsoLine(MapElitesConformance):
    @pytest.fixture(params=["grid", "cvt"])
    def build(self, request: pytest.FixtureRequest) -> Build:
        return partial(map_elites, request.param, variation="iso_line")


def plain_offspring(elites: dict[int, Any], seed: int, next_id: int, p: Any) -> Any:
    """Children of elites drawn uniformly in cell order; `elites`: cell → (fitness, id, genes)."""
    genes = np.array([elites[cell][2] for cell in sorted(elites)])
    drawn = draw(seed, "parents", next_id).integers(len(genes), size=2 * p.batch)
    x, y = genes[drawn[: p.batch]], genes[drawn[p.batch :]]
    rng = draw(seed, "mutation", next_id)
    noise = rng.standard_normal(x.shape, np.float32)
    if p.variation == "gaussian":
        return np.clip(x + np.float32(p.sigma) * noise, -5, 5)
    along = rng.standard_normal((p.batch, 1), np.float32)
    line = np.float32(p.line_sigma) * (y - x) * along
    return np.clip(x + np.float32(p.iso_sigma) * noise + line, -5, 5)


def plain_add(elites: dict[int, Any], batch: Any) -> None:
    """A 6 x 6 grid of the unit square: the strictly fitter takes the cell."""
    for row, point in enumerate(batch.described.descriptors.astype(float)):
        column, line = np.minimum(np.floor(point * 6), 5).astype(int)
        fitness, cell = batch.outcomes.fitness[row], int(6 * column + line)
        if cell not in elites or fitness > elites[cell][0]:
            elites[cell] = (fitness, int(batch.genomes.ids[row]), batch.genomes.genes[row])


@pytest.mark.parametrize("variation", ["gaussian", "iso_line"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_generation_is_that_of_the_plain_algorithm(variation: Any, seed: int) -> None:
    p = MapElitesParameters(9, 12, variation, 0.3, 0.1, 0.4)
    ours, elites, next_id = bench(MapElites, p, "grid", seed=seed), {}, 0
    for generation in range(12):
        asked = ours.searcher.ask()
        if generation:
            assert equal(asked.genes, plain_offspring(elites, seed, next_id, p))
        else:
            rng = draw(seed, "initial", 0)
            assert equal(asked.genes, rng.standard_normal((9, N_GENES), np.float32))
        next_id += len(asked)
        plain_add(elites, ours.step())
        members = ours.archives["cells"].members()
        assert members.tolist() == [elites[cell][1] for cell in sorted(elites)]


def test_every_evaluation_is_offered() -> None:
    made = map_elites()
    for batch in made.run(3):
        assert len(batch) in (9, 12)
        assert equal(made.searcher.admit(batch)["cells"], batch.genomes.ids)


def test_parents_are_elites() -> None:
    made = map_elites()
    made.run(3)
    elites = set(made.archives["cells"].members())
    assert set(made.searcher.ask().parents) <= elites


def test_random_genes_are_asked_for_until_there_is_an_elite() -> None:
    made = map_elites()
    first = made.step(broken)
    again = made.searcher.ask()
    assert (again.parents == -1).all()
    assert len(again) == len(first) == 9
    assert not equal(again.genes, first.genomes.genes)


def test_gaussian_variation_needs_no_partner() -> None:
    """Children are near their own parent, whoever else was drawn."""
    made = map_elites(sigma=1e-3)
    made.step(world)
    asked = made.searcher.ask()
    gaps = np.abs(asked.genes - made.records.genes(asked.parents))
    assert 0 < gaps.max() < 0.01

"""CMA-ME and CMA-MAE against pyribs's own emitters and scheduler, fed with our draws."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from ribs.archives import GridArchive
from ribs.emitters import EvolutionStrategyEmitter
from ribs.emitters.opt import CMAEvolutionStrategy
from ribs.schedulers import Scheduler

from qdx.archives.novelty import Novelty
from qdx.archives.parameters import NoveltyParameters
from qdx.core.errors import ConfigError
from qdx.core.records import Records
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Status, Verdict
from qdx.encodings.direct import Direct
from qdx.searchers.cma_mae import CmaMaeParameters, by_threshold, cma_mae
from qdx.searchers.cma_me import CmaMe, CmaMeParameters, by_improvement, by_reward
from qdx.searchers.setting import Setting
from tests.conformance.making import equal, evaluations, genomes
from tests.conformance.searcher import (
    N_GENES,
    Bench,
    Build,
    SearcherConformance,
    bench,
    broken,
)
from tests.conformance.steady import SteadyConformance

SMALL = {"emitters": 3, "population": 4}


def by_cma_me(archive: str = "grid", *, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = CmaMeParameters(**{**SMALL, **keys})
    return bench(CmaMe, parameters, archive, seed=seed, first_id=first_id)


def by_cma_mae(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = CmaMaeParameters(**{**SMALL, **keys})
    return bench(cma_mae, parameters, "soft_grid", seed=seed, first_id=first_id)


class CmaMeConformance(SteadyConformance, SearcherConformance):
    smallest = 2

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_cma_me(population=2, emitters=1)


class TestSerenesBaseline(CmaMeConformance):
    @pytest.fixture(params=["grid", "cvt"])
    def build(self, request: pytest.FixtureRequest) -> Build:
        return partial(by_cma_me, request.param)


class TestImprovement(CmaMeConformance):
    @pytest.fixture
    def build(self) -> Build:
        keys = {"turn": "fewest_asked", "emitters_per_batch": 2, "strategy": "sep_cma_es"}
        return partial(by_cma_me, ranking="improvement", **keys)


class TestCmaMae(CmaMeConformance):
    @pytest.fixture
    def build(self) -> Build:
        return by_cma_mae

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: by_cma_mae(population=2, emitters=1, emitters_per_batch=1)


class Keyed(CMAEvolutionStrategy):
    """pyribs's strategy with our draws, and with its rank-one update mended."""

    next_id = 0  # of the next batch of any strategy: they are asked in turn
    seed = 0
    _transform_and_check_sol = staticmethod(CMAEvolutionStrategy._transform_and_check_sol.py_func)
    _calc_cov_update = staticmethod(CMAEvolutionStrategy._calc_cov_update.py_func)

    def ask(self, batch_size: int | None = None) -> Any:
        self._rng = draw(Keyed.seed, "strategy", Keyed.next_id)
        Keyed.next_id += self.batch_size
        return super().ask(batch_size)

    def tell(self, indices: Any, values: Any, num_parents: int) -> None:
        sigma = self.sigma
        self.pc = self.pc * sigma
        super().tell(indices, values, num_parents)
        self.pc = self.pc / sigma
        if num_parents:
            *_, c1, _ = self._calc_strat_params(num_parents)
            outer = np.outer(self.pc, self.pc)
            self.cov.cov = self.cov.cov + c1 * outer - c1**2 * sigma**2 * outer


class KeyedGrid(GridArchive):
    """pyribs's grid with our draws of elites: uniform in the order of cells."""

    key = 0

    def sample_elites(self, n: int, replace: bool = True) -> Any:
        there = self.data(return_type="dict")
        order = np.argsort(there["index"])
        at = draw(Keyed.seed, "parents", self.key).integers(len(order), size=n)
        return {"solution": there["solution"][order[at]].astype(np.float32).astype(float)}


class KeyedEmitter(EvolutionStrategyEmitter):
    """pyribs's emitter, which tells the archive what a restart is keyed by."""

    def ask(self) -> Any:
        self.key = Keyed.next_id
        return super().ask()

    def tell(self, *batch: Any, **fields: Any) -> None:
        self.archive.key = self.key
        super().tell(*batch, **fields)


def rippled(genomes: Any) -> Any:
    """A reward without ties: high in the middle, with ripples."""
    x = genomes.genes.astype(np.float64)
    points = 0.5 + 0.5 * np.tanh(x[:, :2] / 2)
    made = evaluations(points, 9 - (x**2).sum(axis=1) / 9 + np.sin(3 * x[:, 2]))
    return Evaluations(genomes, made.outcomes, made.described)


def theirs(seed: int, p: Any, rules: dict[str, Any], soft: dict[str, float]) -> Any:
    """A pyribs run of thirty generations: its elites, and the restarts of its emitters."""
    Keyed.seed, Keyed.next_id = seed, 0
    shape: dict[str, Any] = {"solution_dim": N_GENES, "dims": [6, 6], "ranges": [(0, 1), (0, 1)]}
    archive, result = KeyedGrid(**shape, **soft), GridArchive(**shape)
    common = {"sigma0": p.sigma, "es": Keyed, "batch_size": p.population, **rules}
    emitters = [
        KeyedEmitter(archive, x0=x, bounds=[(-5, 5)] * N_GENES, **common)
        for x in Direct(N_GENES).initial(p.emitters, draw(seed, "initial", 0))
    ]
    scheduler = Scheduler(archive, emitters, result_archive=result)
    for _ in range(30):
        asked = scheduler.ask().astype(np.float32)
        made = rippled(replace(genomes(len(asked)), genes=asked))
        scheduler.tell(made.outcomes.fitness, made.described.descriptors)
    return result.data(return_type="dict"), sum(e.restarts for e in emitters)


def agree(ours: Bench, elites: Any, restarts: int, archive: str) -> None:
    for _ in range(30):
        ours.step(rippled)
    order = np.argsort(elites["index"])
    members = ours.archives[archive].members()
    np.testing.assert_allclose(ours.records.genes(members), elites["solution"][order], atol=1e-4)
    assert len(members) > 20
    assert ours.searcher.report()["restarts"] == restarts


@pytest.mark.parametrize("seed", [0, 1])
def test_improvement_emitters_are_those_of_pyribs(seed: int) -> None:
    keys = {"emitters": 3, "population": 8, "emitters_per_batch": 3}
    p = CmaMeParameters(ranking="improvement", turn="fewest_asked", **keys)
    rules = {"ranker": "2imp", "selection_rule": "filter", "restart_rule": "no_improvement"}
    elites, restarts = theirs(seed, p, rules, {})
    assert restarts > 0
    agree(bench(CmaMe, p, "grid", seed=seed), elites, restarts, "cells")


@pytest.mark.parametrize("seed", [0, 1])
def test_cma_mae_is_that_of_pyribs(seed: int) -> None:
    p = CmaMaeParameters(emitters=3, population=8, emitters_per_batch=3)
    rules = {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"}
    soft = {"learning_rate": 0.1, "threshold_min": -1.0}
    agree(bench(cma_mae, p, "soft_grid", seed=seed), *theirs(seed, p, rules, soft), "elites")


def test_an_emitter_that_never_gains_restarts_at_an_elite() -> None:
    made = by_cma_me(emitters=1)
    first = made.step()
    assert made.searcher.report()["restarts"] == 0
    made.step(broken)
    assert made.searcher.report()["restarts"] == 1
    origin = made.searcher.ask().parents
    assert len(set(origin)) == 1
    assert set(origin) <= set(first.genomes.ids)
    assert equal(made.searcher._strategies[0].arrays()["mean"].astype(np.float32),
                 made.records.genes(origin)[0])  # fmt: skip


def test_the_emitter_that_stored_the_fewest_has_the_turn() -> None:
    """Counted by hand from verdicts; the first emitter of equals."""
    made, stored = by_cma_me(emitters=4), [0] * 4
    for _ in range(30):
        turn = stored.index(min(stored))
        assert made.searcher._turn() == [turn]
        made.step()
        stored[turn] += int((made.verdicts["cells"].status != Status.REFUSED).sum())
    assert len({s > 0 for s in stored}) == 1


def test_emitters_of_a_batch_are_the_next_in_turn() -> None:
    made = by_cma_me(turn="fewest_asked", emitters_per_batch=2)
    turns = []
    for _ in range(3):
        turns.append(made.searcher._turn())
        made.step()
    assert turns == [[0, 1], [0, 2], [1, 2]]


def test_more_emitters_per_batch_than_emitters_are_all() -> None:
    assert len(by_cma_me(emitters_per_batch=50).searcher.ask()) == 12


def test_no_two_emitters_draw_the_same_steps() -> None:
    made = by_cma_me(emitters_per_batch=3)
    asked = made.searcher.ask().genes.reshape(3, 4, -1)
    means = np.stack([e.arrays()["mean"] for e in made.searcher._strategies])
    steps = (asked - means[:, None]).round(4).reshape(12, -1)
    assert len(np.unique(steps, axis=0)) == 12


def verdict_of(status: list[int], improvement: list[float]) -> Verdict:
    n = len(status)
    return Verdict(np.array(status, np.int8), np.full(n, np.nan), np.array(improvement))


def ranks(judgement: Any) -> list[int]:
    """Rows from the best to the worst."""
    return sorted(range(len(judgement.values)), key=lambda i: tuple(-judgement.values[i]))


def test_by_reward_the_map_does_not_matter_unless_it_took_nothing() -> None:
    fitness = np.array([1.0, 3.0, 2.0], np.float32)
    judged = by_reward(fitness, verdict_of([0, 0, 1], [-1.0, -2.0, 1.0]))
    assert (ranks(judged), judged.n_parents, judged.is_done) == ([1, 2, 0], None, False)
    assert by_reward(fitness, verdict_of([0, 0, 0], [-1.0] * 3)).is_done


def test_by_improvement_new_cells_come_first_and_losers_are_no_parents() -> None:
    fitness = np.array([1.0, 3.0, 2.0, 9.0], np.float32)
    judged = by_improvement(fitness, verdict_of([2, 1, 0, 0], [np.inf, 0.5, np.inf, -4.0]))
    assert (ranks(judged), judged.n_parents, judged.is_done) == ([2, 0, 1, 3], 3, False)
    assert by_improvement(fitness, verdict_of([0] * 4, [-1.0] * 4)).is_done


def test_by_threshold_the_gain_decides() -> None:
    fitness = np.array([1.0, 3.0, 2.0], np.float32)
    judged = by_threshold(fitness, verdict_of([0, 0, 1], [-1.0, -2.0, 1.0]))
    assert (ranks(judged), judged.n_parents, judged.is_done) == ([2, 0, 1], None, False)


def test_improvement_needs_an_archive_that_looks_at_fitness() -> None:
    records = Records()
    archives = {"cells": Novelty(NoveltyParameters(), records, dimension=2, seed=0)}
    setting = Setting(0, Direct(N_GENES), records, archives)
    searcher = CmaMe(CmaMeParameters(**SMALL, ranking="improvement"), setting)
    with pytest.raises(ConfigError, match=r"archives\.cells\.kind: expected an archive of cells"):
        Bench(searcher, records, archives).step()


def test_a_soft_map_lets_the_result_keep_the_fittest() -> None:
    made = by_cma_mae()
    batches = made.run(30)
    fitness = np.concatenate([b.outcomes.fitness for b in batches])
    elites = made.archives["elites"].members()
    assert made.records.column("fitness", elites).max() == fitness.max()
    assert set(made.archives["cells"].members()) != set(elites)

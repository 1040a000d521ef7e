"""CMA-ES with restarts: the protocol, a known maximum, and when it begins again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qdx.core.types import Evaluations, Genomes
from qdx.searchers.cma_es import CmaEs, CmaEsParameters
from tests.conformance.making import equal, evaluations
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench, broken, world


def cma_es(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    return bench(CmaEs, CmaEsParameters(**keys), "grid", seed=seed, first_id=first_id)


class CmaEsConformance(SearcherConformance):
    smallest = 2

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: cma_es(population=2)


class TestCmaEs(CmaEsConformance):
    @pytest.fixture
    def build(self) -> Build:
        return lambda **keys: cma_es(sigma=1.0, **keys)


class TestSeparable(CmaEsConformance):
    @pytest.fixture
    def build(self) -> Build:
        return lambda **keys: cma_es(sigma=1.0, strategy="sep_cma_es", **keys)


def rewarding(reward: Any) -> Any:
    """A world whose reward is a function of the genes."""

    def evaluate(genomes: Genomes) -> Evaluations:
        points = 0.5 + 0.5 * np.tanh(genomes.genes[:, :2])
        made = evaluations(points, reward(genomes.genes.astype(np.float64)))
        return Evaluations(genomes, made.outcomes, made.described)

    return evaluate


hill = rewarding(lambda x: 1 - ((x - [1, -2, 0.5]) ** 2).sum(axis=1))
plain = rewarding(lambda x: np.zeros(len(x)))


def test_finds_a_known_maximum() -> None:
    made = cma_es()
    fitness = np.concatenate([b.outcomes.fitness for b in made.run(150, hill)])
    assert fitness.max() == pytest.approx(1, abs=1e-6)


def test_begins_at_zero_with_small_steps() -> None:
    genes = cma_es(population=400).searcher.ask().genes
    assert np.abs(genes.mean(axis=0)).max() < 0.01
    np.testing.assert_allclose(genes.std(axis=0), 0.05, atol=0.006)


def restarts(made: Bench, evaluate: Any, generations: int) -> list[int]:
    """Generations after which it began again."""
    found = []
    for g in range(generations):
        before = made.searcher.report()["restarts"]
        made.step(evaluate)
        if made.searcher.report()["restarts"] > before:
            found.append(g + 1)
    return found


def test_flat_rewards_end_it_after_as_many_generations_as_in_the_cmaes_library() -> None:
    assert restarts(cma_es(), plain, 60) == [25, 50]  # 10 + 30 * 3 / 6 generations


def test_failures_are_flat_too() -> None:
    assert restarts(cma_es(), broken, 30) == [25]


@pytest.mark.parametrize(("rule", "window"), [("paper", 130), ("original", 135)])
def test_stagnation_ends_it_one_step_after_its_window(rule: Any, window: int) -> None:
    """Rewards that fall from step to step, differ within each, and know nothing of the genes."""

    def falling(genomes: Genomes) -> Evaluations:
        made = evaluations(np.full((len(genomes), 2), 0.5), -genomes.ids.astype(float))
        return Evaluations(genomes, made.outcomes, made.described)

    assert restarts(cma_es(stagnation=rule), falling, 150) == [window + 1]


@pytest.mark.parametrize("rule", ["paper", "original"])
def test_a_failed_sample_is_not_the_best_that_was(rule: Any) -> None:
    """Rewards are below 0 and rise from step to step; five of six early samples fail."""

    def rising(genomes: Genomes) -> Evaluations:
        failed = np.flatnonzero((genomes.ids < 300) & (genomes.ids % 6 > 0))
        points = np.full((len(genomes), 2), 0.5)
        made = evaluations(points, genomes.ids - 1e4, failed=failed.tolist())
        return Evaluations(genomes, made.outcomes, made.described)

    assert restarts(cma_es(stagnation=rule), rising, 150) == []


def test_begins_again_at_the_best_individual_ever_found() -> None:
    made = cma_es(sigma=0.5)
    batches = made.run(12, hill)
    batches += made.run(25, plain)[:0]  # flat, until it begins again
    fitness = np.concatenate([b.outcomes.fitness for b in batches])
    genes = np.concatenate([b.genomes.genes for b in batches])
    best = int(fitness.argmax())
    asked = made.searcher.ask()
    assert set(asked.parents) == {best}
    mean = made.searcher._strategy.arrays()["mean"]
    assert equal(mean.astype(np.float32), genes[best])


def test_everything_is_offered() -> None:
    made = cma_es()
    batch = world(made.searcher.ask())
    assert equal(made.searcher.admit(batch)["cells"], batch.genomes.ids)

"""Deep GA: truncation, the validated elite, novelty, and seed chains all the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qdx.core.errors import ConfigError
from qdx.core.types import Evaluations, Genomes, Purpose
from qdx.searchers.deep_ga import DeepGa, DeepGaParameters
from tests.conformance.making import equal
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench, broken, world


def deep_ga(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    few = {"population": 12, "parents": 4, "sigma": 0.3, "candidates": 3, "episodes": 2}
    parameters = DeepGaParameters(**{**few, "neighbours": 3, "admission": 0.3, **keys})
    return bench(DeepGa, parameters, "novelty", seed=seed, first_id=first_id)


class DeepGaConformance(SearcherConformance):
    keys: dict[str, Any] = {}

    @pytest.fixture
    def build(self) -> Build:
        return lambda **keys: deep_ga(**self.keys, **keys)

    @pytest.fixture
    def build_smallest(self) -> Build:
        return lambda: deep_ga(
            **{**self.keys, "population": 1, "parents": 1, "repeats": 1, "candidates": 0}
        )


class TestDeepGa(DeepGaConformance):
    pass


class TestWithoutValidation(DeepGaConformance):
    keys = {"candidates": 0}


class TestRandomSearch(DeepGaConformance):
    keys = {"parents": 0}


class TestNovelty(DeepGaConformance):
    keys = {"novelty": 1.0, "candidates": 0}


class TestMix(DeepGaConformance):
    keys = {"novelty": 0.5}


class TestDecay(DeepGaConformance):
    keys = {"sigma_decay": "exponential", "sigma_end": 0.01, "sigma_generations": 3}


class TestRepeats(DeepGaConformance):
    keys = {"repeats": 2}

    def test_generations_do_not_repeat_each_other(self, build: Build) -> None:
        batch = build().step().genomes
        assert equal(batch.seeds[::2], batch.seeds[1::2])
        assert (batch.trial == np.tile([0, 1], 12)).all()


def scored(rewards: Any) -> Any:
    """A world whose reward a function of (genomes) gives."""

    def evaluate(genomes: Genomes) -> Evaluations:
        made = world(genomes)
        given = np.asarray(rewards(genomes), np.float32)
        return replace(made, outcomes=replace(made.outcomes, fitness=given))

    return evaluate


def state_ids(made: Bench, name: str) -> list[int]:
    return made.searcher.state().arrays[name].tolist()


def test_a_generation_is_children_then_candidates_in_common_trials() -> None:
    made = deep_ga(candidates=3, episodes=4)
    first = made.step()
    rewards = first.outcomes.fitness
    best = np.lexsort((first.genomes.ids, -rewards))[:3]
    assert state_ids(made, "candidates") == first.genomes.ids[best].tolist()
    second = made.step().genomes
    assert (second.purpose == Purpose.VALIDATION).all()
    assert equal(second.seeds, np.repeat(first.genomes.seeds[best], 4))
    trials = second.trial.reshape(3, 4)
    assert (trials == trials[0]).all()
    assert (made.step().genomes.purpose == Purpose.SEARCH).all()


def test_trials_are_never_used_twice() -> None:
    made = deep_ga()
    batches = made.run(8)
    used = [set(b.genomes.trial.tolist()) for b in batches]
    assert sum(map(len, used)) == len(set().union(*used))


def test_a_lucky_elite_loses_its_place() -> None:
    lucky = {}

    def rewards(genomes: Genomes) -> Any:
        if (genomes.purpose == Purpose.SEARCH).all():
            if not lucky:  # the first of all has a stroke of luck in its only episode
                lucky["seed"] = genomes.seeds[0]
            return np.where(genomes.seeds == lucky["seed"], 100, genomes.ids % 7)
        early = genomes.trial < 3  # its luck lasts for the first validation, not for the second
        return np.where(genomes.seeds == lucky["seed"], np.where(early, 50, 0), 10)

    made = deep_ga()
    made.run(2, scored(rewards))
    assert state_ids(made, "elite") == [0]
    assert made.searcher.report()["elite_reward"] == 50
    made.step(scored(rewards))
    assert state_ids(made, "candidates")[0] == 0  # it defends its place
    made.step(scored(rewards))
    assert state_ids(made, "elite") != [0]
    assert made.searcher.report()["elite_reward"] == 10
    assert made.archives["elites"].members().tolist() == [0, *state_ids(made, "elite")]


def test_the_episode_of_selection_does_not_count_for_the_elite() -> None:
    made = deep_ga()
    batch = made.step(scored(lambda g: 1000 - g.ids))
    assert state_ids(made, "candidates") == [0, 1, 2]
    made.step(scored(lambda g: np.where(g.seeds == batch.genomes.seeds[2], 1, 0)))
    assert state_ids(made, "elite") == [2]


def test_parents_are_the_best_children_and_the_elite() -> None:
    made = deep_ga(parents=4, candidates=3)
    made.step(scored(lambda g: g.ids))  # the best are 11, 10, 9, 8
    seeds = made.records.column("seed", np.array([9]))
    made.step(scored(lambda g: g.seeds == seeds[0]))
    assert state_ids(made, "parents") == [11, 10, 9, 8]
    children = made.step(scored(lambda g: g.ids)).genomes  # 18 to 29
    assert set(children.parents.tolist()) <= {8, 9, 10, 11}
    assert (children.sigmas == np.float32(0.3)).all()
    made.step(scored(lambda g: g.seeds == seeds[0]))  # the elite stays, who is no child
    assert state_ids(made, "elite") == [9]
    assert state_ids(made, "parents") == [9, 29, 28, 27]


def test_without_parents_every_generation_is_fresh() -> None:
    made = deep_ga(parents=0)
    batches = made.run(6)
    assert all((b.genomes.parents == -1).all() for b in batches)
    assert len(state_ids(made, "elite")) == 1


def test_without_candidates_the_best_reward_ever_is_the_elite() -> None:
    made, best = deep_ga(candidates=0), []
    for batch in made.run(5):
        best.append(batch.outcomes.fitness.max())
        assert (batch.genomes.purpose == Purpose.SEARCH).all()
    assert made.searcher.report()["elite_reward"] == max(best)


def test_novelty_alone_does_not_look_at_rewards() -> None:
    one, other = (deep_ga(novelty=1.0, candidates=0, seed=3) for _ in range(2))
    for _ in range(4):
        first, second = one.step(), other.step(scored(lambda g: -g.ids))
        assert equal(first.genomes.seeds, second.genomes.seeds)
        assert equal(first.genomes.parents, second.genomes.parents)


def test_novelty_is_the_mean_squared_distance_of_population_and_archive() -> None:
    made = deep_ga(novelty=1.0, candidates=0, parents=3, neighbours=4, admission=0.5)
    made.step()
    parents = state_ids(made, "parents")
    batch = made.step()
    ids = np.append(parents[:1], batch.genomes.ids)
    archived = made.archives["novelty"].members()
    archived = archived[archived < batch.genomes.ids[0]]  # as it was
    points = {}
    for id_, point in zip(batch.genomes.ids, batch.described.descriptors, strict=True):
        points[int(id_)] = point.astype(float)
    for id_ in (*parents[:1], *archived.tolist()):
        points[int(id_)] = made.records.descriptors(np.array([id_]))[0].astype(float)
    scores = []
    for id_ in ids.tolist():
        others = [p for other, p in points.items() if other != id_]
        gaps = np.sort([((points[id_] - p) ** 2).sum() for p in others])[:4]
        scores.append(gaps.mean())
    expected = ids[np.lexsort((ids, -np.array(scores)))[:3]]
    assert state_ids(made, "parents") == expected.tolist()


def test_a_mix_is_between_its_two_rankings() -> None:
    made = deep_ga(novelty=0.25, candidates=0, parents=12)
    batch = made.step()
    searcher, ids = made.searcher, batch.genomes.ids
    rewards = batch.outcomes.fitness.astype(float)
    made.records.add(batch)
    novelty = replace_novelty(searcher, 1.0)._score(ids, rewards)
    mixed = replace_novelty(searcher, 0.25)._score(ids, rewards)
    places = [
        (values[:, None] > values).mean(1) + (values[:, None] == values).mean(1) / 2
        for values in (rewards, novelty)
    ]
    share = [(p * 12 - 0.5) / 11 for p in places]
    np.testing.assert_allclose(mixed, 0.75 * share[0] + 0.25 * share[1])


def replace_novelty(searcher: Any, weight: float) -> Any:
    searcher._p = replace(searcher._p, novelty=weight)
    return searcher


def test_the_state_says_when_a_validation_is_under_way() -> None:
    made = deep_ga()
    made.step()
    assert made.searcher.report()["validating"] == 3
    made.step()
    assert made.searcher.report()["validating"] == 0


def test_validation_that_fails_costs_no_elite() -> None:
    made = deep_ga()
    made.run(2)
    elite = state_ids(made, "elite")
    made.step()
    made.step(broken)
    assert state_ids(made, "elite") == elite


def test_one_candidate_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"searcher\.candidates: expected at least 2"):
        deep_ga(candidates=1)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("step", [0.32, 0.32, 0.32, 0.32, 0.02, 0.02]),
        ("linear", [0.32, 0.245, 0.17, 0.095, 0.02, 0.02]),
        ("exponential", [0.32, 0.16, 0.08, 0.04, 0.02, 0.02]),
    ],
)
def test_sigma_goes_to_its_end_generation_by_generation(decay: Any, expected: list[float]) -> None:
    made = deep_ga(sigma=0.32, sigma_decay=decay, sigma_end=0.02, sigma_generations=4)
    made.run(2)  # fresh genomes and their validation: no mutation yet
    used = []
    for _ in expected[1:]:
        used.append(made.step().genomes.sigmas)
        made.step()
    assert all(len(np.unique(sigmas)) == 1 for sigmas in used)
    np.testing.assert_allclose([s[0] for s in used], expected[1:], rtol=1e-6)
    assert made.searcher.report()["sigma"] == pytest.approx(expected[-1])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"sigma_end": 0.1}, r"searcher\.sigma_decay: expected step, linear or exponential"),
        ({"sigma_decay": "linear"}, r"searcher\.sigma_end: expected a number > 0"),
    ],
)
def test_half_a_schedule_is_refused(keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        deep_ga(**keys)

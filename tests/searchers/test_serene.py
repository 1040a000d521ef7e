"""SERENE: the searcher's protocol, its budget, and what enters which archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from qdx.core.rng import draw
from qdx.core.types import Purpose
from qdx.encodings.direct import Direct
from qdx.searchers.evolution_strategies import EvolutionStrategy
from qdx.searchers.lessons import LessonParameters, Lessons
from qdx.searchers.serene import Serene, SereneParameters
from qdx.searchers.taxons import survival
from tests.conformance.making import equal, unstored
from tests.conformance.searcher import Bench, Build, SearcherConformance, bench, world

SMALL = {"population": 6, "offspring": 2, "additions": 2, "neighbours": 3, "chunk": 150}


def serene(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    parameters = SereneParameters(**{**SMALL, **keys})
    return bench(Serene, parameters, "novelty", seed=seed, first_id=first_id)


VARIANTS: dict[str, dict[str, Any]] = {
    "the paper": {},
    "novelty emitters": {"emitter": "novelty"},
    "three at once": {"concurrent_emitters": 3},
    "a bandit": {"schedule": "bandit"},
    "a coin": {"schedule": "fixed_sampling"},
    "strategies": {"emitter": "cma_es", "concurrent_emitters": 2},
    "diagonal strategies": {"emitter": "sep_cma_es"},
    "every option": {
        "stagnation": "original",
        "local_improvement": True,
        "max_emitters": 2,
        "max_emitter_steps": 4,
    },
}


FAST = "the paper"
MARKED = [v if v == FAST else pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS]


@pytest.mark.parametrize("variant", MARKED)
class TestSerene(SearcherConformance):
    @pytest.fixture
    def build(self, variant: str) -> Build:
        return lambda **keys: serene(**VARIANTS[variant], **keys)

    @pytest.fixture
    def build_smallest(self, variant: str) -> Build:
        return lambda: serene(population=1, offspring=1, additions=1, **VARIANTS[variant])

    @pytest.mark.parametrize("generations", [13, 16, 19, 25, 40])
    def test_goes_on_from_a_commit_in_every_phase(self, build: Build, generations: int) -> None:
        whole, cut = build(), build()
        whole.run(generations)
        cut.run(generations)
        fresh = build()
        fresh.records.load(unstored(cut.records))
        for name, archive in cut.archives.items():
            fresh.archives[name].load(archive.members())
        fresh.searcher.restore(cut.searcher.state())
        for one, other in zip(whole.run(30), fresh.run(30), strict=True):
            np.testing.assert_array_equal(one.genomes.genes, other.genomes.genes)


def purposes(made: Bench, generations: int) -> list[tuple[Purpose, int]]:
    """Why and how many, generation by generation."""
    return [(Purpose(b.genomes.purpose[0]), len(b)) for b in made.run(generations)]


def test_a_chunk_explores_and_the_next_exploits() -> None:
    """150: the first 6, twelve at a time to 150; then bootstraps of 66 while 50 are left."""
    told = purposes(serene(), 13 + 6 + 2)
    assert told[:13] == [(Purpose.SEARCH, 6)] + [(Purpose.SEARCH, 12)] * 12
    assert told[13] == (Purpose.BOOTSTRAP, 2 * 6)  # 150 > 50, 84 > 50, 18 is not
    assert told[14:19] == [(Purpose.BOOTSTRAP, 24)] * 5
    assert told[19][0] in (Purpose.EMITTER, Purpose.SEARCH)


def test_an_emitter_steps_until_its_chunk_is_spent() -> None:
    spent, chunks = 0, []
    for batch in serene().run(80):
        if batch.genomes.purpose[0] == Purpose.SEARCH:
            if spent:
                chunks.append(spent)
            spent = 0
        else:
            spent += len(batch)
    assert chunks
    assert all(150 <= c < 150 + 24 for c in chunks)


@pytest.mark.parametrize(("emitter", "cost"), [("fitness", 66), ("novelty", 66), ("cma_es", 36)])
def test_bootstraps_cost_what_their_evaluations_are(emitter: Any, cost: int) -> None:
    made = serene(emitter=emitter, chunk=98)  # a second one begins while 33 are left
    batches = made.run(40)
    of_bootstraps = [b for b in batches if b.genomes.purpose[0] == Purpose.BOOTSTRAP]
    n_candidates = 1 if cost == 66 else 2
    assert sum(len(b) for b in of_bootstraps[:6]) == n_candidates * cost


def test_a_strategy_steps_by_six() -> None:
    told = purposes(serene(emitter="cma_es"), 13 + 6 + 3)
    assert told[13] == (Purpose.BOOTSTRAP, 3 * 6)  # 150, 114 and 78 are more than 50, 42 is not
    assert told[14:19] == [(Purpose.BOOTSTRAP, 18)] * 5
    assert told[19:] == [(Purpose.EMITTER, 6)] * 3


@pytest.mark.parametrize("kind", ["cma_es", "sep_cma_es"])
def test_a_strategy_moves_as_one_alone_with_the_same_rewards(kind: Any) -> None:
    made = serene(emitter=kind)
    made.run(13)
    first = made.searcher.ask()
    ancestor = first.parents[:1]
    sigma = made.searcher._exploit._busy[0].sigma
    start = made.records.genes(ancestor)[0]
    alone = EvolutionStrategy(start, sigma, Direct(3), population=6, kind=kind)
    for _ in range(6):
        batch = made.step()
        rng = draw(0, "strategy", int(batch.genomes.ids[0]))
        assert (batch.genomes.parents[:6] == ancestor).all()
        np.testing.assert_array_equal(batch.genomes.genes[:6], alone.ask(rng))
        alone.tell(batch.outcomes.fitness[:6, None])


def test_a_strategy_that_is_over_ends_its_emitter() -> None:
    """Flat rewards after the bootstrap: 25 generations, long before its rewards stagnate."""

    def plateau(genomes: Any) -> Any:
        batch = world(genomes)
        batch.outcomes.fitness[:] = 0.3
        return batch

    made = serene(emitter="cma_es", chunk=600)
    left = set(_run_until(made, world, Purpose.EMITTER))
    made.run(60, plateau)
    ended = left - set(made.searcher._exploit._emitters)
    assert ended
    assert all(25 <= e.n_steps < 60 for e in ended)


def test_emitters_end_after_the_steps_they_are_given() -> None:
    made = serene(max_emitter_steps=4, chunk=600)
    emitters = _run_until(made, world, Purpose.EMITTER)
    steps = dict.fromkeys(emitters, 0)
    for _ in range(30):
        if made.searcher._exploit.is_over:
            break
        for e in made.searcher._exploit._busy:
            steps[e] += 1
        made.step()
    assert max(steps.values()) == 4
    there = made.searcher._exploit._emitters
    assert [e for e in emitters if steps[e] == 4 and e in there] == []


def test_candidates_wait_while_there_are_enough_emitters() -> None:
    made, most = serene(max_emitters=2, chunk=600), 0
    for _ in range(120):
        made.step()
        exploit = made.searcher._exploit
        bootstrapping = [e for e in exploit._busy if e not in exploit._emitters]
        most = max(most, len(exploit._emitters) + len(bootstrapping))
    assert most == 2
    assert made.searcher.report()["candidates"] > 0


def _run_until(made: Bench, evaluate: Any, purpose: Purpose) -> list[Any]:
    """Emitters at the moment when somebody is about to be evaluated for a purpose."""
    for _ in range(100):
        if made.searcher.ask().purpose[0] == purpose:
            return list(made.searcher._exploit._emitters)
        made.step(evaluate)
    raise AssertionError(f"nobody was evaluated for {purpose}")


def test_every_rewarded_explorer_is_archived_as_rewarding_once() -> None:
    made = serene()
    rewarded = [
        i
        for batch in made.run(13)
        for i, fitness in zip(batch.genomes.ids, batch.outcomes.fitness, strict=True)
        if fitness > 0
    ]
    assert made.archives["rewarding"].members().tolist() == rewarded


def test_emitters_archive_only_what_beats_all_they_archived_before() -> None:
    made = serene(concurrent_emitters=1)
    made.run(13)
    known = set(made.archives["rewarding"].members().tolist())
    batches = {i: b for b in made.run(40) for i in b.genomes.ids.tolist()}
    new = [i for i in made.archives["rewarding"].members().tolist() if i not in known]
    by_emitters = [i for i in new if batches[i].genomes.purpose[0] != Purpose.SEARCH]
    assert by_emitters
    fitness = [
        float(batches[i].outcomes.fitness[batches[i].genomes.ids == i][0]) for i in by_emitters
    ]
    assert min(fitness) > 0


def test_without_reward_it_is_novelty_search_with_two_archives() -> None:
    def barren(genomes: Any) -> Any:
        batch = world(genomes)
        batch.outcomes.fitness[:] = 0
        return batch

    made = serene()
    assert {Purpose(b.genomes.purpose[0]) for b in made.run(60, barren)} == {Purpose.SEARCH}
    assert len(made.archives["rewarding"]) == 0


def test_an_emitter_climbs_from_where_it_began() -> None:
    made = serene(chunk=1500)
    batches = made.run(400)
    stepping = [b for b in batches if b.genomes.purpose[0] == Purpose.EMITTER]
    first = float(np.mean([b.outcomes.fitness.mean() for b in stepping[:3]]))
    later = float(np.mean([b.outcomes.fitness.mean() for b in stepping[60:63]]))
    assert later > 1.5 * first


def test_the_rewarded_of_the_first_population_wait_for_its_offspring() -> None:
    """Their step size is a third of the way to the nearest of P u O, their own children."""
    made = serene()
    made.run(1)
    assert len(made.archives["rewarding"]) == 0
    made.run(1)
    assert len(made.archives["rewarding"]) > 0


def test_emitters_account_for_every_evaluation_they_spend() -> None:
    made = serene(chunk=300)
    batches = made.run(80)
    by_emitters = sum(len(b) for b in batches if b.genomes.purpose[0] != Purpose.SEARCH)
    assert sum(made.searcher.report()["spent"].values()) == by_emitters > 0


@dataclass
class Watched:
    """One step of one emitter, and what it was measured against."""

    emitter: Any
    purpose: Purpose
    pool: list[int]  # elders, then children
    most_novel: int
    buffer: list[int]
    points: dict[int, Any]  # of all of them
    reference: dict[int, Any]  # R, as it was when the chunk began
    population: list[int] = field(default_factory=list)  # after it
    collected: list[int] = field(default_factory=list)  # the buffer after it

    def novelty(self, x: int) -> float:
        """By hand: the mean distance to the three nearest others of R."""
        rest = np.array([p for i, p in self.reference.items() if i != x])
        return float(np.sort(np.linalg.norm(rest - self.points[x], axis=1))[:3].mean())

    def most(self, n: int) -> list[int]:
        """The n most novel of elders and children."""
        return sorted(sorted(self.pool, key=lambda x: -self.novelty(x))[:n])


def places(made: Bench, ids: Any) -> dict[int, Any]:
    """Descriptors by id."""
    if not len(ids):
        return {}
    points = made.records.descriptors(np.array(ids, np.int64)).astype(np.float64)
    return dict(zip(map(int, ids), points, strict=True))


def steps_of_emitters(made: Bench, generations: int) -> list[Watched]:
    """Everything that emitters do in so many generations, their founding left out."""
    watched, reference, exploit = [], {}, made.searcher._exploit
    for _ in range(generations):
        before = [(e, e.population.tolist(), e.most_novel, [*e.buffer]) for e in exploit._busy]
        known = places(made, [i for _, elders, most, _ in before for i in (*elders, most)])
        explored = exploit.is_over
        batch = made.step()
        if explored and not exploit.is_over:
            kept = [archive.members() for archive in made.archives.values()]
            ids = np.unique(np.concatenate([made.searcher._pool(), *kept]))
            reference = places(made, ids)
        new = batch.described.descriptors.astype(np.float64)
        born = batch.genomes.ids.reshape(max(len(before), 1), -1).tolist()
        known |= dict(zip(batch.genomes.ids.tolist(), new, strict=True))
        purpose = Purpose(batch.genomes.purpose[0])
        for row, (e, elders, most, buffer) in enumerate(before):
            if elders:
                step = Watched(e, purpose, elders + born[row], most, buffer, known, reference)
                step.population, step.collected = e.population.tolist(), [*e.buffer]
                watched.append(step)
    return watched


def test_novelty_emitters_keep_the_most_novel_of_elders_and_children() -> None:
    """Measured together in the R of this chunk, in bootstraps too."""
    steps = steps_of_emitters(serene(emitter="novelty", chunk=300), 120)
    assert {s.purpose for s in steps} == {Purpose.BOOTSTRAP, Purpose.EMITTER}
    for step in steps:
        assert sorted(step.population) == step.most(6)


def test_elders_of_a_novelty_emitter_outlive_its_first_step_after_the_bootstrap() -> None:
    steps = steps_of_emitters(serene(emitter="novelty", chunk=300), 120)
    first = {s.emitter: s for s in reversed(steps) if s.purpose == Purpose.EMITTER}
    assert len(first) > 1
    assert any(set(s.population) & set(s.pool[:6]) for s in first.values())


@pytest.mark.parametrize("keys", [{}, {"concurrent_emitters": 3}, {"emitter": "novelty"}])
def test_members_more_novel_than_the_most_novel_are_collected(keys: dict[str, Any]) -> None:
    """Elders too, and both measured in the R of this chunk, whenever the record was set."""
    steps = steps_of_emitters(serene(chunk=300, **keys), 400)
    by_elders = 0
    for s in [s for s in steps if s.purpose == Purpose.EMITTER]:
        more = {x for x in s.population if s.novelty(x) > s.novelty(s.most_novel)}
        assert set(s.collected) - set(s.buffer) == more - set(s.buffer)
        by_elders += len((more - set(s.buffer)) & set(s.pool[:6]))
    assert by_elders


def test_the_steps_of_a_bootstrap_do_not_count_towards_stagnation() -> None:
    """Flat rewards: through after more than W = 130 steps of exploitation."""

    def plateau(genomes: Any) -> Any:
        batch = world(genomes)
        batch.outcomes.fitness[:] = 0.3
        return batch

    made = serene(max_emitters=1)
    (emitter,) = _run_until(made, world, Purpose.EMITTER)
    n_steps = 0
    while emitter in made.searcher._exploit._emitters:
        n_steps += made.step(plateau).genomes.purpose[0] == Purpose.EMITTER
    assert n_steps == 131


def test_a_moved_space_measures_the_novelty_of_emitters_anew() -> None:
    made = serene(emitter="novelty", chunk=300)
    _run_until(made, world, Purpose.EMITTER)
    reference, members = (
        made.searcher._exploit._reference,
        made.searcher._exploit._busy[0].population,
    )
    before = reference.novelty(members)
    made.move()
    after = reference.novelty(members)
    archives = zip(("novelty", "rewarding"), reference.sizes, strict=True)
    kept = [made.archives[name].members()[:size] for name, size in archives]
    ids = np.unique(np.concatenate([made.searcher._pool(), *kept]))
    step = Watched(None, Purpose.EMITTER, [], -1, [], places(made, members), places(made, ids))
    np.testing.assert_allclose(after, [step.novelty(int(x)) for x in members], rtol=1e-12)
    assert (after != before).all()


def learning(*, seed: int = 0, first_id: int = 0, **keys: Any) -> Bench:
    """SERENE in a space that is learned: exploration is that of TAXONS."""

    def build(parameters: SereneParameters, setting: Any) -> Serene:
        lessons = Lessons(LessonParameters(chunk=parameters.chunk))
        return Serene(parameters, setting, survival("novelty", seed), lessons)

    return bench(
        build,
        SereneParameters(**{**SMALL, **keys}),
        "novelty",
        seed=seed,
        first_id=first_id,
    )


def test_a_learning_space_is_taught_after_exploring_chunks_alone() -> None:
    """Generations 1 to 13 explore, then bootstraps and steps; chunks of exploration 1, 3, 6."""
    made, lessons, explored, chunks = learning(), [], 0, []
    for _ in range(160):
        batch = made.step()
        lesson = made.searcher.lesson()
        if batch.genomes.purpose[0] == Purpose.SEARCH:
            explored += len(batch)
        if lesson is not None:
            assert batch.genomes.purpose[0] == Purpose.SEARCH
            assert set(made.archives["rewarding"].members()) <= set(lesson.tolist())
            lessons.append(explored)
            chunks.append(round(explored / 150))
    assert chunks[:3] == [1, 3, 6]


def test_who_exploits_is_chosen_in_the_space_that_was_just_learned() -> None:
    moved, late = learning(), learning()
    while moved.searcher.lesson() is None:
        moved.step()
        late.step()
    exploit = moved.searcher._exploit
    assert not exploit.is_over
    moved.move()
    waiting = [e.ancestor for e in [*exploit._busy, *exploit._candidates]]
    scores = exploit._novelty_in_rewarding([*exploit._busy, *exploit._candidates])
    assert len(waiting) > 2
    assert (np.diff(scores) <= 0).all()  # the most novel first, in the new space
    moved.records.sweep()
    moved.run(30)
    assert equal(moved.records.ids(), moved.held())


def test_goes_on_learning_from_a_commit() -> None:
    whole, cut = learning(), learning()
    whole.run(20)
    cut.run(20)
    fresh = learning()
    fresh.records.load(unstored(cut.records))
    for name, archive in cut.archives.items():
        fresh.archives[name].load(archive.members())
    fresh.searcher.restore(cut.searcher.state())
    for _ in range(60):
        whole.step()
        fresh.step()
        assert equal(whole.searcher.lesson(), fresh.searcher.lesson())
    assert equal(whole.searcher.state(), fresh.searcher.state())

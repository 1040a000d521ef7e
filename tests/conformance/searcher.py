"""What every searcher must do, on a world small enough to hold in the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from qdx.archives.cells import cvt, grid
from qdx.archives.dominated_novelty import DominatedNovelty
from qdx.archives.novelty import Novelty
from qdx.archives.parameters import (
    CvtParameters,
    DominatedNoveltyParameters,
    GridParameters,
    NoveltyParameters,
    SoftGridParameters,
)
from qdx.core.records import Records
from qdx.core.types import Described, Evaluations, Genomes, Purpose, Verdict, take
from qdx.encodings.direct import Direct
from qdx.encodings.noise import Philox
from qdx.encodings.seed_chain import SeedChain, dense
from qdx.searchers.setting import Setting
from tests.conformance.archive import squeezed
from tests.conformance.making import Shelf, equal, evaluations, ids_of, travelled, unstored

BOUNDS = ((0.0, 1.0), (0.0, 1.0))
N_GENES = 3


@dataclass(frozen=True)
class Body:
    """A policy whose parameters are three numbers."""

    n_genes: int = N_GENES

    def initial(self, normal: Any) -> Any:
        return normal


CHAINS = SeedChain(Body(), Philox())
World = Callable[[Genomes], Evaluations]
Build = Callable[..., "Bench"]  # (seed=0, first_id=0) → a bench


def world(genomes: Genomes, *, fails: Any = None) -> Evaluations:
    """A smooth world: the first two genes are the place, the third is the reward."""
    genes = genes_of(genomes)
    points = 0.5 + 0.5 * np.tanh(genes[:, :2])
    failed = [] if fails is None else np.flatnonzero(fails(genomes))
    made = evaluations(points, np.abs(genes[:, 2]).round(1), failed=failed)
    return Evaluations(genomes, made.outcomes, made.described)


def genes_of(genomes: Genomes) -> Any:
    """The genes, those of seed chains decoded."""
    return genomes.genes if genomes.seeds is None else dense(CHAINS, genomes)


def explored(batches: list[Evaluations]) -> Any:
    """The genes of all that were searched with, not evaluated again."""
    found = [take(b.genomes, b.genomes.purpose != Purpose.VALIDATION) for b in batches]
    return np.concatenate([genes_of(genomes) for genomes in found])


def fragile(genomes: Genomes) -> Evaluations:
    """The same world, but whoever has a large third gene fails: one in three at the start."""
    return world(genomes, fails=lambda g: genes_of(g)[:, 2] > 0.4)


def broken(genomes: Genomes) -> Evaluations:
    """Everybody fails."""
    return world(genomes, fails=lambda g: np.ones(len(g), bool))


@dataclass
class Bench:
    """The parts of a campaign that a searcher touches, without the campaign."""

    searcher: Any
    records: Records
    archives: Mapping[str, Any]
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def step(self, evaluate: World = world, *, moves: bool = False) -> Evaluations:
        """One generation, as `campaign/loop.py` writes it."""
        batch = evaluate(self.searcher.ask())
        self.records.add(batch)
        admitted = self.searcher.admit(batch)
        self.verdicts = {
            name: self.archives[name].add(self.records.evaluations(ids))
            for name, ids in admitted.items()
        }
        self.searcher.tell(batch, self.verdicts)
        if moves:
            self.move()
        self.records.sweep()
        return batch

    def run(self, generations: int, evaluate: World = world) -> list[Evaluations]:
        """Several generations."""
        return [self.step(evaluate) for _ in range(generations)]

    def move(self) -> None:
        """The space moves, as a campaign does it."""

        def describe(ids: Any) -> Described:
            return self.records.evaluations(ids).described

        self.records.redescribe(squeezed)
        for archive in self.archives.values():
            archive.redescribe(describe)
        self.searcher.redescribe(describe)

    def held(self) -> Any:
        """Ids that an archive or the searcher's state names, and the ancestors of chains."""
        named = [a.members() for a in self.archives.values()]
        named += [v for v in self.searcher.state().arrays.values() if v.dtype == np.int64]
        ids = np.unique(np.concatenate(named))
        return self.records.lineage(ids).ids if "seed" in unstored(self.records) else ids


def bench(
    searcher: Any, parameters: Any, archive: str, *, seed: int = 0, first_id: int = 0
) -> Bench:
    """A searcher with its one archive."""
    records = Records()
    archives: dict[str, Any] = {}
    if archive == "novelty":
        archives["novelty"] = Novelty(NoveltyParameters(), records, dimension=2, seed=seed)
        archives["rewarding"] = Novelty(NoveltyParameters(), records, dimension=2, seed=seed)
        archives["elites"] = Novelty(NoveltyParameters(), records, dimension=2, seed=seed)
        archives = {name: archives[name] for name in parameters.archives}
    elif archive == "soft_grid":
        soft = SoftGridParameters(6, learning_rate=0.1)
        archives["cells"] = grid(soft, records, bounds=BOUNDS, seed=seed)
        archives["elites"] = grid(GridParameters(6), records, bounds=BOUNDS, seed=seed)
    elif archive == "dominated_novelty":
        few = DominatedNoveltyParameters(capacity=20)
        archives["population"] = DominatedNovelty(few, records, seed=seed)
    elif archive == "grid":
        archives["cells"] = grid(GridParameters(6), records, bounds=BOUNDS, seed=seed)
    else:
        cells = CvtParameters(20, 200)
        archives["cells"] = cvt(cells, records, bounds=BOUNDS, seed=seed)
    setting = Setting(
        seed,
        Direct(N_GENES),
        records,
        archives,
        budget=10**6,
        first_id=first_id,
        chains=CHAINS,
    )
    return Bench(searcher(parameters, setting), records, archives)


class SearcherConformance:
    """Subclass in the searcher's own test module; say how it is built, and how for batches of 1."""

    smallest = 1  # 2 for evolution strategies, which need a parent and somebody to beat

    @pytest.fixture
    def build(self) -> Build:
        raise NotImplementedError

    @pytest.fixture
    def build_smallest(self) -> Build:
        raise NotImplementedError

    @pytest.fixture
    def begun(self, build: Build) -> Bench:
        """A bench after three generations."""
        made = build()
        made.run(3)
        return made

    def test_asks_the_same_until_it_is_told(self, begun: Bench) -> None:
        first = begun.searcher.ask()
        assert equal(begun.searcher.ask(), first)
        assert not equal(genes_of(begun.step().genomes), genes_of(begun.searcher.ask()))

    def test_asks_the_same_at_the_very_beginning(self, build: Build) -> None:
        made = build()
        assert equal(made.searcher.ask(), made.searcher.ask())

    def test_ids_are_given_out_in_order_and_once(self, build: Build) -> None:
        ids = np.concatenate([ids_of(batch) for batch in build().run(4)])
        assert equal(ids, np.arange(len(ids)))

    def test_an_island_has_ids_of_its_own(self, build: Build) -> None:
        ids = np.concatenate([ids_of(batch) for batch in build(first_id=3 << 40).run(3)])
        assert equal(ids, (3 << 40) + np.arange(len(ids)))

    def test_genes_are_within_bounds(self, begun: Bench) -> None:
        genes = explored(begun.run(3))
        assert genes.dtype == np.float32
        assert (np.abs(genes) <= 5).all()

    def test_parents_are_still_held(self, begun: Bench) -> None:
        parents = begun.searcher.ask().parents
        assert set(parents) - {-1} <= set(begun.records.ids())

    def test_the_same_seed_gives_the_same_bits(self, build: Build) -> None:
        one, other = build(seed=5), build(seed=5)
        assert equal(one.run(4), other.run(4))
        assert equal(one.searcher.ask(), other.searcher.ask())

    def test_another_seed_gives_other_bits(self, build: Build) -> None:
        one, other = build(seed=5).searcher.ask(), build(seed=6).searcher.ask()
        assert not (genes_of(one) == genes_of(other)).all(axis=1).any()

    def test_generations_do_not_repeat_each_other(self, begun: Bench) -> None:
        genes = explored(begun.run(3))
        assert len(np.unique(genes, axis=0)) == len(genes)

    def test_offers_ids_that_are_held_to_archives_it_has(self, begun: Bench) -> None:
        batch = world(begun.searcher.ask())
        begun.records.add(batch)
        admitted = begun.searcher.admit(batch)
        assert admitted.keys() <= begun.archives.keys()
        for ids in admitted.values():
            assert set(ids.tolist()) <= set(begun.records.ids().tolist())
            assert (np.diff(ids) > 0).all()

    def test_does_not_change_what_it_is_told(self, build: Build) -> None:
        made = build()
        asked = made.searcher.ask()
        genes, told = genes_of(asked).copy(), made.step()
        assert equal(genes_of(told.genomes), genes)
        assert equal(told, world(told.genomes))

    def test_goes_on_from_a_commit_as_if_nothing_had_been(self, build: Build) -> None:
        made, shelf = build(), Shelf()
        for g in range(4):
            made.step(fragile)
            if g != 2:
                shelf.commit(made.records, made.archives)
        again = revived(made, build(), shelf)
        assert equal(again.searcher.ask(), made.searcher.ask())
        assert equal(again.run(3, fragile), made.run(3, fragile))
        assert equal(again.verdicts, made.verdicts)
        assert equal(again.searcher.state(), made.searcher.state())
        assert equal(again.records.ids(), made.records.ids())

    def test_goes_on_from_a_commit_before_the_first_generation(self, build: Build) -> None:
        made, again = build(seed=3), build(seed=3)
        again.searcher.restore(travelled(made.searcher.state()))
        assert equal(again.run(2), made.run(2))

    def test_a_state_is_a_photograph(self, begun: Bench) -> None:
        photograph = begun.searcher.state()
        before = travelled(photograph)
        begun.run(2)
        assert equal(photograph, before)

    def test_failed_individuals_become_no_parents(self, build: Build) -> None:
        made = build()
        batches = made.run(5, fragile)
        failed = np.concatenate([ids_of(b)[b.outcomes.failed] for b in batches])
        parents = np.concatenate([b.genomes.parents for b in batches])
        assert len(failed)
        assert not set(failed) & set(parents)

    def test_failed_individuals_are_never_kept(self, build: Build) -> None:
        made = build()
        failed = np.concatenate([ids_of(b)[b.outcomes.failed] for b in made.run(5, fragile)])
        kept = np.concatenate([archive.members() for archive in made.archives.values()])
        assert len(kept)
        assert not set(failed) & set(kept)

    def test_goes_on_when_everybody_fails(self, begun: Bench) -> None:
        kept = {name: archive.members() for name, archive in begun.archives.items()}
        begun.step(broken)
        assert equal({n: a.members() for n, a in begun.archives.items()}, kept)
        assert len(begun.step()) > 0

    def test_goes_on_when_everybody_fails_from_the_start(self, build: Build) -> None:
        made = build()
        made.run(2, broken)
        assert all(len(archive) == 0 for archive in made.archives.values())
        made.run(3)
        assert all(len(archive) > 0 for archive in made.archives.values())

    def test_does_with_batches_of_one(self, build_smallest: Build) -> None:
        made = build_smallest()
        assert [len(batch) for batch in made.run(5)] == [self.smallest] * 5

    def test_does_with_batches_of_one_that_fail(self, build_smallest: Build) -> None:
        made = build_smallest()
        made.run(2, broken)
        assert [len(batch) for batch in made.run(3)] == [self.smallest] * 3

    def test_store_holds_population_and_members_and_nobody_else(self, build: Build) -> None:
        made = build()
        for _ in range(5):
            made.step(fragile)
            assert equal(made.records.ids(), made.held())

    def test_is_ready_to_learn_only_from_what_is_held(self, begun: Bench) -> None:
        lesson = begun.searcher.lesson()
        assert lesson is None or set(lesson) <= set(begun.records.ids())

    def test_a_moved_space_loses_nobody_it_holds(self, build: Build) -> None:
        made = build()
        made.run(2)
        made.step(moves=True)
        assert equal(made.records.ids(), made.held())
        made.step()
        assert equal(made.records.ids(), made.held())


def revived(dead: Bench, fresh: Bench, shelf: Shelf) -> Bench:
    """A fresh bench that goes on where the last commit of another one stood."""
    shelf.unpack(fresh.records, fresh.archives)
    for name, archive in fresh.archives.items():
        archive.restore(travelled(dead.archives[name].state()))
    fresh.searcher.restore(travelled(dead.searcher.state()))
    return fresh

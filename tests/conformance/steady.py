"""What every searcher must do that may be steady: shards come back in any order."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from qdx.core.types import Evaluations, Genomes
from qdx.searchers.steady import SteadySearcher
from tests.conformance.making import Shelf, equal, ids_of, travelled
from tests.conformance.searcher import (
    Bench,
    Build,
    World,
    broken,
    fragile,
    genes_of,
    revived,
    world,
)

SHARD = 5


def told(made: Bench, genomes: Genomes, evaluate: World = world) -> Evaluations:
    """One shard, as `campaign/steady.py` writes it."""
    batch = evaluate(genomes)
    made.records.add(batch)
    admitted = made.searcher.admit_some(batch)
    verdicts = {n: made.archives[n].add(made.records.evaluations(i)) for n, i in admitted.items()}
    made.searcher.tell_some(batch, verdicts)
    made.records.sweep()
    return batch


def flow(
    made: Bench, n: int, evaluate: World = world, *, ahead: int = 3, seed: int = 0
) -> list[Evaluations]:
    """So many shards, `ahead` of them under way at once, which come back in an order drawn."""
    rng, under_way, batches = np.random.default_rng(seed), deque[Genomes](), []
    while len(batches) < n:
        while len(under_way) < ahead and len(shard := made.searcher.ask_more(SHARD)):
            under_way.append(shard)
        under_way.rotate(int(rng.integers(len(under_way))))
        batches.append(told(made, under_way.popleft(), evaluate))
    while under_way:
        batches.append(told(made, under_way.popleft(), evaluate))
    return batches


class SteadyConformance:
    """Mixed into the conformance class of a searcher that may be steady."""

    def test_says_that_it_may_be_steady(self, build: Build) -> None:
        assert isinstance(build().searcher, SteadySearcher)

    def test_steady_ids_are_given_out_at_once_and_once(self, build: Build) -> None:
        made = build(first_id=3 << 40)
        shards = [shard for _ in range(3) if len(shard := made.searcher.ask_more(SHARD))]
        for shard in shards:
            told(made, shard)
        ids = np.concatenate([shard.ids for shard in shards] + [ids_of(b) for b in flow(made, 4)])
        assert equal(np.sort(ids), (3 << 40) + np.arange(len(ids)))

    def test_the_same_order_of_shards_gives_the_same_bits(self, build: Build) -> None:
        one, other = build(seed=5), build(seed=5)
        assert equal(flow(one, 12, fragile), flow(other, 12, fragile))
        assert equal(one.searcher.state(), other.searcher.state())

    def test_steady_genes_are_never_the_same_and_within_bounds(self, build: Build) -> None:
        genes = np.concatenate([genes_of(b.genomes) for b in flow(build(), 12)])
        assert len(np.unique(genes, axis=0)) == len(genes)
        assert (np.abs(genes) <= 5).all()

    def test_goes_on_from_a_commit_amid_shards_under_way(self, build: Build) -> None:
        made, shelf = build(), Shelf()
        flow(made, 8, fragile)
        under_way = [s for _ in range(3) if len(s := made.searcher.ask_more(SHARD))]
        shelf.commit(made.records, made.archives)
        again = revived(made, build(), shelf)
        for shard in reversed(under_way):
            assert equal(told(again, shard, fragile), told(made, shard, fragile))
        assert equal(flow(again, 6, fragile), flow(made, 6, fragile))
        assert equal(again.searcher.state(), made.searcher.state())

    def test_a_steady_state_is_a_photograph(self, build: Build) -> None:
        made = build()
        flow(made, 4)
        made.searcher.ask_more(SHARD)
        photograph: Any = made.searcher.state()
        before = travelled(photograph)
        flow(made, 4)
        assert equal(photograph, before)

    def test_shards_that_fail_are_not_kept_and_do_not_end_it(self, build: Build) -> None:
        made = build()
        flow(made, 4, broken)
        assert all(len(archive) == 0 for archive in made.archives.values())
        flow(made, 12)
        assert all(len(archive) > 0 for archive in made.archives.values())

    def test_it_always_asks_when_nothing_is_under_way(self, build: Build) -> None:
        made = build()
        for evaluate in (world, broken, fragile):
            assert all(len(batch) for batch in flow(made, 5, evaluate, ahead=1))

    def test_steady_store_holds_members_and_nobody_else(self, build: Build) -> None:
        made = build()
        flow(made, 15, fragile)
        assert equal(made.records.ids(), made.held())

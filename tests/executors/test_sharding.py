"""Batches to shards and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qdx.core.types import join
from qdx.executors.sharding import shards, unshard
from tests.conformance.executor import Echo
from tests.conformance.making import equal, genomes

sizes = st.integers(1, 30)
counts = st.integers(0, 70)


@given(n=counts, size=sizes)
def test_joined_shards_are_the_batch(n: int, size: int) -> None:
    assert equal(join(shards(genomes(n), size)), genomes(n))


@given(n=counts, size=sizes)
def test_outcomes_of_shards_are_the_outcomes_of_the_batch(n: int, size: int) -> None:
    rollout = Echo(poison=5)
    parts = [rollout(part) for part in shards(genomes(n), size)]
    assert equal(unshard(parts), rollout(genomes(n)))


@given(n=counts, size=sizes)
def test_all_shards_but_the_last_are_full(n: int, size: int) -> None:
    *full, last = map(len, shards(genomes(n), size))
    assert set(full) <= {size}
    assert last <= size
    assert last > 0 or n == 0


def test_an_empty_batch_is_one_empty_shard() -> None:
    assert [len(part) for part in shards(genomes(0), 5)] == [0]

"""Batches: rows taken and joined again."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.types import Described, Evaluations, Status, Verdict, join, take
from tests.conformance.making import cloud, equal

WHOLE = cloud(12, failed=[2, 5])
SURPRISED = replace(WHOLE.described, surprise=np.arange(12, dtype=np.float32), space=3)
VERDICT = Verdict(np.arange(12, dtype=np.int8) % 3, np.arange(12) / 7)
BATCHES = [WHOLE, WHOLE.genomes, WHOLE.outcomes, WHOLE.described, SURPRISED, VERDICT]
any_batch = pytest.mark.parametrize("batch", BATCHES, ids=lambda b: type(b).__name__)

cuts = st.sets(st.integers(0, 12)).map(sorted)
rows = st.lists(st.integers(0, 11), max_size=20)


@any_batch
@given(cuts=cuts)
def test_joined_parts_are_the_whole(batch: Evaluations, cuts: list[int]) -> None:
    parts = [take(batch, part) for part in np.split(np.arange(12), cuts)]
    assert equal(join(parts), batch)


@any_batch
@given(first=rows, second=rows)
def test_taking_twice_is_taking_once(
    batch: Evaluations, first: list[int], second: list[int]
) -> None:
    one, two = np.array(first, np.int64), np.array(second, np.int64)
    two = two[two < len(one)]
    assert equal(take(take(batch, one), two), take(batch, one[two]))


@any_batch
@given(mask=st.lists(st.booleans(), min_size=12, max_size=12))
def test_a_mask_takes_the_rows_it_marks(batch: Evaluations, mask: list[bool]) -> None:
    assert equal(take(batch, np.array(mask)), take(batch, np.flatnonzero(mask)))


@given(rows=rows)
def test_every_column_is_taken_at_the_same_rows(rows: list[int]) -> None:
    at = np.array(rows, np.int64)
    part = take(WHOLE, at)
    assert equal(part.genomes.genes, WHOLE.genomes.genes[at])
    assert equal(part.outcomes.observations["final"], WHOLE.outcomes.observations["final"][at])
    assert equal(part.outcomes.failed, WHOLE.outcomes.failed[at])
    assert equal(part.described.descriptors, WHOLE.described.descriptors[at])


@any_batch
def test_a_batch_is_as_long_as_its_rows(batch: Evaluations) -> None:
    assert len(take(batch, np.array([3, 3, 1]))) == 3


def test_spaces_are_never_mixed() -> None:
    later = replace(WHOLE.described, space=1)
    with pytest.raises(ValueError, match="disagree"):
        join([WHOLE.described, later])


def test_a_batch_cannot_be_changed_by_name() -> None:
    with pytest.raises(FrozenInstanceError):
        WHOLE.described.space = 4


def test_refused_is_the_only_false_status() -> None:
    assert [s for s in Status if not s] == [Status.REFUSED]


def test_surprise_stays_beside_its_descriptor() -> None:
    part: Described = take(SURPRISED, np.array([4, 2]))
    assert part.surprise is not None
    assert part.surprise.tolist() == [4, 2]
    assert part.space == 3

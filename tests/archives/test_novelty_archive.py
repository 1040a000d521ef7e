"""The novelty archive."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.archives.novelty import Novelty
from qdx.archives.parameters import NoveltyParameters
from qdx.core.records import Records
from qdx.core.types import Status, join, take
from tests.conformance.archive import ArchiveConformance, move, offer
from tests.conformance.making import cloud, evaluations


def novelty_archive(
    records: Records, *, seed: int = 0, neighbours: int = 15, method: Any = "auto"
) -> Novelty:
    parameters = NoveltyParameters(neighbours, method)
    return Novelty(parameters, records, dimension=2, seed=seed)


class TestNoveltyArchive(ArchiveConformance):
    @pytest.fixture(params=["auto", "tree"])
    def build(self, request: pytest.FixtureRequest) -> Any:
        return partial(novelty_archive, method=request.param)

    def test_keeps_everybody_in_a_moved_space(self, filled: Any, records: Records) -> None:
        before = filled.members()
        move(filled, records)
        np.testing.assert_array_equal(filled.members(), before)

    def test_members_are_in_the_order_they_came(self, filled: Any) -> None:
        assert (np.diff(filled.members()) > 0).all()


def test_every_row_that_did_not_fail_is_new() -> None:
    records = Records()
    same_place = evaluations(np.zeros((4, 2)), failed=[2])
    verdict = offer(novelty_archive(records), records, same_place)
    assert verdict.status.tolist() == [Status.NEW, Status.NEW, Status.REFUSED, Status.NEW]


def test_novelty_is_the_mean_distance_to_the_nearest_members() -> None:
    records = Records()
    archive = novelty_archive(records, neighbours=2)
    offer(archive, records, evaluations([(0, 0), (0.5, 0), (1, 0)]))
    verdict = offer(archive, records, evaluations([(0.25, 0), (0.9, 0)], failed=[1], first_id=3))
    assert verdict.novelty[0] == pytest.approx(0.25)
    assert np.isnan(verdict.novelty[1])


def test_the_first_members_are_infinitely_novel() -> None:
    records = Records()
    assert np.isposinf(offer(novelty_archive(records), records, cloud(3)).novelty).all()


def test_rows_of_one_batch_are_not_compared_with_each_other() -> None:
    records = Records()
    archive = novelty_archive(records, neighbours=1)
    offer(archive, records, evaluations([(0, 0)]))
    verdict = offer(archive, records, evaluations([(1, 0), (1, 0)], first_id=1))
    assert verdict.novelty.tolist() == [1, 1]


@given(cut=st.integers(0, 20), failed=st.sets(st.integers(0, 19)))
def test_members_do_not_depend_on_how_rows_are_batched(cut: int, failed: set[int]) -> None:
    whole = cloud(20, failed=sorted(failed))
    parts = [take(whole, np.arange(cut)), take(whole, np.arange(cut, 20))]
    records, others = Records(), Records()
    archive, other = novelty_archive(records), novelty_archive(others)
    offer(archive, records, join(parts))
    for part in parts:
        offer(other, others, part)
    np.testing.assert_array_equal(archive.members(), other.members())

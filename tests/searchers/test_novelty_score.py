"""Novelty of a pool, in numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qdx.archives.novelty import Novelty
from qdx.archives.parameters import NoveltyParameters
from qdx.core.records import Records
from qdx.searchers.novelty_score import pool_novelty
from tests.conformance.making import evaluations


@pytest.fixture
def records() -> Records:
    """Ids 0 to 4 on a line at 0, 1, 3, 7 and (failed) 8."""
    made = Records()
    made.add(evaluations([(0, 0), (1, 0), (3, 0), (7, 0), (8, 0)], failed=[4]))
    return made


def archive_of(records: Records, ids: list[int]) -> Novelty:
    archive = Novelty(NoveltyParameters(), records, dimension=2, seed=0)
    archive.add(records.evaluations(np.array(ids)))
    return archive


def scores(records: Records, pool: list[int], archives: Any = (), k: int = 2) -> list[float]:
    return pool_novelty(np.array(pool), records, list(archives), k)[0].tolist()


def test_it_is_the_mean_distance_to_the_nearest_of_the_pool(records: Records) -> None:
    assert scores(records, [0, 1, 2, 3]) == [2.0, 1.5, 2.5, 5.0]


def test_members_of_archives_count_as_others(records: Records) -> None:
    archives = [archive_of(records, [1]), archive_of(records, [2])]
    assert scores(records, [0, 3], archives) == [2.0, 5.0]


def test_whoever_is_in_pool_and_archive_counts_once(records: Records) -> None:
    archives = [archive_of(records, [0, 1, 2])] * 2
    assert scores(records, [0, 1, 2, 3], archives) == [2.0, 1.5, 2.5, 5.0]


def test_with_fewer_than_k_others_all_of_them_count(records: Records) -> None:
    assert scores(records, [0, 1, 2], k=15) == [2.0, 1.5, 2.5]


def test_the_failed_are_least_novel_and_nobodys_neighbours(records: Records) -> None:
    assert scores(records, [4, 3, 2], k=1) == [-np.inf, 4.0, 4.0]


def test_whoever_is_alone_is_infinitely_novel(records: Records) -> None:
    assert scores(records, [0, 4]) == [np.inf, -np.inf]


def test_it_does_not_depend_on_the_order_of_the_pool(records: Records) -> None:
    assert scores(records, [3, 1, 0, 2]) == [5.0, 1.5, 2.0, 2.5]

"""A commit costs what is new: counted in bytes, not in seconds."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from qdx.storage import Delta, RunDirectory, compaction

NO_IDS = np.zeros(0, np.int64)


def rows(first: int, count: int) -> Delta:
    ids = np.arange(first, first + count)
    genes = np.repeat(ids[:, None], 16, axis=1).astype(np.float32)
    return Delta({"id": ids, "genes": genes}, NO_IDS)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every write."""
    sizes: list[int] = []
    real = os.pwrite

    def counting(fd: int, data: Any, offset: int) -> int:
        sizes.append(len(data))
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", counting)
    return sizes


def test_a_commit_does_not_cost_more_on_a_large_table(
    run: RunDirectory, written: list[int]
) -> None:
    costs = []
    for first, count in [(0, 10), (10, 100_000)]:
        run.commit({}, {"t": rows(first, count)}, {})
        written.clear()
        run.commit({}, {"t": rows(first + 200_000, 10)}, {})
        costs.append(sum(written))
    small, large = costs
    assert large < small + 1000


def test_merging_costs_each_row_a_rewrite_a_level(run: RunDirectory, written: list[int]) -> None:
    n_commits, n_rows = 8**3, 20
    for n in range(n_commits):
        run.commit({}, {"t": rows(n * n_rows, n_rows)}, {})
    tables = sum(size for size in written if size > 20 * 72)
    payload = n_commits * n_rows * (8 + 16 * 4)
    manifests_and_headers = n_commits * 8000
    assert tables < 4 * payload + manifests_and_headers


@pytest.mark.parametrize("n_commits", [1, 7, 8, 63, 64, 1000, 4096])
def test_levels_count_like_digits(n_commits: int) -> None:
    levels: list[int] = []
    for _ in range(n_commits):
        swallowed, level = compaction.plan(levels)
        levels = [*levels[: len(levels) - swallowed], level]
    digits = [int(digit) for digit in np.base_repr(n_commits, 8)]
    expected = [
        n
        for n, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True)
        for _ in range(digit)
    ]
    assert levels == expected
    assert len(levels) <= 64

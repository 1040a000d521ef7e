"""Streams: however a path is cut, its signature has the bits of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import ndarray as Array

import qdx
from qdx.core.errors import ConfigError, ShapeError
from qdx.signatures.stream import Stream

PATHS = np.random.default_rng(0).normal(size=(5, 30, 2)).cumsum(axis=1)


def whole(paths: Array, **options: Any) -> bytes:
    found: Array = qdx.signature(paths, 3, time=False, backend="torch", **options)
    return found.tobytes()


@given(cuts=st.sets(st.integers(1, 29)), log=st.booleans())
def test_any_cuts_give_the_bits_of_the_whole(cuts: set[int], log: bool) -> None:
    stream = Stream(5, channels=2, depth=3)
    for points in np.split(PATHS, sorted(cuts), axis=1):
        stream.extend(points)
    assert stream.signature(log=log).tobytes() == whole(PATHS, log=log)


@given(st.lists(st.integers(1, 10), min_size=15, max_size=15))
def test_ragged_pieces_are_the_paths_without_the_dead_samples(lengths: list[int]) -> None:
    stream, alive = Stream(5, channels=2, depth=3), np.array(lengths).reshape(3, 5)
    for piece, n in zip(np.split(PATHS, 3, axis=1), alive, strict=True):
        stream.extend(piece, lengths=n)
    for row in range(5):
        pieces = [PATHS[row, 10 * i : 10 * i + alive[i, row]] for i in range(3)]
        assert stream.signature()[row].tobytes() == whole(np.concatenate(pieces)[None])


@pytest.mark.parametrize("rows", [[3], [0, 4], np.array([True, False, True, True, False])])
def test_restarted_paths_forget_and_others_do_not(rows: Any) -> None:
    stream, restarted = Stream(5, channels=2, depth=3), np.zeros(5, bool)
    restarted[rows] = True
    stream.extend(PATHS[:, :11])
    stream.restart(rows)
    stream.extend(PATHS[:, 11:])
    later, all_ = whole(PATHS[restarted, 11:]), whole(PATHS[~restarted])
    assert stream.signature()[restarted].tobytes() == later
    assert stream.signature()[~restarted].tobytes() == all_


def test_depth_one_is_the_way_from_start_to_end() -> None:
    stream = Stream(5, channels=2, depth=1)
    stream.extend(PATHS[:, :7])
    stream.extend(PATHS[:, 7:])
    np.testing.assert_allclose(stream.signature(), PATHS[:, -1] - PATHS[:, 0], atol=1e-13)


def test_what_was_given_out_stays_as_it_was() -> None:
    stream = Stream(5, channels=2, depth=3)
    stream.extend(PATHS[:, :9])
    early = stream.signature()
    kept = early.copy()
    stream.extend(PATHS[:, 9:])
    assert early.tobytes() == kept.tobytes()


def test_other_paths_are_refused() -> None:
    stream = Stream(5, channels=2, depth=3)
    with pytest.raises(ShapeError, match=r"points: expected \(5, S, 2\), got \(4, 30, 2\)"):
        stream.extend(PATHS[:4])
    with pytest.raises(ConfigError, match="depth: expected an integer ≥ 1, got 0"):
        Stream(5, channels=2, depth=0)

"""Neighbours against an oracle that measures every pair and sorts by distance, then id."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdx.archives import neighbours
from qdx.archives.neighbours import Neighbours, novelty
from qdx.archives.pools import among, merge

METHODS = ["tree", "brute", "torch"]
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


def oracle(ids, points, queries, k, exclude=None):
    """Every distance in float64, every row sorted by (distance, id), one query at a time."""
    shown = min(k, len(ids))
    distances = np.full((len(queries), shown), np.inf)
    names = np.full((len(queries), shown), -1)
    for row, query in enumerate(queries.astype(np.float64)):
        squared = np.zeros(len(ids))
        for axis in range(points.shape[1]):
            squared += (query[axis] - points[:, axis].astype(np.float64)) ** 2
        allowed = (
            np.flatnonzero(ids != exclude[row]) if exclude is not None else np.arange(len(ids))
        )
        gaps = np.sqrt(squared[allowed])
        best = np.lexsort((ids[allowed], gaps))[:shown]
        distances[row, : len(best)] = gaps[best]
        names[row, : len(best)] = ids[allowed][best]
    return distances, names


def equal(got, expected):
    np.testing.assert_array_equal(got[1], expected[1])
    np.testing.assert_array_equal(got[0], expected[0])
    assert got[0].dtype == np.float64
    assert got[1].dtype == np.int64


def cloud(rng, n, dimension, kind):
    """Points as archives hold them: spread, on a grid, coinciding, far from 0, nearly tied."""
    if kind == "grid":
        points = rng.integers(-2, 3, (n, dimension))
    elif kind == "still":
        points = rng.random((n, dimension)) * (rng.random((n, 1)) < 0.2)
    elif kind == "far":
        points = 1e6 + rng.integers(0, 4, (n, dimension)) / 16
    elif kind == "close":
        points = np.nextafter(np.float32(1), np.float32(2)) ** rng.integers(0, 4, (n, dimension))
    elif kind == "scales":
        points = rng.normal(size=(n, dimension)) * 10.0 ** rng.integers(-20, 18, (n, 1))
    else:
        points = rng.random((n, dimension))
    return points.astype(np.float32)


@st.composite
def cases(draw, min_size=0):
    """Ids in any order, points, queries half of which are stored points, k."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["spread", "grid", "still", "far", "close", "scales"]))
    dimension = draw(st.sampled_from([1, 2, 3, 7]))
    n = draw(st.one_of(st.integers(min_size, 12), st.integers(200, 700)))
    points = cloud(rng, n, dimension, kind)
    queries = cloud(rng, draw(st.sampled_from([0, 1, 2, 9])), dimension, kind)
    if n:
        at = np.arange(0, len(queries), 2)
        queries[at] = points[rng.integers(0, n, len(at))]
    return rng.permutation(3 * n)[:n], points, queries, draw(st.sampled_from([1, 2, 3, 15, 40]))


def filled(method, ids, points):
    index = Neighbours(points.shape[1], method=method)
    index.add(ids, points)
    return index


@pytest.mark.parametrize("method", [*METHODS, "auto"])
@given(case=cases())
@EXAMPLES
def test_each_method_gives_the_bits_of_the_oracle(method, case):
    ids, points, queries, k = case
    equal(filled(method, ids, points).query(queries, k), oracle(ids, points, queries, k))


@pytest.mark.parametrize("method", METHODS)
@given(case=cases(min_size=1), data=st.data())
@EXAMPLES
def test_the_excluded_id_is_no_neighbour(method, case, data):
    ids, points, _, k = case
    rows = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=6)), np.int64)
    exclude = ids[rows]
    exclude[::3] = -1
    got = filled(method, ids, points).query(points[rows], k, exclude=exclude)
    equal(got, oracle(ids, points, points[rows], k, exclude))


@pytest.mark.parametrize("method", METHODS)
@given(case=cases(min_size=2), seed=st.integers(0, 2**32))
@EXAMPLES
def test_a_history_of_adds_and_removals_leaves_no_trace(method, case, seed):
    ids, points, queries, k = case
    rng = np.random.default_rng(seed)
    index, present = Neighbours(points.shape[1], method=method), np.zeros(len(ids), np.bool_)
    for _ in range(6):
        absent = rng.permutation(np.flatnonzero(~present))
        entering = absent[: len(absent) // 2 + 1]
        index.add(ids[entering], points[entering])
        present[entering] = True
        leaving = np.flatnonzero(present & (rng.random(len(ids)) < rng.choice([0.0, 0.1, 0.6])))
        equal(index.query(queries, k), oracle(ids[present], points[present], queries, k))
        index.remove(ids[leaving])
        present[leaving] = False
        assert len(index) == present.sum()
        equal(index.query(queries, k), oracle(ids[present], points[present], queries, k))


@pytest.mark.parametrize("method", METHODS)
def test_the_tree_and_its_tail_agree_with_the_oracle_while_both_grow(method):
    rng = np.random.default_rng(3)
    points = np.concatenate([cloud(rng, 1500, 2, "spread"), cloud(rng, 1500, 2, "grid")])
    points, ids = points[rng.permutation(3000)], rng.permutation(3000)
    index = Neighbours(2, method=method)
    for start in range(0, 3000, 250):
        index.add(ids[start : start + 250], points[start : start + 250])
        queries = points[rng.integers(0, 3000, 12)]
        stored = slice(0, start + 250)
        equal(index.query(queries, 15), oracle(ids[stored], points[stored], queries, 15))


@given(case=cases(min_size=1), seed=st.integers(0, 2**32))
@EXAMPLES
def test_neither_order_nor_batch_changes_a_row(case, seed):
    ids, points, queries, k = case
    rng = np.random.default_rng(seed)
    expected = filled("auto", ids, points).query(queries, k)
    order, shuffle = rng.permutation(len(ids)), rng.permutation(len(queries))
    index = Neighbours(points.shape[1], method=str(rng.choice(METHODS)))
    for row in order[:50]:
        index.add(ids[row : row + 1], points[row : row + 1])
    index.add(ids[order[50:]], points[order[50:]])
    equal(index.query(queries[shuffle], k), (expected[0][shuffle], expected[1][shuffle]))
    for row in range(len(queries)):
        alone = index.query(queries[row : row + 1], k)
        equal(alone, (expected[0][row : row + 1], expected[1][row : row + 1]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [2100, 5000])
def test_large_sets_agree_in_many_dimensions(method, n):
    rng = np.random.default_rng(n)
    points, ids = rng.normal(size=(n, 12)).astype(np.float32), rng.permutation(n)
    points[n // 2 :] = points[rng.integers(0, n // 2, n - n // 2)]
    queries = points[rng.integers(0, n, 400)]
    got = filled(method, ids, points).query(queries, 15)
    rows = slice(380, 400)
    equal((got[0][rows], got[1][rows]), oracle(ids, points, queries[rows], 15))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("still", [0, 1, 299])
def test_frames_before_one_background_agree_a_few_pairs_at_a_time(monkeypatch, method, still):
    """Their distances are counts of pixels, so that nearly all tie."""
    monkeypatch.setattr("qdx.archives.neighbours_places.ROOM", 5000)
    rng = np.random.default_rng(still)
    points = np.repeat(rng.random((1, 300)), 90, axis=0).astype(np.float32)
    points[:, still:] = rng.random((90, 300 - still)) < 0.02
    ids = rng.permutation(60)
    got = filled(method, ids, points[:60]).query(points[60:], 15)
    equal(got, oracle(ids, points[:60], points[60:], 15))


def test_a_crowd_at_one_point_costs_no_more_than_one_point():
    points = np.zeros((20_000, 2), np.float32)
    points[:100] = np.random.default_rng(0).random((100, 2))
    index = filled("auto", np.arange(20_000)[::-1].copy(), points)
    distances, ids = index.query(points[-300:], 15)
    assert index._places.n == 101
    assert (distances == 0).all()
    np.testing.assert_array_equal(ids, np.tile(np.arange(15), (300, 1)))


def test_signed_zeros_coincide():
    index = filled("auto", np.array([5, 3]), np.array([[0.0, -0.0], [-0.0, 0.0]], np.float32))
    assert index._places.n == 1
    np.testing.assert_array_equal(index.query(np.zeros((1, 2), np.float32), 2)[1], [[3, 5]])


@pytest.mark.parametrize("method", METHODS)
def test_replace_moves_to_another_space(method):
    rng = np.random.default_rng(1)
    index = filled(method, np.arange(50), cloud(rng, 50, 2, "spread"))
    index.query(cloud(rng, 3, 2, "spread"), 4)
    ids, points, queries = np.arange(30, 60), cloud(rng, 30, 5, "grid"), cloud(rng, 4, 5, "grid")
    index.replace(ids, points)
    equal(index.query(queries, 7), oracle(ids, points, queries, 7))


@pytest.mark.parametrize("method", METHODS)
def test_empty_sets_and_empty_batches_have_their_shapes(method):
    index = Neighbours(2, method=method)
    two, none = np.zeros((2, 2), np.float32), np.zeros((0, 2), np.float32)
    assert [table.shape for table in index.query(two, 3)] == [(2, 0), (2, 0)]
    index.add(np.zeros(0, np.int64), none)
    index.add(np.array([7]), two[:1])
    assert [table.shape for table in index.query(none, 3)] == [(0, 1), (0, 1)]
    distances, ids = index.query(two[:1], 3, exclude=np.array([7]))
    assert (distances.tolist(), ids.tolist()) == ([[np.inf]], [[-1]])
    index.remove(np.array([7]))
    assert index.query(two, 3)[0].shape == (2, 0)
    assert len(index) == 0


@given(case=cases())
@EXAMPLES
def test_a_population_is_scored_among_itself(case):
    ids, points, _, k = case
    ids, points = ids[:300], points[:300]
    equal(among(ids, points, k), oracle(ids, points, points, k, exclude=ids))


@given(case=cases(min_size=1), seed=st.integers(0, 2**32))
@EXAMPLES
def test_merged_lists_are_the_list_of_the_union(case, seed):
    ids, points, queries, k = case
    rng = np.random.default_rng(seed)
    here, there = rng.random(len(ids)) < 0.7, rng.random(len(ids)) < 0.7
    first, second = (oracle(ids[part], points[part], queries, k) for part in (here, there))
    expected = oracle(ids[here | there], points[here | there], queries, k)
    got = merge(first, second, k)
    width = expected[0].shape[1]
    equal((got[0][:, :width], got[1][:, :width]), expected)
    assert np.isinf(got[0][:, width:]).all()
    assert (got[1][:, width:] == -1).all()
    equal(merge(second, first, k), got)


def test_merge_leaves_its_arguments_alone():
    pair = (np.array([[1.0, np.inf]]), np.array([[4, -1]]))
    got = merge(pair, pair, 3)
    assert (got[0].tolist(), got[1].tolist()) == ([[1.0, np.inf, np.inf]], [[4, -1, -1]])
    assert pair[1].tolist() == [[4, -1]]


def test_novelty_is_the_mean_of_the_neighbours_found():
    distances = np.array([[1.0, 2.0, 6.0], [1.0, 2.0, np.inf], [np.inf, np.inf, np.inf]])
    np.testing.assert_array_equal(novelty(distances), [3.0, 1.5, np.inf])
    np.testing.assert_array_equal(novelty(np.zeros((2, 0))), [np.inf, np.inf])
    wide = np.random.default_rng(0).random((40, 15))
    np.testing.assert_array_equal(novelty(wide), novelty(np.asfortranarray(wide)))


def test_removing_an_unknown_id_says_which_and_removes_none():
    index = filled("auto", np.arange(3), np.zeros((3, 2), np.float32))
    with pytest.raises(KeyError, match=r"stored ids, each once, got \[9\]"):
        index.remove(np.array([1, 9]))
    with pytest.raises(KeyError, match=r"got \[1\]"):
        index.remove(np.array([1, 1]))
    assert len(index) == 3


@pytest.mark.parametrize(
    ("ids", "points", "message"),
    [
        ([1], [[0.0, 0.0]], r"new ids ≥ 0, each once, got \[1\]"),
        ([8, 8], [[0.0, 0.0]] * 2, r"got \[8\]"),
        ([-1], [[0.0, 0.0]], r"got \[-1\]"),
        ([8], [[np.nan, 0.0]], "finite"),
        ([8], [[0.0, 0.0, 0.0]], r"expected \(N, 2\)"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_nothing_is_added(ids, points, message):
    index = filled("auto", np.arange(3), np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=message):
        index.add(np.array(ids), np.array(points, np.float32))
    assert len(index) == 3


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match="k: expected"):
        Neighbours(2).query(np.zeros((1, 2), np.float32), 0)
    with pytest.raises(ValueError, match="dimension: expected"):
        Neighbours(0)
    with pytest.raises(ValueError, match="method: expected"):
        Neighbours(2, method="faiss")


def test_the_index_does_not_import_torch_unless_asked():
    code = (
        f"import sys, {neighbours.__name__} as n; n.Neighbours(2); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

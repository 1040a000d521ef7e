"""Non-dominated sorting and crowding against brute force."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qdx.searchers.pareto import best, crowding, fronts


def points_of(values):
    """Points with one to three objectives; from few values, so that many are duplicates."""
    return st.tuples(st.integers(1, 24), st.integers(1, 3)).flatmap(
        lambda shape: arrays.arrays(np.float64, shape, elements=st.sampled_from(values))
    )


POINTS = points_of([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
WITH_LOST = points_of([0.0, 1.0, 2.0, -np.inf])


def dominates(a, b):
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(
        x > y for x, y in zip(a, b, strict=True)
    )


def ranks_by_peeling(points):
    """Take away what nobody dominates, again and again."""
    left, ranks, rank = set(range(len(points))), {}, 0
    while left:
        front = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        ranks |= dict.fromkeys(front, rank)
        left -= front
        rank += 1
    return [ranks[i] for i in range(len(points))]


@given(POINTS | WITH_LOST)
def test_fronts_are_those_of_peeling(points):
    assert fronts(points).tolist() == ranks_by_peeling(points)


@given(POINTS, st.randoms(use_true_random=False))
def test_fronts_do_not_depend_on_the_order_of_points(points, random):
    order = np.array(random.sample(range(len(points)), len(points)))
    np.testing.assert_array_equal(fronts(points[order]), fronts(points)[order])


def crowding_by_hand(points):
    """The definition: per objective, the gap between the neighbours in that order."""
    total = [0.0] * len(points)
    for k in range(points.shape[1]):
        order = sorted(range(len(points)), key=lambda i: points[i, k])
        span = points[order[-1], k] - points[order[0], k]
        if span == 0:
            continue
        total[order[0]] = total[order[-1]] = np.inf
        for before, here, after in zip(order, order[1:], order[2:], strict=False):
            total[here] += (points[after, k] - points[before, k]) / span
    return total


@given(POINTS)
def test_crowding_is_its_definition(points):
    np.testing.assert_allclose(crowding(points), crowding_by_hand(points))


def test_crowding_indexes_the_front_and_not_its_sorted_copy():
    points = np.array([[2.0, 2.0], [0.0, 4.0], [4.0, 0.0], [1.0, 3.0]])
    np.testing.assert_allclose(crowding(points), [1.5, np.inf, np.inf, 1.0])


@given(POINTS, st.data())
def test_survivors_are_whole_fronts_and_the_least_crowded_of_the_last(points, data):
    n = data.draw(st.integers(1, len(points)))
    ranks, chosen = fronts(points), best(points, n)
    assert len(set(chosen.tolist())) == n
    last = ranks[chosen].max()
    assert set(np.flatnonzero(ranks < last)) <= set(chosen.tolist())
    front = np.flatnonzero(ranks == last)
    kept = np.isin(front, chosen)
    distances = crowding(points[front])
    if kept.any() and not kept.all():
        assert distances[kept].min() >= distances[~kept].max()


def survivors_by_hand(points, n):
    """Fronts of the rows without -inf, then of the others; the cut one by crowding, then by row."""
    lost = [i for i, p in enumerate(points) if -np.inf in p]
    whole = [i for i in range(len(points)) if i not in lost]
    chosen = []
    for rows in (whole, lost):
        ranks = ranks_by_peeling(points[rows])
        for rank in range(max(ranks, default=-1) + 1):
            front = [i for i, r in zip(rows, ranks, strict=True) if r == rank]
            if rows is whole and len(chosen) + len(front) > n:
                crowded = dict(zip(front, crowding_by_hand(points[front]), strict=True))
                front.sort(key=lambda i, crowded=crowded: (-round(crowded[i], 9), i))
            chosen += front[: n - len(chosen)]
    return sorted(chosen)


@given(POINTS | WITH_LOST, st.data())
def test_survivors_are_those_of_the_definition(points, data):
    n = data.draw(st.integers(0, len(points)))
    assert best(points, n).tolist() == survivors_by_hand(points, n)


def test_lost_rows_survive_last_even_where_nobody_dominates_them():
    points = np.array([[-np.inf, 9.0], [1.0, 2.0], [0.0, 0.0], [2.0, 1.0]])
    assert best(points, 3).tolist() == [1, 2, 3]
    assert best(points, 4).tolist() == [0, 1, 2, 3]


def test_an_infinite_novelty_is_an_extreme_like_others():
    points = np.array([[np.inf, 0.0], [3.0, 1.0], [2.9, 1.1], [1.0, 3.0]])
    assert best(points, 2).tolist() == [0, 3]


def test_failed_rows_survive_last():
    points = np.array([[-np.inf, -np.inf], [1.0, 2.0], [-np.inf, -np.inf], [2.0, 1.0]])
    assert best(points, 2).tolist() == [1, 3]

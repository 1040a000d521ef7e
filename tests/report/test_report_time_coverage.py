"""Time coverage of stored runs, against replays one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qdx.assembly.replay import at_moments, replay
from qdx.assembly.stored import StoredRun
from qdx.report.time_coverage import columns, measure, picture, records, time_coverage

Runs = Callable[..., StoredRun]


def test_moments_are_those_of_single_replays(runs: Runs) -> None:
    run = runs(task="redundant_arm")
    ids = run.archive_ids()[:3]
    moments = at_moments(run, ids, 20)
    for row, id_ in enumerate(ids):
        path = replay(run, int(id_)).path  # ends where the episode ends
        steps = 100 * np.arange(1, 21) // 20
        assert (moments[row] == path[np.minimum(steps, len(path) - 1)]).all()


def test_the_last_moment_is_the_coverage_of_the_archive(runs: Runs) -> None:
    for run in (runs(), runs(searcher="map_elites")):
        shares = time_coverage(run, 10)
        assert shares[-1] == pytest.approx(run.summary()["coverage_archive"])


def test_an_earlier_archive_is_the_part_made_until_then(runs: Runs) -> None:
    run = runs()
    cells = [set[int]() for _ in range(4)]
    ids = run.archive_ids()
    early = ids[ids < 300]
    for point in at_moments(run, early, 4):
        for t, (x, y) in enumerate(point):
            cells[t].add(int(min(x * 50, 49)) * 50 + int(min(y * 50, 49)))
    expected = [len(c) / 2500 for c in cells]
    assert time_coverage(run, 4, until=300) == pytest.approx(expected)
    assert (time_coverage(run, 4, until=300) < time_coverage(run, 4)).any()


def test_before_anybody_was_made_nothing_is_covered(runs: Runs) -> None:
    assert time_coverage(runs(), 5, until=0).tolist() == [0.0] * 5


def test_episodes_shorter_than_the_moments_are_seen_at_every_step(runs: Runs) -> None:
    (measured,) = measure([runs(task="point")], 500)
    assert measured.moments.tolist() == [t / 50 for t in range(1, 51)]
    assert measured.coverage.shape == (1, 50)


def test_tables_average_over_the_episode_and_over_its_first_half(runs: Runs) -> None:
    some = [runs(), runs(seed=2)]
    measured = measure(some, 4)
    each = np.array([time_coverage(run, 4) for run in some])
    row = columns(measured).iloc[0]
    assert row["time coverage"] == pytest.approx(each.mean())
    assert row["time coverage std"] == pytest.approx(each.mean(axis=1).std(ddof=1))
    assert row["first half"] == pytest.approx(each[:, :2].mean())
    (kept,) = records(measured)
    assert kept["coverage"]["2"] == pytest.approx(each[1].tolist())


def test_the_picture_has_a_panel_per_task_and_a_line_per_group(runs: Runs) -> None:
    some = [runs(), runs(seed=2), runs(searcher="map_elites"), runs(task="point")]
    made = picture(measure(some, 4))
    maze, point = made.axes
    curves = [line for line in maze.lines if line.get_gid() != "ceiling"]
    assert len(curves) == 2
    assert curves[0].get_ydata() == pytest.approx(
        np.mean([time_coverage(run, 4) for run in some[:2]], axis=0)
    )
    assert len(maze.collections) == 1  # the band of the two seeds
    assert len([line for line in point.lines if line.get_gid() != "ceiling"]) == 1

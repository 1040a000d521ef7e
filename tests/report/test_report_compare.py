from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qdx.assembly.stored import StoredRun
from qdx.core.errors import ConfigError
from qdx.report.compare import curves, groups, readable, records, spread, table
from qdx.report.picture import save

Runs = Callable[..., StoredRun]


def labels(*configs: dict[str, object], runs: Runs) -> list[tuple[str, int]]:
    return [(g.label, len(g.runs)) for g in groups([runs(**c) for c in configs])]


def test_seeds_of_a_searcher_are_one_group(runs: Runs) -> None:
    assert labels({}, {"seed": 2}, {"searcher": "map_elites"}, runs=runs) == [
        ("novelty_search", 2),
        ("map_elites", 1),
    ]


def test_different_names_of_one_searcher_are_different_groups(runs: Runs) -> None:
    named = [{"name": "a"}, {"name": "b"}, {"name": "b", "seed": 2}]
    assert labels(*named, runs=runs) == [("a", 1), ("b", 2)]


def test_a_name_that_two_searchers_share_says_whose_it_is(runs: Runs) -> None:
    ns = [{"name": "a"}, {"name": "b"}]
    me = [{"name": n, "searcher": "map_elites"} for n in "ac"]
    found = [label for label, _ in labels(*ns, *me, runs=runs)]
    assert found == ["a", "b", "a (map_elites)", "c"]


def test_runs_that_differ_in_more_than_their_seed_are_never_averaged(runs: Runs) -> None:
    wide = {"searcher": {"kind": "novelty_search", "sigma": 0.2}}
    assert labels({}, wide, {"budget": 500}, runs=runs) == [
        ("novelty_search, sigma 0.05", 2),
        ("novelty_search, sigma 0.2", 1),
    ]


def test_the_mean_curve_is_the_mean_of_the_journals_by_steps(runs: Runs) -> None:
    some = [runs(), runs(seed=2)]
    s = spread(groups(some)[0])
    by_hand = []
    for run in some:
        rows = [(line["evaluations"], line["metrics"]["coverage"]) for line in run.snapshot.journal]
        by_hand.append([max([c for e, c in rows if e <= x], default=0.0) for x in s.x])
    assert len(s.x) == 1000
    assert s.mean[:, 0] == pytest.approx(np.mean(by_hand, axis=0))
    assert (s.low[:, 0] == np.min(by_hand, axis=0)).all()
    assert (s.high[:, 0] == np.max(by_hand, axis=0)).all()


def test_curves_end_with_the_shortest_run(runs: Runs) -> None:
    s = spread(groups([runs(), runs(seed=2, budget=1000)])[0])
    assert s.x[-1] == 500


def test_the_drawn_line_is_the_mean_and_ends_right(runs: Runs) -> None:
    some = [runs(), runs(seed=2)]
    s, axes = spread(groups(some)[0]), curves(some).axes[0]
    x, y = (np.asarray(v) for v in axes.lines[0].get_data())
    assert (x[0], x[-1]) == (0, s.x[-1])
    read = y[np.searchsorted(x, s.x, side="right") - 1]
    assert read == pytest.approx(s.mean[:, 0])


def test_the_table_holds_means_and_sample_deviations(runs: Runs) -> None:
    some = [runs(), runs(seed=2)]
    (row,) = records(table(some))
    coverage = [run.summary()["coverage"] for run in some]
    assert row["coverage"] == pytest.approx(np.mean(coverage))
    assert row["coverage std"] == pytest.approx(abs(coverage[0] - coverage[1]) / 2**0.5)
    assert row["of ceiling"] == pytest.approx(row["coverage"] / 0.848, rel=1e-3)
    assert (row["seeds"], row["evaluations"]) == (2, 500)


def test_tasks_stand_side_by_side(runs: Runs) -> None:
    some = [runs(), runs(task="point", searcher="map_elites", budget=2000)]
    rows = table(some)
    assert rows["best box 0"].isna().tolist() == [True, False]
    assert "nan" not in readable(rows).to_string().lower()
    assert "NaN" not in json.dumps(records(rows))
    titles = [a.get_title(loc="left") for a in curves(some).axes]
    assert titles.count("hard_maze: coverage") == titles.count("point: coverage") == 1
    assert len(titles) == (1 + 2) + (1 + 4)


def test_the_figure_becomes_small_files_and_keeps_its_text(runs: Runs, tmp_path: Path) -> None:
    figure = curves([runs(), runs(seed=2), runs(searcher="map_elites")])
    figure.draw_without_rendering()
    assert figure.get_tightbbox().x1 <= figure.get_size_inches()[0]
    (legend,) = figure.legends
    assert not legend.get_window_extent().overlaps(figure.texts[-1].get_window_extent())
    assert all(f.stat().st_size < 500_000 for f in save(figure, tmp_path / "curves"))


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least one run"):
        table([])


def test_a_task_without_goals_is_compared_by_the_best_of_all_episodes(runs: Runs) -> None:
    searcher = {"kind": "novelty_search", "population": 30}
    task = {"kind": "gymnasium:Pendulum-v1", "horizon": 10}
    some = [runs(task=task, searcher=searcher, budget=90, seed=seed) for seed in (1, 2)]
    (row,) = records(table([*some]))
    best = [run.tally().metrics()["best_fitness"] for run in some]
    assert row["best any episode"] == pytest.approx(np.mean(best))
    titles = [axes.get_title(loc="left") for axes in curves(some).axes]
    assert titles == ["Pendulum-v1: coverage", "best reward, any episode"]

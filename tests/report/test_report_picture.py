from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from qdx.assembly.parts import build_task
from qdx.assembly.stored import StoredRun
from qdx.report.canvas import apart, count
from qdx.report.picture import members_of, run_picture, save

Runs = Callable[..., StoredRun]
KINDS = {
    "novelty_search": {},
    "map_elites": {"searcher": "map_elites"},
    "point": {"task": "point", "searcher": "map_elites", "budget": 2000},
    "one generation": {"budget": 100, "seed": 9},
    "two numbers": {
        "task": {"kind": "gymnasium:MountainCarContinuous-v0", "horizon": 20},
        "searcher": {"kind": "novelty_search", "population": 30},
        "budget": 90,
    },
    "rewards below 0": {
        "task": {"kind": "gymnasium:Pendulum-v1", "horizon": 10},
        "searcher": {"kind": "novelty_search", "population": 30},
        "budget": 90,
    },
}


@pytest.fixture(params=KINDS, scope="module")
def figure(request: pytest.FixtureRequest, runs: Runs) -> Figure:
    return run_picture(runs(**KINDS[request.param]))


def dots(figure: Figure) -> list[PathCollection]:
    return [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]


def test_every_archived_individual_is_a_dot_where_it_ended(runs: Runs) -> None:
    run = runs(searcher="map_elites")
    drawn = np.concatenate([np.asarray(d.get_offsets()) for d in dots(run_picture(run))])
    truth = run.evaluations(run.archive_ids()).outcomes.truth
    assert len(drawn) == len(run.archive_ids()) > 50
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, truth.tolist()))


def test_rewarded_individuals_have_dots_of_their_own(runs: Runs) -> None:
    run = runs(**KINDS["point"])
    areas = run.evaluations(run.archive_ids()).outcomes.reward_area
    sizes = sorted(len(d.get_offsets()) for d in dots(run_picture(run)))
    assert sizes == sorted(np.unique(areas, return_counts=True)[1].tolist())
    assert len(sizes) > 1


def test_the_map_shows_the_bounds_and_no_more(runs: Runs) -> None:
    maze = run_picture(runs()).axes[0]
    assert maze.get_xlim() == (0, 1)
    assert maze.get_ylim() == (1, 0)  # y grows downwards
    point = run_picture(runs(**KINDS["point"])).axes[0]
    assert (point.get_xlim(), point.get_ylim()) == ((-1, 1), (-1, 1))


def test_walls_and_visits_lie_where_the_task_says(runs: Runs) -> None:
    run = runs()
    walls, visits = run_picture(run).axes[0].images
    task = build_task(run.config)
    assert (np.asarray(walls.get_array()) == task.scenery().walls).all()
    assert walls.get_extent() == visits.get_extent() == [0, 1, 0, 1]
    tally = run.tally().state().arrays["visits"]
    x, y = np.unravel_index(int(tally.argmax()), task.facts.bins)
    drawn = np.ma.asarray(visits.get_array()).filled(0)
    assert drawn[y, x] == tally.max()
    assert drawn.sum() == tally.sum()


def test_the_dashed_line_is_the_ceiling(runs: Runs) -> None:
    run = runs()
    coverage = next(a for a in run_picture(run).axes if "Coverage" in a.get_title(loc="left"))
    (line,) = [x for x in coverage.lines if x.get_gid() == "ceiling"]
    ceiling = build_task(run.config).ceiling()
    assert ceiling is not None
    assert set(np.asarray(line.get_ydata()).tolist()) == {ceiling.coverage}


def test_the_curve_goes_through_the_journal(runs: Runs) -> None:
    run = runs()
    coverage = next(a for a in run_picture(run).axes if "Coverage" in a.get_title(loc="left"))
    lines = run.snapshot.journal
    x, y = coverage.lines[0].get_data()
    assert list(x) == [0, *(line["evaluations"] for line in lines)]
    assert list(y) == [0, *(line["metrics"]["coverage"] for line in lines)]


@pytest.mark.parametrize("kind", ["two numbers", "rewards below 0"])
def test_a_task_without_goals_shows_the_best_of_all_episodes(kind: str, runs: Runs) -> None:
    run = runs(**KINDS[kind])
    rewards = next(a for a in run_picture(run).axes if "reward" in a.get_title(loc="left"))
    best = [line["metrics"]["best_fitness"] for line in run.snapshot.journal]
    assert np.asarray(rewards.lines[0].get_ydata())[1:].tolist() == best
    low, high = rewards.get_ylim()
    assert low < min(best) <= max(best) < high
    assert "any episode" in rewards.texts[0].get_text()


def test_a_map_of_two_numbers_fills_its_box_and_has_no_start(runs: Runs) -> None:
    axes = run_picture(runs(**KINDS["two numbers"])).axes[0]
    (x0, x1), (y0, y1) = build_task(runs(**KINDS["two numbers"]).config).facts.bounds
    assert axes.get_aspect() == "auto"
    assert (axes.get_xlim(), axes.get_ylim()) == ((x0, x1), (y0, y1))
    assert not [line for line in axes.lines if line.get_gid() == "start"]
    assert run_picture(runs()).axes[0].get_aspect() == 1.0


def test_all_kinds_of_run_become_two_sound_files(figure: Figure, tmp_path: Path) -> None:
    png, svg = save(figure, tmp_path / "new" / "run-0.5")
    assert (png.name, svg.name) == ("run-0.5.png", "run-0.5.svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert max(png.stat().st_size, svg.stat().st_size) < 500_000


def test_nothing_is_cut_off(figure: Figure) -> None:
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@pytest.fixture(scope="module")
def files(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The bytes of one run's figure."""
    folder = tmp_path_factory.mktemp("alone")
    return [f.read_bytes() for f in save(run_picture(runs()), folder / "run")]


def test_the_same_run_gives_the_same_bytes(files: list[bytes], runs: Runs, tmp_path: Path) -> None:
    assert [f.read_bytes() for f in save(run_picture(runs()), tmp_path / "b")] == files


def test_figures_may_be_drawn_from_several_threads(
    files: list[bytes], runs: Runs, tmp_path: Path
) -> None:
    run = runs()

    def draw(i: int) -> list[bytes]:
        return [f.read_bytes() for f in save(run_picture(run), tmp_path / str(i))]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(draw, range(2))) == [files] * 2


def test_a_run_before_its_first_commit_and_an_empty_archive_are_drawn(runs: Runs) -> None:
    run = runs()
    assert len(members_of(runs(**KINDS["one generation"])).found) == 0  # NS keeps offspring only
    bare = replace(run.snapshot, states={}, tables={}, journal=[], commit=0)
    figure = run_picture(replace(run, snapshot=bare))
    figure.draw_without_rendering()
    assert "0 evaluations" in figure.texts[1].get_text()


def test_islands_count_evaluations_from_their_own_first(runs: Runs) -> None:
    found = members_of(runs(island=3)).found
    assert found.min() >= 1
    assert found.max() <= 500


def test_labels_keep_apart_and_near_where_they_belong() -> None:
    assert apart([0.5, 0.1], 0.2) == [0.5, 0.1]
    assert apart([0.5, 0.5], 0.2) == pytest.approx([0.6, 0.4])
    assert apart([0.3, 0.35, 0.9], 0.1) == pytest.approx([0.275, 0.375, 0.9])
    places = sorted(apart([0.0, 0.05, 0.1, 0.3, 0.31], 0.1))
    assert min(np.diff(places)) >= 0.1 - 1e-12


def test_counts_are_readable() -> None:
    assert count(12500) == "12\N{THIN SPACE}500"
    assert count(2.5e6, 1e7) == "2.5 M"

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from matplotlib.collections import LineCollection
from PIL import Image

from qdx.assembly.config import load
from qdx.assembly.parts import build_task
from qdx.core.errors import ConfigError, ShapeError
from qdx.report.picture import save
from qdx.report.replay import save_film, save_video, trajectory_picture
from qdx.tasks.curling import Curling
from qdx.tasks.hard_maze import HardMaze
from qdx.tasks.point import Point

PATH = np.linspace([0.1, 0.75], [0.3, 0.9], 21)


def test_the_path_is_drawn_from_start_to_end_coloured_by_step() -> None:
    axes = trajectory_picture(HardMaze(), PATH, "episode").axes[0]
    (line,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    (end,) = [x for x in axes.lines if x.get_gid() == "end"]
    segments = np.array(line.get_segments())
    assert np.allclose(segments[:, 0], PATH[:-1])
    assert np.allclose(segments[:, 1], PATH[1:])
    assert np.allclose(np.asarray(line.get_array())[[0, -1]], [50, 1950])  # middles, of 2000 steps
    assert np.allclose(end.get_xydata(), PATH[-1])
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (1, 0))


def test_goals_are_boxes_where_the_task_has_boxes() -> None:
    path = np.zeros((51, 2), np.float32)
    point = trajectory_picture(Point(), path, "").axes[0]
    maze = trajectory_picture(HardMaze(), PATH, "").axes[0]
    assert [type(p).__name__ for p in point.patches[:4]] == ["Rectangle"] * 4
    assert [type(p).__name__ for p in maze.patches[:2]] == ["Circle"] * 2


def test_an_episode_of_a_task_without_one_start_shows_its_own() -> None:
    task = build_task(
        load({"budget": 1, "searcher": "random_search", "task": "gymnasium:Pendulum-v1"})
    )
    (start,) = [
        line
        for line in trajectory_picture(task, PATH, "").axes[0].lines
        if line.get_gid() == "start"
    ]
    assert np.allclose(start.get_xydata(), PATH[0])


@pytest.mark.parametrize("n", [1, 2, 2001])
def test_paths_of_any_length_are_drawn(n: int, tmp_path: Path) -> None:
    figure = trajectory_picture(HardMaze(), np.full((n, 2), 0.5, np.float32), "x" * 200 + ", y")
    figure.draw_without_rendering()
    assert all(t.get_window_extent().x1 <= figure.bbox.width for t in figure.texts)
    assert all(f.stat().st_size < 200_000 for f in save(figure, tmp_path / "path"))


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ShapeError, match="path"):
        trajectory_picture(HardMaze(), np.zeros((0, 2)), "")
    with pytest.raises(ShapeError, match="3 steps"):
        trajectory_picture(HardMaze(), PATH, "", steps=np.arange(3))


def test_a_task_with_a_view_is_drawn_with_all_of_its_walls() -> None:
    path = np.linspace([-0.5, 0.2], [1.2, 1.3], 11)
    axes = trajectory_picture(Curling(), path, "").axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-1.55, 1.55), (-1.55, 1.55))
    (walls,) = axes.images
    assert list(walls.get_extent()) == [-1.55, 1.55, -1.55, 1.55]


def test_an_arm_is_drawn_as_it_began_and_as_it_ended() -> None:
    path = np.linspace([-0.5, 0.2], [1.2, 1.3], 3)
    limbs = np.linspace(Curling().scenery().limbs, [[0, -1.5], [1, -1.5], [1.9, -1.5]], 3)
    drawn = trajectory_picture(Curling(), path, "", limbs=limbs).axes[0]
    first, last = [x for x in drawn.lines if x.get_gid() == "limbs"]
    assert np.array_equal(first.get_xydata(), limbs[0])
    assert np.array_equal(last.get_xydata(), limbs[-1])
    plain = trajectory_picture(Curling(), path, "").axes[0]
    (alone,) = [x for x in plain.lines if x.get_gid() == "limbs"]
    assert np.array_equal(alone.get_xydata(), limbs[0])


@pytest.mark.parametrize("end", [(0.1, 0.1), (0.09, 0.33), (0.5, 0.5)])
def test_names_do_not_lie_on_one_another(end: tuple[float, float]) -> None:
    path = np.linspace([0.1, 0.75], end, 5)
    figure = trajectory_picture(HardMaze(), path, "")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_gif_moves(tmp_path: Path) -> None:
    file = save_video(HardMaze(), PATH, tmp_path / "film.gif", seconds=0.2)
    with Image.open(file) as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) == 5


def test_mp4_without_ffmpeg_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FFMpegWriter, "isAvailable", classmethod(lambda cls: False))
    with pytest.raises(ConfigError, match=r"ffmpeg.*film\.gif"):
        save_video(HardMaze(), PATH, tmp_path / "film.mp4")
    assert save_video(HardMaze(), PATH[:2], tmp_path / "film").suffix == ".gif"


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.mp4 or \.gif"):
        save_video(HardMaze(), PATH, tmp_path / "film.avi")


def test_a_film_of_frames_shows_them_in_order(tmp_path: Path) -> None:
    frames = np.zeros((3, 20, 30), np.uint8)
    for t in range(3):
        frames[t, 5 * t : 5 * t + 5, 10:20] = 100 + 50 * t
    file = save_film(frames, tmp_path / "film.gif")
    with Image.open(file) as film:
        assert film.n_frames == 3
        for t in range(3):
            film.seek(t)
            shown = np.asarray(film.convert("L"))
            assert shown.shape == (80, 120)  # a pixel is a square of 4
            assert np.abs(shown[2::4, 2::4].astype(int) - frames[t]).max() <= 3

"""One episode: its trajectory as a picture, and as a film."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int64, UInt8
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray as Array

from qdx.core.errors import ConfigError, ShapeError
from qdx.core.protocols import Task
from qdx.report.canvas import (
    INK,
    N_VECTORS,
    STEPS,
    TIME,
    count,
    dress_key,
    figure,
    heading,
    place,
)
from qdx.report.task_map import (
    Mark,
    clip_beyond,
    draw_limbs,
    draw_map,
    mark_start,
    name_mark,
)

WIDTH: Final = 3.7  # inches: one column of a paper
HEIGHT: Final = 4.35
LEFT: Final = 0.5
MAP: Final = 3.0
BOTTOM: Final = 0.81
RATE: Final = 25  # frames a second; a GIF counts in hundredths, so 4 of them
FILM_DPI: Final = 110
ZOOM: Final = 4  # pixels of a film for one of a policy's frame


def trajectory_picture(
    task: Task,
    path: Float[Array, "S M"],
    title: str,
    *,
    steps: Int64[Array, " S"] | None = None,
    limbs: Float[Array, "S P 2"] | None = None,
) -> Figure:
    """One episode on the task's map, darker with time: a ring at the start, a disc at the end.

    Args:
        task: With two ground-truth measures.
        path: The measures over time, in the task's units.
        title: Above the map; what follows the first comma goes into a second line.
        steps: The step of each sample; evenly spread over the horizon where not given.
        limbs: The joints of the task's arm over time, of which the last posture is drawn.

    Raises:
        ConfigError: The task has no map.
        ShapeError: The path has no samples, or `steps` is not as long.
    """
    times = _times(task, path, steps)
    made = figure(WIDTH, HEIGHT)
    axes = _stage(made, task, title, path)
    norm = Normalize(float(times[0]), max(float(times[-1]), float(times[0]) + 1))
    line = _ribbon(path, times, norm)
    line.set_rasterized(len(path) > N_VECTORS)
    axes.add_collection(line, autolim=False)
    clip_beyond(line, axes)
    if limbs is not None:
        draw_limbs(axes, limbs[-1])
    _mark_end(axes, path, task, age=float(norm(times[-1])))
    key = place(made, (LEFT, 0.26, MAP, 0.06))
    made.colorbar(ScalarMappable(norm, TIME), cax=key, orientation="horizontal")
    dress_key(key, "step")
    key.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    key.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x)))
    return made


def save_video(
    task: Task,
    path: Float[Array, "S M"],
    file: str | Path,
    *,
    title: str = "",
    limbs: Float[Array, "S P 2"] | None = None,
    seconds: float = 6.0,
) -> Path:
    """Write a film of one episode.

    Args:
        task: With two ground-truth measures.
        path: The measures over time.
        file: `.mp4` needs ffmpeg, `.gif` does not; without a suffix, the better one that works.
        title: As of the picture.
        limbs: The joints of the task's arm over time.
        seconds: How long the film plays; a short path gives a shorter one.

    Returns:
        The file.

    Raises:
        ConfigError: A suffix nobody can write, or the task has no map.
        ShapeError: The path has no samples.
    """
    target = Path(file)
    if not target.suffix:
        target = target.with_suffix(".mp4" if FFMpegWriter.isAvailable() else ".gif")
    writer = _writer(target)
    _times(task, path, None)
    made = figure(WIDTH, HEIGHT - BOTTOM + 0.5)
    axes = _stage(made, task, title, path, bottom=0.5)
    n_frames = min(len(path), max(2, round(seconds * RATE)))
    (trail,) = axes.plot([], [], color=TIME(0.5), linewidth=1.3, zorder=3)
    (body,) = axes.plot([], [], "o", color=TIME(1.0), markersize=6, zorder=8)
    arm = None if limbs is None else draw_limbs(axes, limbs[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    with writer.saving(made, str(target), FILM_DPI):
        for last in np.linspace(0, len(path) - 1, n_frames).round().astype(int):
            trail.set_data(*path[: last + 1].T)
            body.set_data(*path[last : last + 1].T)
            if arm is not None and limbs is not None:
                arm.set_data(*limbs[last].T)
            writer.grab_frame()
    return target


def save_film(frames: UInt8[Array, "T H W"], file: str | Path, *, rate: int = 15) -> Path:
    """Write a film of the frames that a policy saw, each pixel as a square of 4.

    Args:
        frames: Grey, one a step.
        file: As of `save_video`.
        rate: Frames a second: 15 of four emulator frames each is an Atari game at its own speed.

    Returns:
        The file.

    Raises:
        ConfigError: A suffix nobody can write.
    """
    target = Path(file)
    if not target.suffix:
        target = target.with_suffix(".mp4" if FFMpegWriter.isAvailable() else ".gif")
    writer = _writer(target)
    writer.fps = rate
    height, width = frames.shape[1:]
    made = Figure(figsize=(width * ZOOM / FILM_DPI, height * ZOOM / FILM_DPI))
    axes = made.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    image = axes.imshow(frames[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    target.parent.mkdir(parents=True, exist_ok=True)
    with writer.saving(made, str(target), FILM_DPI):
        for frame in frames:
            image.set_data(frame)
            writer.grab_frame()
    return target


def _writer(target: Path) -> AbstractMovieWriter:
    suffix = target.suffix.lower()
    if suffix == ".gif":
        return PillowWriter(fps=RATE)
    if suffix != ".mp4":
        raise ConfigError(f"video: expected a .mp4 or .gif file, got {target}.")
    if not FFMpegWriter.isAvailable():
        raise ConfigError(
            f"video: {target} needs ffmpeg, which is not on this machine. Install it "
            f"(apt install ffmpeg, or conda install ffmpeg), or ask for {target.stem}.gif."
        )
    return FFMpegWriter(fps=RATE)


def _times(task: Task, path: Float[Array, "S M"], steps: Int64[Array, " S"] | None) -> Array:
    """The step of each sample, checked against the path."""
    if path.ndim != 2 or not len(path) or (steps is not None and len(steps) != len(path)):
        got = "" if steps is None else f" with {len(steps)} steps"
        raise ShapeError(f"path: expected (S, 2), S ≥ 1, a step each; got {path.shape}{got}.")
    return np.linspace(0, task.facts.horizon, len(path)) if steps is None else steps


def _stage(
    made: Figure, task: Task, title: str, path: Float[Array, "S M"], *, bottom: float = BOTTOM
) -> Axes:
    """The map under a title, with the start of this episode where the task has none for all."""
    first, _, rest = title.partition(", ")
    heading(made, first, rest, left=LEFT, lines=2)
    axes = place(made, (LEFT, bottom, MAP, MAP))
    draw_map(axes, task)
    if task.scenery().start is None:
        x, y = path[0].tolist()
        mark_start(axes, (x, y), task)
    return axes


def _ribbon(path: Float[Array, "S M"], times: Array, norm: Normalize) -> LineCollection:
    """A line coloured by time."""
    pieces = np.stack([path[:-1], path[1:]], axis=1)  # (S, M) → (S - 1, 2, M)
    line = LineCollection(list(pieces), cmap=TIME, norm=norm, linewidth=1.5, capstyle="round")
    line.set(array=(times[:-1] + times[1:]) / 2, zorder=3, gid="path")
    return line


def _mark_end(axes: Axes, path: Float[Array, "S M"], task: Task, *, age: float) -> None:
    """A disc where the episode ended."""
    (disc,) = axes.plot(*path[-1], "o", color=TIME(age), ms=6, mec="white", mew=0.6, zorder=8)
    disc.set_gid("end")
    clip_beyond(disc, axes)
    name_mark(axes, Mark("end", tuple(path[-1].tolist()), 0.0, INK, gap=6), task)

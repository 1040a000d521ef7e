"""A task's map: walls, goals, the start and how often each cell was visited."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Task
from qdx.core.task_facts import Goal, TaskFacts
from qdx.report.canvas import GOALS, HALO, INK, SMALL, VISITS, WALL, dress

SIDES: Final = ((1, 0), (0, 1), (0, -1), (-1, 0))  # (right, below) of a mark, best first
LETTER: Final = 0.0185  # a letter's width, as a share of the map's
MARGIN: Final = 0.012  # between a mark and its name, likewise
SLIM: Final = 3.0  # a map more unequal than this shows no place, but two numbers: it fills its box


class Mark(NamedTuple):
    """Something on the map that gets a name.

    Attributes:
        name: As printed.
        at: Its centre.
        radius: In units of the measures.
        colour: Of the name.
        gap: Points between the mark and its name.
    """

    name: str
    at: tuple[float, ...]
    radius: float
    colour: str
    gap: float = 3


def draw_map(axes: Axes, task: Task) -> None:
    """Walls, goals and start, in the units of the measures; the limits are the bounds.

    Raises:
        ConfigError: The ground truth of the task is no plane.
    """
    facts, scenery = task.facts, task.scenery()
    if len(facts.measures) != 2:
        raise ConfigError(
            f"{facts.name}: expected two ground-truth measures to draw a map, got "
            f"{len(facts.measures)}. `qdx compare` draws curves of any task."
        )
    (x0, x1), (y0, y1) = facts.bounds
    if scenery.walls is not None:
        _raster(axes, np.ma.masked_equal(scenery.walls, False), facts, cmap=ListedColormap([WALL]))
    marks = [Mark(g.name, g.centre, g.radius, goal_colour(i)) for i, g in enumerate(facts.goals)]
    for goal, mark in zip(facts.goals, marks, strict=True):
        _outline(axes, goal, mark.colour)
    for mark in marks:
        name_mark(axes, mark, task)
    if scenery.start is not None:
        mark_start(axes, scenery.start, task)
    axes.set_xlim(x0, x1)
    axes.set_ylim((y1, y0) if scenery.y_down else (y0, y1))
    is_place = 1 / SLIM <= (x1 - x0) / (y1 - y0) <= SLIM
    axes.set_aspect("equal" if is_place else "auto", adjustable="box", anchor="NW")
    axes.set_xlabel(facts.measures[0], labelpad=1)
    axes.set_ylabel(facts.measures[1], labelpad=3)
    if not is_place:
        axes.yaxis.set_label_coords(-0.125, 0.5)  # numbers of any length: inside the figure
    dress(axes)
    axes.spines[["top", "right"]].set_visible(True)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 5, 10)))


def draw_visits(axes: Axes, visits: Int64[Array, " C"], facts: TaskFacts) -> AxesImage | None:
    """Visits per cell behind everything else, logarithmic; None where no cell was visited.

    Args:
        axes: Of a map.
        visits: Of each cell of the ground-truth grid, row-major in the order of the measures.
        facts: Of the task.
    """
    if not visits.any():
        return None
    grid = visits.reshape(facts.bins).T  # (x, y) → rows are y
    norm = LogNorm(1, max(10, int(visits.max())))
    return _raster(axes, np.ma.masked_equal(grid, 0), facts, cmap=VISITS, norm=norm, zorder=0)


def mark_start(axes: Axes, start: tuple[float, float], task: Task) -> None:
    """A ring where an episode begins."""
    axes.plot(*start, "o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=6, gid="start")
    name_mark(axes, Mark("start", start, 0.0, INK, gap=5), task)


def name_mark(axes: Axes, mark: Mark, task: Task) -> None:
    """A name beside a mark, on the side where walls and border hide least of it."""
    facts, scenery = task.facts, task.scenery()
    down = 1 if scenery.y_down else -1

    def hidden(side: tuple[int, int]) -> float:
        points = _extent(mark, facts, right=side[0], up=side[1] * down)
        return _hidden(points, scenery.walls)

    right, below = min(SIDES, key=hidden)
    axes.annotate(
        mark.name,
        (mark.at[0] + right * mark.radius, mark.at[1] + down * below * mark.radius),
        xytext=(mark.gap * right, -mark.gap * below),
        textcoords="offset points",
        ha={1: "left", 0: "center", -1: "right"}[right],
        va={1: "top", 0: "center", -1: "bottom"}[below],
        size=SMALL,
        color=mark.colour,
        path_effects=list(HALO),
        zorder=7,
    )


def clip_beyond(artist: Artist, axes: Axes) -> None:
    """Let marks on the border of the map show whole, and hide those well outside."""
    artist.set_clip_path(Rectangle((-0.02, -0.02), 1.04, 1.04, transform=axes.transAxes))


def goal_colour(i: int) -> str:
    """The colour of a goal, on the map and beside it."""
    return GOALS[i % len(GOALS)]


def _raster(axes: Axes, cells: Array, facts: TaskFacts, **style: object) -> AxesImage:
    """A picture over the bounds, row 0 at the smallest second measure whichever way y grows."""
    (x0, x1), (y0, y1) = facts.bounds
    options: dict[str, object] = {"interpolation": "nearest", "zorder": 1} | style
    kept = axes.get_aspect()
    made = axes.imshow(cells, origin="lower", extent=(x0, x1, y0, y1), **options)  # type: ignore[arg-type]
    axes.set_aspect(kept)
    return made


def _outline(axes: Axes, goal: Goal, colour: str) -> None:
    """A disc or a box."""
    x, y = goal.centre
    r = goal.radius
    shape: Patch = Rectangle((x - r, y - r), 2 * r, 2 * r) if goal.is_box else Circle((x, y), r)
    shape.set(facecolor="none", edgecolor=colour, linewidth=1.4, zorder=5, gid=f"goal {goal.name}")
    axes.add_patch(shape)


def _extent(mark: Mark, facts: TaskFacts, *, right: int, up: int) -> Float64[Array, "2 S S"]:
    """Points all over the place a name takes beside its mark, as shares of the bounds."""
    low, high = facts.low, facts.high
    x, y = (np.array(mark.at) - low) / (high - low)
    rx, ry = mark.radius / (high - low)
    u = np.linspace(-0.5, 0.5, 24)
    wide, tall = len(mark.name) * LETTER, 2 * LETTER
    xs = x + right * (rx + wide / 2 + MARGIN) + wide * u
    ys = y + up * (ry + tall / 2 + MARGIN) + tall * u
    return np.array(np.meshgrid(xs, ys))


def _hidden(points: Float64[Array, "2 S S"], walls: Array | None) -> float:
    """Share of some points that lie outside the map or in a wall."""
    outside = ((points < 0) | (points >= 1)).any(axis=0)
    if walls is None:
        return float(outside.mean())
    xs, ys = points.clip(0, 1 - 1e-9)
    rows, columns = walls.shape
    return float((outside | walls[(ys * rows).astype(int), (xs * columns).astype(int)]).mean())

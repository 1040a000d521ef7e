"""A task's map: walls, goals, the start and how often each cell was visited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Task
from qdx.core.task_facts import Goal, Scenery, TaskFacts
from qdx.report.canvas import GOALS, HALO, INK, LIMB, SMALL, VISITS, WALL, dress

# (right, below) of a mark, best first
SIDES: Final = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
LETTER: Final = 0.0185  # a letter's width, as a share of the map's
MARGIN: Final = 0.012  # between a mark and its name, likewise
SLIM: Final = 3.0  # a map more unequal than this shows no place, but two numbers: it fills its box


Range = tuple[float, float]
View = tuple[Range, Range]


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
    """Walls, goals, start and an arm's first posture; the limits are the view or the bounds.

    Raises:
        ConfigError: The ground truth of the task is no plane.
    """
    facts, scenery = task.facts, task.scenery()
    if len(facts.measures) != 2:
        raise ConfigError(
            f"{facts.name}: expected two ground-truth measures to draw a map, got "
            f"{len(facts.measures)}. `qdx compare` draws curves of any task."
        )
    (x0, x1), (y0, y1) = extent = view_of(facts, scenery)
    axes.set_xlim(x0, x1)
    axes.set_ylim((y1, y0) if scenery.y_down else (y0, y1))
    is_place = 1 / SLIM <= (x1 - x0) / (y1 - y0) <= SLIM
    axes.set_aspect("equal" if is_place else "auto", adjustable="box", anchor="NW")
    if scenery.walls is not None:
        walls = np.ma.masked_equal(scenery.walls, False)
        _raster(axes, walls, extent, cmap=ListedColormap([WALL]))
    if scenery.limbs is not None:
        draw_limbs(axes, scenery.limbs, alpha=0.4)
    marks = [Mark(g.name, g.centre, g.radius, goal_colour(i)) for i, g in enumerate(facts.goals)]
    for goal, mark in zip(facts.goals, marks, strict=True):
        _outline(axes, goal, mark.colour)
    for mark in marks:
        name_mark(axes, mark, task)
    if scenery.start is not None:
        mark_start(axes, scenery.start, task)
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
    cells = np.ma.masked_equal(grid, 0)
    return _raster(axes, cells, facts.bounds, cmap=VISITS, norm=norm, zorder=0)


def draw_limbs(axes: Axes, limbs: Float[Array, "P 2"], *, alpha: float = 1.0) -> Line2D:
    """An arm's joints, a line from one to the next."""
    (line,) = axes.plot(*limbs.T, "o-", color=LIMB, alpha=alpha, linewidth=1.6, markersize=2.6)
    line.set(zorder=2.5, solid_capstyle="round", gid="limbs")
    return line


def view_of(facts: TaskFacts, scenery: Scenery) -> View:
    """What the map shows."""
    return scenery.view or (facts.bounds[0], facts.bounds[1])


def mark_start(axes: Axes, start: tuple[float, float], task: Task) -> None:
    """A ring where an episode begins."""
    axes.plot(*start, "o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=6, gid="start")
    name_mark(axes, Mark("start", start, 0.0, INK, gap=5), task)


def name_mark(axes: Axes, mark: Mark, task: Task) -> None:
    """A name beside a mark, on the side where walls, border and names hide least of it."""
    facts, scenery = task.facts, task.scenery()
    down = 1 if scenery.y_down else -1

    def hidden(side: tuple[int, int]) -> float:
        points = _extent(mark, view_of(facts, scenery), right=side[0], up=side[1] * down)
        return _hidden(points, scenery.walls) + _taken(points, axes)

    right, below = min(SIDES, key=hidden)
    radius = mark.radius / np.hypot(right, below)
    axes.annotate(
        mark.name,
        (mark.at[0] + right * radius, mark.at[1] + down * below * radius),
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


def _raster(axes: Axes, cells: Array, extent: Sequence[Range], **style: object) -> AxesImage:
    """A picture over an extent, row 0 at the smallest second measure whichever way y grows."""
    (x0, x1), (y0, y1) = extent
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


def _extent(mark: Mark, view: View, *, right: int, up: int) -> Float64[Array, "2 S S"]:
    """Points all over the place a name takes beside its mark, as shares of the view."""
    low, high = np.array(view).T
    x, y = (np.array(mark.at) - low) / (high - low)
    rx, ry = mark.radius / np.hypot(right, up) / (high - low)
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


def _taken(points: Float64[Array, "2 S S"], axes: Axes) -> float:
    """Share of some points, in shares of the view, that lie on a name that is there already."""
    axes.apply_aspect()
    x, y = points[0], (1 - points[1] if axes.yaxis_inverted() else points[1])
    taken = np.zeros(x.shape, bool)
    for text in axes.texts:
        box = text.get_window_extent().transformed(axes.transAxes.inverted())
        taken |= (x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)
    return float(taken.mean())

"""A task's map: walls, goals, the start and how often each cell was visited."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
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
    for i, goal in enumerate(facts.goals):
        _draw_goal(axes, goal, facts, colour=goal_colour(i))
    axes.plot(
        *scenery.start, marker="o", ms=4.5, mfc="white", mec=INK, mew=1.1, zorder=6, gid="start"
    )
    _beside(axes, "start", scenery.start, clearance=0.0, colour=INK)
    axes.set_xlim(x0, x1)
    axes.set_ylim((y1, y0) if scenery.y_down else (y0, y1))
    axes.set_aspect("equal", adjustable="box", anchor="NW")
    axes.set_xlabel(facts.measures[0], labelpad=1)
    axes.set_ylabel(facts.measures[1], labelpad=1)
    dress(axes)
    axes.spines[["top", "right"]].set_visible(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))


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


def goal_colour(i: int) -> str:
    """The colour of a goal, on the map and beside it."""
    return GOALS[i % len(GOALS)]


def is_box(goal: Goal) -> bool:
    """Whether a goal is a box rather than a disc: by its name, for `Goal` does not say."""
    return goal.name.startswith("box")


def _raster(axes: Axes, cells: Array, facts: TaskFacts, **style: object) -> AxesImage:
    """A picture over the bounds, row 0 at the smallest second measure whichever way y grows."""
    (x0, x1), (y0, y1) = facts.bounds
    options: dict[str, object] = {"interpolation": "nearest", "zorder": 1} | style
    return axes.imshow(cells, origin="lower", extent=(x0, x1, y0, y1), **options)  # type: ignore[arg-type]


def _draw_goal(axes: Axes, goal: Goal, facts: TaskFacts, *, colour: str) -> None:
    """An outline and a name."""
    x, y = goal.centre
    r = goal.radius
    shape: Patch = Rectangle((x - r, y - r), 2 * r, 2 * r) if is_box(goal) else Circle((x, y), r)
    shape.set(facecolor="none", edgecolor=colour, linewidth=1.4, zorder=5, gid=f"goal {goal.name}")
    axes.add_patch(shape)
    (x0, x1), _ = facts.bounds
    clearance = -r if x > x0 + 0.7 * (x1 - x0) else r  # names stay inside the map
    _beside(axes, goal.name, (x, y), clearance=clearance, colour=colour)


def _beside(
    axes: Axes, text: str, at: tuple[float, ...], *, clearance: float, colour: str
) -> None:
    """A name right of a mark, or left of it where the clearance is negative."""
    is_left = clearance < 0
    axes.annotate(
        text,
        (at[0] + clearance, at[1]),
        xytext=(-3 if is_left else 3 + 2 * (clearance == 0), 0),
        textcoords="offset points",
        ha="right" if is_left else "left",
        va="center",
        size=SMALL,
        color=colour,
        path_effects=list(HALO),
        zorder=7,
    )

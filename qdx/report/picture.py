"""One run in one figure: where its archive reached, and how fast."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray as Array

from qdx.assembly.parts import ISLAND_BITS, build_task
from qdx.assembly.stored import StoredRun
from qdx.core.protocols import Task
from qdx.report.canvas import (
    GROUPS,
    INK,
    N_VECTORS,
    STEPS,
    TIME,
    ceiling_line,
    count,
    dress,
    dress_key,
    end_labels,
    evaluations_axis,
    figure,
    heading,
    percent_axis,
    place,
    reward_axis,
    save,
)
from qdx.report.curve import Curves, best_names, curves_of
from qdx.report.task_map import clip_beyond, draw_map, draw_visits, goal_colour

__all__ = ["run_picture", "save"]

WIDTH: Final = 7.2  # inches: two columns of a paper
HEIGHT: Final = 4.2
LEFT: Final = 0.5
MAP: Final = 3.0
BOTTOM: Final = 0.81
MIDDLE: Final = 2.48  # where the upper curve stands
RIGHT: Final = 4.25  # where the curves begin
KEYS: Final = (0.95, 1.78, 0.06)  # inches: widths of the two keys below the map, and their height
CROWD: Final = 3000  # dots of a larger archive go without their white edge
LETTER: Final = 0.058  # inches a letter of a label takes


class Members(NamedTuple):
    """The archived individuals.

    Attributes:
        found: At which evaluation each was made.
        truth: Where it ended.
        goal: Index of the goal it was rewarded for, -1 for none.
    """

    found: Int64[Array, " N"]
    truth: Float32[Array, "N M"]
    goal: Int64[Array, " N"]


def run_picture(run: StoredRun) -> Figure:
    """The map with what the archives keep, and coverage and reward over evaluations.

    Grey cells were visited by exploration. A dot is an archived individual at its final position:
    blue, the darker the later it was found; large and in the colour of its goal where rewarded.

    Args:
        run: Of a task with two ground-truth measures, at any stage.

    Raises:
        ConfigError: The task has no map.
    """
    task = build_task(run.config)
    curves = curves_of(run, task.facts)
    made = figure(WIDTH, HEIGHT)
    campaign, evaluations = run.config.campaign, count(curves.end)
    rest = f"{run.config.searcher.kind} · seed {campaign.seed} · {evaluations} evaluations"
    heading(made, run.config.task.kind, rest, left=LEFT)
    _draw_left(made, run, task)
    _draw_right(made, task, curves)
    return made


def members_of(run: StoredRun) -> Members:
    """Everyone in any archive, the latest last."""
    ids = run.archive_ids()
    if not len(ids):
        none = np.zeros(0, np.int64)
        return Members(none, np.zeros((0, 2), np.float32), none)
    outcomes = run.evaluations(ids).outcomes
    found = (ids & ((1 << ISLAND_BITS) - 1)) + 1  # ids count evaluations from the island's first
    return Members(found, outcomes.truth, outcomes.reward_area.astype(np.int64))


def _draw_left(made: Figure, run: StoredRun, task: Task) -> None:
    """The map, and below it what its two shades mean."""
    axes = place(made, (LEFT, BOTTOM, MAP, MAP))
    members, tally = members_of(run), run.tally()
    draw_map(axes, task)
    visits = draw_visits(axes, tally.state().arrays["visits"], task.facts)
    norm = Normalize(0, max(tally.evaluations, 1))
    _draw_members(axes, members, norm)
    first, second, height = KEYS
    if visits is not None:
        key = place(made, (LEFT, 0.26, first, height))
        made.colorbar(visits, cax=key, orientation="horizontal", format=FuncFormatter(_decade))
        dress_key(key, "visits per cell")
    if len(members.found):
        key = place(made, (LEFT + MAP - second, 0.26, second, height))
        made.colorbar(ScalarMappable(norm, TIME), cax=key, orientation="horizontal")
        dress_key(key, f"{count(len(members.found))} archived: found at evaluation")
        key.xaxis.set_major_locator(MaxNLocator(2, steps=STEPS, integer=True))
        key.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x, tally.evaluations)))


def _draw_members(axes: Axes, members: Members, norm: Normalize) -> None:
    """A dot each; rewarded ones larger, in the colour of their goal, on top."""
    size = float(np.clip(14 - 4 * np.log10(max(len(members.found), 1) / 30), 2.5, 14))
    edge = 0.25 if len(members.found) <= CROWD else 0.0
    plain = members.goal < 0
    x, y = members.truth.T
    dots = [axes.scatter(x[plain], y[plain], size, members.found[plain], cmap=TIME, norm=norm)]
    for i in sorted({*members.goal[~plain].tolist()}):
        mine = members.goal == i
        dots.append(axes.scatter(x[mine], y[mine], 1.7 * size, goal_colour(i)))
    for n, some in enumerate(dots):
        some.set(linewidth=edge, zorder=3 + 0.1 * n, gid=f"members {n}")
        if edge:
            some.set_edgecolor("white")
        some.set_rasterized(len(plain) > N_VECTORS)
        clip_beyond(some, axes)


def _decade(x: float, _: int | None) -> str:
    """The number at a tick of the visits' key."""
    return count(x)


def _draw_right(made: Figure, task: Task, curves: Curves) -> None:
    """Coverage above, best reward per goal below."""
    facts = task.facts
    names = best_names(facts)
    texts = [f"{best:.3g}  {name}" for best, name in zip(curves.best[-1], names, strict=True)]
    margin = LETTER * max([8, *map(len, texts)]) + 0.15
    width = WIDTH - RIGHT - margin
    upper = place(made, (RIGHT, MIDDLE, width, BOTTOM + MAP - MIDDLE - 0.12))
    lower = place(made, (RIGHT, BOTTOM, width, 1.15))
    thin, ceiling = curves.thinned(), task.ceiling()
    _draw_coverage(upper, thin, ceiling.coverage if ceiling else None)
    dress(lower, "Best reward by goal" if facts.goals else "Best reward")
    for i in range(len(names)):
        _draw_steps(lower, thin.evaluations, thin.best[:, i], colour=goal_colour(i))
    reward_axis(lower, curves.best)
    evaluations_axis(lower, curves.end)
    colours = [goal_colour(i) for i in range(len(names))]
    end_labels(lower, curves.best[-1].tolist(), texts, colours=colours)


def _draw_coverage(axes: Axes, curves: Curves, ceiling: float | None) -> None:
    dress(axes, "Coverage of the ground-truth grid")
    ends, texts, colours = [curves.coverage[-1]], [f"{100 * curves.coverage[-1]:.3g} %"], [INK]
    _draw_steps(axes, curves.evaluations, curves.coverage, colour=INK)
    if (curves.coverage_all != curves.coverage).any():
        _draw_steps(axes, curves.evaluations, curves.coverage_all, colour=GROUPS[0])
        ends.append(curves.coverage_all[-1])
        texts.append(f"{100 * curves.coverage_all[-1]:.3g} % all")
        colours.append(GROUPS[0])
    ceiling_line(axes, ceiling)
    percent_axis(axes, 1.12 * max(ceiling or 0, *ends) or 1)
    evaluations_axis(axes, curves.end, label=False)
    end_labels(axes, ends, texts, colours=colours)


def _draw_steps(
    axes: Axes, evaluations: Float32[Array, " J"], values: Float32[Array, " J"], *, colour: str
) -> None:
    """A curve that holds each value to the next line of the journal, and its end."""
    axes.plot(evaluations, values, color=colour, linewidth=1.3, drawstyle="steps-post", zorder=3)
    axes.plot(evaluations[-1], values[-1], "o", color=colour, markersize=3, zorder=4)
    for line in axes.lines[-2:]:
        line.set_clip_on(False)

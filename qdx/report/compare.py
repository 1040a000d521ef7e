"""Several runs side by side: seeds of one set-up form a group, groups a table and a figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from qdx.assembly.stored import StoredRun
from qdx.core.types import Json
from qdx.report.canvas import (
    MUTED,
    SMALL,
    ceiling_line,
    dress,
    evaluations_axis,
    figure,
    percent_axis,
    place,
    reward_axis,
)
from qdx.report.curve import N_POINTS, best_names, best_rewards, curves_of
from qdx.report.groups import Group, groups, task_key
from qdx.report.spreads import (
    LEFT,
    Spread,
    Style,
    draw_legend,
    draw_spread,
    legend_height,
    spread_of,
    styles_of,
)

__all__ = ["curves", "groups", "readable", "records", "spread", "table"]

PANEL: Final = (1.75, 1.4)  # inches
GAP: Final = (0.42, 0.68)  # inches between panels
RIGHT: Final = 0.22
BOTTOM: Final = 0.42
TOP: Final = 0.3  # inches above the panels


def table(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """A row per group, numbers only: means over seeds, and sample standard deviations (`… std`).

    The deviation of a single seed is NaN, and so is what a task does not have. `best <goal>` counts
    every evaluation; `of ceiling` is coverage over the largest any search can reach; `qd_score`
    sums the best fitness of each visited cell; `wall_s` and `evaluations_per_s` are of the whole
    run, on whatever machine it ran.

    Raises:
        ConfigError: No runs.
    """
    return pd.DataFrame([_row(group) for group in groups(runs)])


def readable(rows: pd.DataFrame) -> pd.DataFrame:
    """A table as text, each mean with its deviation: `0.612 ± 0.012`."""
    text: dict[str, list[str]] = {}
    for name in rows.columns:
        if name.endswith(" std"):
            continue
        deviations = rows.get(f"{name} std", pd.Series(np.nan, rows.index))
        text[name] = [_number(m, d) for m, d in zip(rows[name], deviations, strict=True)]
    return pd.DataFrame(text, rows.index)


def records(rows: pd.DataFrame) -> list[Json]:
    """A table as JSON has it: a mapping per row, null for what is not a number."""
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in rows.to_dict("records")
    ]


def spread(group: Group) -> Spread:
    """Coverage, then best reward per goal, over the evaluations all seeds of a group have made.

    Curves are read by steps at `N_POINTS` evaluations, evenly spaced from 0 to the end of the
    shortest run (SERENE and STAX code: "resampled at 1000 points").
    """
    each = [curves_of(run, group.facts) for run in group.runs]
    grid = np.linspace(0, min(c.end for c in each), N_POINTS)
    read = [curves.at(grid) for curves in each]
    values = np.array([np.column_stack([c.coverage, c.best]) for c in read])  # (seeds, E, V)
    return spread_of(grid, values)


def curves(runs: Sequence[StoredRun]) -> Figure:
    """Coverage and best reward per goal over evaluations: a row of panels per task.

    Line: mean over seeds. Band: from the least to the largest seed, so it never leaves what was
    seen. Dashed: the coverage that can be reached.

    Raises:
        ConfigError: No runs.
    """
    found = groups(runs)
    rows: dict[str, list[Group]] = defaultdict(list)
    for group in found:
        rows[task_key(group.runs[0])].append(group)
    styles = styles_of(found)
    n_columns = 1 + max(len(best_names(group.facts)) for group in found)
    width = LEFT + n_columns * PANEL[0] + (n_columns - 1) * GAP[0] + RIGHT
    panels = len(rows) * PANEL[1] + (len(rows) - 1) * GAP[1]
    made = figure(width, BOTTOM + panels + TOP + legend_height(styles, width))
    for i, some in enumerate(reversed(rows.values())):
        _draw_task(made, some, styles, bottom=BOTTOM + i * (PANEL[1] + GAP[1]))
    draw_legend(made, found, styles)
    return made


def _row(group: Group) -> Json:
    """A group's line of the table."""
    metrics = [run.tally().metrics() for run in group.runs]
    wall_s = [sum(run.seconds_by_generation().values()) for run in group.runs]
    seeds = {run.config.campaign.seed for run in group.runs}
    evaluations = [m["evaluations"] for m in metrics]
    row: Json = {"task": group.facts.name, "group": group.label, "seeds": len(seeds)}
    row["evaluations"] = float(np.mean(evaluations))
    row |= mean_std("coverage", [m["coverage"] for m in metrics])
    row["of ceiling"] = row["coverage"] / group.ceiling if group.ceiling else np.nan
    best = np.array([best_rewards(m, group.facts) for m in metrics])
    for name, values in zip(best_names(group.facts), best.T, strict=True):
        row |= mean_std(f"best {name}", values.tolist())
    row |= mean_std("qd_score", [m["qd_score"] for m in metrics])
    row["wall_s"] = float(np.mean(wall_s))
    row["evaluations_per_s"] = sum(evaluations) / sum(wall_s) if sum(wall_s) else np.nan
    return row


def mean_std(name: str, values: Sequence[float]) -> dict[str, float]:
    """Two columns of a table: the mean, and the sample standard deviation of several."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return {name: float(np.mean(values)), f"{name} std": deviation}


def _number(value: Any, deviation: float) -> str:
    """A cell of the readable table."""
    if not isinstance(value, float):
        return str(value)
    if np.isnan(value):
        return "-"
    text = f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    return text if np.isnan(deviation) else f"{text} ± {deviation:.2g}"


def _draw_task(
    made: Figure, some: Sequence[Group], styles: Mapping[str, Style], *, bottom: float
) -> None:
    """A row of panels: coverage, then each goal."""
    facts, ceiling = some[0].facts, some[0].ceiling
    spreads = [spread(group) for group in some]
    end = max(s.x[-1] for s in spreads)
    short = facts.name.rpartition(":")[2]
    names = [f"{short}: coverage", *(f"best reward, {n}" for n in best_names(facts))]
    for column, name in enumerate(names):
        left = LEFT + column * (PANEL[0] + GAP[0])
        axes = place(made, (left, bottom, *PANEL))
        dress(axes, name)
        for group, s in zip(some, spreads, strict=True):
            draw_spread(axes, s, column, style=styles[group.label])
        values = np.concatenate([np.r_[s.low[:, column], s.high[:, column]] for s in spreads])
        top = float(values.max())
        if column:
            reward_axis(axes, values)
            if not values.any():
                axes.text(end / 2, 0.5, "not reached", ha="center", size=SMALL, color=MUTED)
        else:
            ceiling_line(axes, ceiling)
            percent_axis(axes, 1.15 * max(ceiling or 0, top) or 1)
        evaluations_axis(axes, float(end))

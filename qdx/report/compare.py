"""Several runs side by side: seeds of one set-up form a group, groups a table and a figure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy import ndarray as Array

from qdx.assembly.config import SAFE_ON_RESUME, changed
from qdx.assembly.parts import build_task
from qdx.assembly.stored import StoredRun
from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.core.types import Json
from qdx.report.canvas import (
    GROUPS,
    INK,
    MUTED,
    NORMAL,
    SMALL,
    ceiling_line,
    dress,
    evaluations_axis,
    figure,
    percent_axis,
    place,
    reward_axis,
)
from qdx.report.curve import N_POINTS, curves_of

OF_A_SEED: Final = ("seed", "name", "island", *SAFE_ON_RESUME)  # may differ within a group
DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))  # once the colours are used up
PANEL: Final = (1.75, 1.45)  # inches
GAP: Final = (0.5, 0.72)  # inches between panels
EDGE: Final = (0.62, 0.42)  # inches left of and below the panels


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed.

    Attributes:
        facts: Of the task.
        ceiling: Largest coverage any search can reach, None where unknown.
        label: Names the group among those of its task.
        runs: In the order of their seeds.
    """

    facts: TaskFacts
    ceiling: float | None
    label: str
    runs: tuple[StoredRun, ...]


@dataclass(frozen=True)
class Spread:
    """Curves of a group: at each of `N_POINTS` evaluations the mean, the least and the largest."""

    evaluations: Float64[Array, " E"]
    mean: Float64[Array, "E V"]
    low: Float64[Array, "E V"]
    high: Float64[Array, "E V"]


def groups(runs: Sequence[StoredRun]) -> list[Group]:
    """Runs by task and label, in the order in which they came.

    The label is the searcher; where runs of one searcher have different names, the name. Runs that
    would share a label and yet differ in more than their seed get the keys that differ added.

    Raises:
        ConfigError: No runs.
    """
    if not runs:
        raise ConfigError("compare: expected at least one run, got none.")
    alike: dict[tuple[str, str], list[StoredRun]] = defaultdict(list)
    for run in runs:
        alike[_task_key(run), run.config.searcher.kind].append(run)
    found: dict[str, dict[str, list[StoredRun]]] = {}
    for (task, searcher), some in alike.items():
        taken = found.setdefault(task, {})
        for label, members in _labelled(some).items():
            taken[f"{label} ({searcher})" if label in taken else label] = members
    made = []
    for by_label in found.values():
        task = build_task(next(iter(by_label.values()))[0].config)
        ceiling = task.ceiling()
        share = ceiling.coverage if ceiling else None
        for label, members in by_label.items():
            by_seed = sorted(members, key=lambda r: r.config.campaign.seed)
            made.append(Group(task.facts, share, label, tuple(by_seed)))
    return made


def table(runs: Sequence[StoredRun]) -> pd.DataFrame:
    """A row per group, numbers only: means over seeds, and sample standard deviations (`… std`).

    The deviation of a single seed is NaN, and so is what a task does not have. `best <goal>` counts
    every evaluation; `of ceiling` is coverage over the largest any search can reach; `qd_score` sums
    the best fitness of each visited cell; `wall_s` and `evaluations_per_s` are of the whole run, on
    whatever machine it ran.

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


def spread(group: Group) -> Spread:
    """Coverage, then best reward per goal, over the evaluations all seeds of a group have made.

    Curves are read by steps at `N_POINTS` evaluations, evenly spaced from 0 to the end of the
    shortest run (SERENE and STAX code: "resampled at 1000 points").
    """
    each = [curves_of(run, len(group.facts.goals)) for run in group.runs]
    grid = np.linspace(0, min(c.end for c in each), N_POINTS)
    read = [curves.at(grid) for curves in each]
    values = np.array([np.column_stack([c.coverage, c.best]) for c in read])  # (seeds, E, V)
    return Spread(grid, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


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
        rows[_task_key(group.runs[0])].append(group)
    labels = list(dict.fromkeys(group.label for group in found))
    styles = {label: _style(i) for i, label in enumerate(labels)}
    n_columns = 1 + max(len(group.facts.goals) for group in found)
    size = _size(n_columns, len(rows))
    made = figure(*size)
    for i, some in enumerate(rows.values()):
        bottom = EDGE[1] + (len(rows) - 1 - i) * (PANEL[1] + GAP[1])
        _draw_task(made, some, styles, bottom=bottom)
    _legend(made, found, styles)
    return made


def _task_key(run: StoredRun) -> str:
    return json.dumps(run.config.task.resolved(), sort_keys=True)


def _labelled(runs: Sequence[StoredRun]) -> dict[str, list[StoredRun]]:
    """Runs of one task and searcher by label."""
    names = {run.config.campaign.name for run in runs}
    named: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        c = run.config
        named[c.searcher.kind if len(names) == 1 else c.campaign.name].append(run)
    return {
        label: members for base, some in named.items() for label, members in _told(base, some)
    }


def _told(base: str, runs: Sequence[StoredRun]) -> list[tuple[str, list[StoredRun]]]:
    """Runs of one name, told apart by the keys in which they differ beyond their seed."""
    setups = [
        {k: v for k, v in run.config.resolved().items() if k not in OF_A_SEED} for run in runs
    ]
    keys = sorted({key for setup in setups for key in changed(setups[0], setup)})
    told: dict[str, list[StoredRun]] = defaultdict(list)
    for run, setup in zip(runs, setups, strict=True):
        values = [f"{key.split('.')[-1]} {_lookup(setup, key)}" for key in keys]
        told[", ".join([base, *values])].append(run)
    return list(told.items())


def _lookup(setup: Json, key: str) -> Any:
    """The value at a dotted key."""
    value: Any = setup
    for part in key.split("."):
        value = value.get(part, "-") if isinstance(value, Mapping) else value
    return value


def _row(group: Group) -> Json:
    """A group's line of the table."""
    metrics = [run.tally().metrics() for run in group.runs]
    wall_s = [sum(run.seconds_by_generation().values()) for run in group.runs]
    seeds = {run.config.campaign.seed for run in group.runs}
    evaluations = [m["evaluations"] for m in metrics]
    row: Json = {"task": group.facts.name, "group": group.label, "seeds": len(seeds)}
    row["evaluations"] = float(np.mean(evaluations))
    row |= _mean_std("coverage", [m["coverage"] for m in metrics])
    row["of ceiling"] = row["coverage"] / group.ceiling if group.ceiling else np.nan
    for i, goal in enumerate(group.facts.goals):
        row |= _mean_std(f"best {goal.name}", [m["best_by_area"][i] for m in metrics])
    row |= _mean_std("qd_score", [m["qd_score"] for m in metrics])
    row["wall_s"] = float(np.mean(wall_s))
    row["evaluations_per_s"] = sum(evaluations) / sum(wall_s) if sum(wall_s) else np.nan
    return row


def _mean_std(name: str, values: Sequence[float]) -> dict[str, float]:
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

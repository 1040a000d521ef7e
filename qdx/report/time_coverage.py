"""Time coverage: how much of the ground-truth grid an archive covers at each moment of an episode.

STAX code: the policies of the final archive are replayed, and at equally spaced fractions of the
longest episode the share of cells is counted that some policy is in; after an early end the last
state is kept. Novelty on final states spreads the ends of episodes only; what describes the whole
path spreads all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray as Array

from qdx.assembly.parts import ISLAND_BITS, build_task
from qdx.assembly.replay import at_moments
from qdx.assembly.stored import StoredRun
from qdx.core.types import Json
from qdx.metrics.coverage import coverage_over_time
from qdx.report.canvas import STEPS, ceiling_line, dress, figure, percent_axis, place
from qdx.report.compare import mean_std
from qdx.report.groups import Group, groups, task_key
from qdx.report.spreads import (
    LEFT,
    draw_legend,
    draw_spread,
    legend_height,
    spread_of,
    styles_of,
)

MOMENTS: Final = 50  # STAX code
FAR: Final = 2.0  # a ceiling beyond so many times the highest curve is not drawn
PANEL: Final = (2.6, 1.9)  # inches
GAP: Final = 0.5
RIGHT: Final = 0.22
BOTTOM: Final = 0.45
TOP: Final = 0.3


@dataclass(frozen=True)
class TimeCoverage:
    """Coverage over the episode, of the runs of a group.

    Attributes:
        group: The runs.
        moments: As shares of the longest episode; the start is not among them, the end is.
        coverage: A row per run.
    """

    group: Group
    moments: Float64[Array, " S"]
    coverage: Float64[Array, "R S"]


def time_coverage(
    run: StoredRun, moments: int = MOMENTS, *, until: int | None = None, device: str = ""
) -> Float64[Array, " S"]:
    """Coverage of a run's archives at each moment; its individuals are run again for it.

    Args:
        run: At any stage.
        moments: How many; every step where episodes are shorter.
        until: Only individuals made within so many evaluations. Of an archive that never lets
            anybody go, as that of Novelty Search, these are its members at that time.
        device: Where to run them; the run's own device where not given.
    """
    facts, ids = build_task(run.config).facts, run.archive_ids()
    if until is not None:
        ids = ids[(ids & ((1 << ISLAND_BITS) - 1)) < until]  # ids count evaluations
    n = min(moments, facts.horizon)
    if not len(ids):
        return np.zeros(n)
    return coverage_over_time(at_moments(run, ids, n, device=device), facts.bounds, facts.bins)


def measure(
    runs: Sequence[StoredRun], moments: int = MOMENTS, *, device: str = ""
) -> list[TimeCoverage]:
    """Time coverage of runs, by group.

    Raises:
        ConfigError: No runs, or no such device.
    """
    found = []
    for group in groups(runs):
        n = min(moments, group.facts.horizon)
        each = [time_coverage(run, n, device=device) for run in group.runs]
        found.append(TimeCoverage(group, np.arange(1, n + 1) / n, np.array(each)))
    return found


def columns(measured: Sequence[TimeCoverage]) -> pd.DataFrame:
    """Further columns of `compare.table`: coverage, averaged over the episode and over its half."""
    rows: list[Json] = []
    for m in measured:
        early = m.coverage[:, m.moments <= 0.5]
        row: Json = mean_std("time coverage", m.coverage.mean(axis=1).tolist())
        row |= mean_std("first half", early.mean(axis=1).tolist())
        rows.append(row)
    return pd.DataFrame(rows)


def records(measured: Sequence[TimeCoverage]) -> list[Json]:
    """As JSON has it: per group the moments, and coverage per seed."""
    return [
        {
            "task": m.group.facts.name,
            "group": m.group.label,
            "moments": m.moments.tolist(),
            "coverage": {
                str(run.config.campaign.seed): row.tolist()
                for run, row in zip(m.group.runs, m.coverage, strict=True)
            },
        }
        for m in measured
    ]


def picture(measured: Sequence[TimeCoverage]) -> Figure:
    """Coverage over the episode: a panel per task, a line per group, a band over its seeds."""
    panels: dict[str, list[TimeCoverage]] = defaultdict(list)
    for m in measured:
        panels[task_key(m.group.runs[0])].append(m)
    found = [m.group for m in measured]
    styles = styles_of(found)
    width = LEFT + len(panels) * (PANEL[0] + GAP) - GAP + RIGHT
    made = figure(width, BOTTOM + PANEL[1] + TOP + legend_height(styles, width))
    for i, some in enumerate(panels.values()):
        axes = place(made, (LEFT + i * (PANEL[0] + GAP), BOTTOM, *PANEL))
        _draw_task(axes, some, styles)
    draw_legend(made, found, styles)
    return made


def _draw_task(axes: Any, some: Sequence[TimeCoverage], styles: Any) -> None:
    group = some[0].group
    dress(axes, f"{group.facts.name.rpartition(':')[2]}: coverage of the archive")
    for m in some:
        spread = spread_of(m.moments, m.coverage[:, :, None])
        draw_spread(axes, spread, 0, style=styles[m.group.label], is_stepped=False)
    top = max(float(m.coverage.max()) for m in some)
    if group.ceiling and group.ceiling <= FAR * top:
        ceiling_line(axes, group.ceiling)
        top = max(top, group.ceiling)
    percent_axis(axes, 1.15 * top or 1)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g} %"))
    axes.set_xlabel("of the longest episode", labelpad=2)

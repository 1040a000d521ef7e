"""Curves of groups of runs: mean and range over seeds, and the legend that tells groups apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy import ndarray as Array

from qdx.report.canvas import GROUPS, INK, MUTED, N_VECTORS, NORMAL, SMALL
from qdx.report.groups import Group

DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))  # once the colours are used up
LEFT: Final = 0.5  # inches left of the first panel and of the legend
LINE: Final = 0.155  # inches: a line of the legend

Style = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Curves of a group: at each x the mean over seeds, the least and the largest."""

    x: Float64[Array, " E"]
    mean: Float64[Array, "E V"]
    low: Float64[Array, "E V"]
    high: Float64[Array, "E V"]


def spread_of(x: Float64[Array, " E"], values: Float64[Array, "R E V"]) -> Spread:
    """Mean and range over runs, the first axis of `values`."""
    return Spread(x, values.mean(axis=0), values.min(axis=0), values.max(axis=0))


def styles_of(found: Sequence[Group]) -> dict[str, Style]:
    """Colour and dashes of each label, in the order of first appearance."""
    styles: dict[str, Style] = {}
    for i, label in enumerate(dict.fromkeys(group.label for group in found)):
        dashes = DASHES[(i // len(GROUPS)) % len(DASHES)]
        styles[label] = {"color": GROUPS[i % len(GROUPS)], "linestyle": dashes, "linewidth": 1.3}
    return styles


def draw_spread(
    axes: Axes, s: Spread, column: int, *, style: Style, is_stepped: bool = True
) -> None:
    """A mean and its band; only where they change, or an SVG would hold every point."""
    values = np.stack([s.mean[:, column], s.low[:, column], s.high[:, column]])  # (3, E)
    kept = np.ones(len(s.x), bool)
    if is_stepped:
        kept[1:-1] = (np.diff(values) != 0).any(axis=0)[:-1]
    x, (mean, low, high) = s.x[kept], values[:, kept]
    if (low != high).any():
        step: Any = "post" if is_stepped else None
        band = axes.fill_between(x, low, high, step=step, color=style["color"])
        band.set(alpha=0.18, linewidth=0, rasterized=len(x) > N_VECTORS)
    axes.plot(x, mean, drawstyle="steps-post" if is_stepped else "default", **style)


def legend_height(styles: Mapping[str, Style], width: float) -> float:
    """Inches that a legend and its note need above figures of a width."""
    n_columns = _columns([f"{label}  (20 seeds)" for label in styles], width)
    return LINE * (1 + -(-len(styles) // n_columns))


def draw_legend(made: Figure, found: Sequence[Group], styles: Mapping[str, Style]) -> None:
    """The labels with their numbers of seeds, and what line and band are."""
    seeds: dict[str, set[int]] = defaultdict(set)
    for group in found:
        seeds[group.label].add(len(group.runs))
    handles, texts = [], []
    for label, style in styles.items():
        low, high = min(seeds[label]), max(seeds[label])
        number = f"{low}" if low == high else f"{low} to {high}"
        handles.append(Line2D([], [], **style))
        texts.append(f"{label}  ({number} seed{'s' * (high > 1)})")
    width, height = made.get_size_inches()
    n = _columns(texts, float(width))
    made.legend(
        handles,
        texts,
        loc="upper left",
        bbox_to_anchor=(LEFT / width, 1 - 0.06 / height),
        ncols=n,
        frameon=False,
        fontsize=NORMAL,
        labelcolor=INK,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.35,
    )
    if max(map(max, seeds.values())) > 1:
        note = "line: mean over seeds · band: smallest to largest"
        y = 1 - (0.08 + LINE * -(-len(texts) // n)) / height
        made.text(LEFT / width, y, note, va="top", size=SMALL, color=MUTED)


def _columns(labels: Sequence[str], width: float) -> int:
    """How many labels fit side by side."""
    longest = 0.6 + 0.057 * max(map(len, labels))  # inches, with its line
    return int(np.clip((width - LEFT) / longest, 1, len(labels)))

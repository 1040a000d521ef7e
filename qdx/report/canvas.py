"""The look of every figure: colours, type, axes, and the two files a figure becomes.

Figures are built through matplotlib's object API on the Agg canvas. pyplot and its global state are
never touched, so figures may be drawn headless and from several threads. Lengths are inches, type
sizes points.

Colours after Okabe & Ito, "Color Universal Design", 2008, which hold for the common kinds of colour
blindness; two are darkened, for they colour small type.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy import ndarray as Array

INK: Final = "#222222"
MUTED: Final = "#6E6E6E"
WALL: Final = "#3B3B3B"
LIMB: Final = "#7A6A53"
GROUPS: Final = ("#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#000000")
GOALS: Final = ("#D55E00", "#AA3377", "#00825F", "#9A6B00", "#000000")
VISITS: Final = LinearSegmentedColormap.from_list("visits", ("#EFEFEF", "#B4B4B4"))
TIME: Final = LinearSegmentedColormap.from_list("time", ("#8FD0E8", "#2F86C1", "#0B2A63"))
SMALL: Final = 7.0
NORMAL: Final = 8.0
LARGE: Final = 9.5
DPI: Final = 200  # of the PNG
RASTER_DPI: Final = 130  # of pictures inside the SVG
STEPS: Final = (1, 2, 2.5, 5, 10)  # between ticks
N_VECTORS: Final = 600  # more marks than these go into an SVG as one picture
HALO: Final = (withStroke(linewidth=2.0, foreground="white", alpha=0.9),)

_SAVING = threading.Lock()  # the salt of an SVG's ids can only be set for the whole process


def figure(width: float, height: float) -> Figure:
    """An empty white figure on the Agg canvas."""
    made = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    return made


def place(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, bottom, width, height) in inches."""
    width, height = figure.get_size_inches()
    left, bottom, w, h = box
    return figure.add_axes((left / width, bottom / height, w / width, h / height))


def heading(figure: Figure, title: str, rest: str = "", *, left: float, lines: int = 1) -> None:
    """The title, bold, at the top left, and what else is to be said beside or below it.

    Type shrinks where a line would leave the figure.
    """
    width, height = figure.get_size_inches()
    room = width - left - 0.1
    top = 1 - 0.11 / height
    first = figure.text(left / width, top, title, va="top", size=LARGE, weight="bold", color=INK)
    second = figure.text(left / width, top, rest, va="top", size=NORMAL, color=MUTED)
    gap = 0.14 if lines == 1 else 0.0
    long, longer = (t.get_window_extent().width / figure.dpi for t in (first, second))
    shrink = min(1.0, room / max(long + gap + longer if lines == 1 else max(long, longer), 1e-9))
    first.set_fontsize(LARGE * shrink)
    second.set_fontsize(NORMAL * shrink)
    if lines == 1:
        second.set_position(((left + long * shrink + gap) / width, top - 0.015 * shrink / height))
    else:
        second.set_position((left / width, top - 0.17 / height))


def dress(axes: Axes, title: str = "") -> None:
    """Two thin spines, small ticks, and a title at the left."""
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, color=MUTED)
    axes.tick_params(labelsize=SMALL, labelcolor=INK, color=MUTED, width=0.6, length=2.5, pad=2)
    axes.xaxis.label.set(size=NORMAL, color=INK)
    axes.yaxis.label.set(size=NORMAL, color=INK)
    axes.set_title(title, loc="left", size=NORMAL, color=INK, pad=5)


def dress_key(axes: Axes, text: str) -> None:
    """A slim bar: name above, numbers below."""
    axes.tick_params(labelsize=SMALL - 0.5, labelcolor=INK, color=MUTED, width=0.5, length=2, pad=1)
    axes.tick_params(which="minor", length=0)
    axes.set_title(text, loc="left", size=SMALL, color=INK, pad=2.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def evaluations_axis(axes: Axes, end: float, *, label: bool = True) -> None:
    """Evaluations from 0 to `end` along x, in readable numbers."""
    axes.set_xlim(0, max(end, 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: count(x, end)))
    axes.set_xlabel("evaluations" if label else "", labelpad=2)


def percent_axis(axes: Axes, top: float) -> None:
    """Shares of one from 0 to `top` along y, as percent."""
    axes.set_ylim(0, top)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.4g} %"))


def reward_axis(axes: Axes, values: Float64[Array, "..."]) -> None:
    """Rewards along y, from 0 to the next round number; of rewards of nothing, to 1.

    Where some are below 0, the axis shows the range they span.
    """
    known = values[np.isfinite(values)]
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    low, best = float(known.min(initial=0)), float(known.max(initial=0))
    if low < 0:
        low, best = float(known.min()), float(known.max())
        margin = 0.06 * (best - low) or 0.06 * abs(low)
        axes.set_ylim(low - margin, best + margin)
        return
    scale = 10.0 ** np.floor(np.log10(best)) if best > 0 else 1.0
    top = scale * min(n for n in (1, 2, 2.5, 3, 4, 5, 6, 8, 10) if n * scale >= best)
    axes.set_ylim(-0.02 * top, 1.06 * top)


def count(x: float, largest: float = 0) -> str:
    """A count with thin gaps between thousands; millions where the largest has some."""
    if largest >= 2e6:
        return f"{x / 1e6:g} M"
    return f"{x:,.0f}".replace(",", "\N{THIN SPACE}")


def ceiling_line(axes: Axes, ceiling: float | None) -> None:
    """A dashed line at the largest coverage any search can reach."""
    if ceiling is None:
        return
    axes.axhline(ceiling, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), gid="ceiling")
    axes.annotate(
        f"reachable {100 * ceiling:.3g} %",
        (0.015, ceiling),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        size=SMALL,
        color=MUTED,
    )


def end_labels(
    axes: Axes, heights: Sequence[float], texts: Sequence[str], *, colours: Sequence[str]
) -> None:
    """Labels right of the axes, each beside the end of its line and clear of the others."""
    low, high = axes.get_ylim()
    box = axes.get_window_extent()
    gap = 1.25 * SMALL / 72 * axes.figure.dpi / box.height
    places = apart([(h - low) / (high - low) for h in heights], gap)
    for y, text, colour in zip(places, texts, colours, strict=True):
        axes.annotate(
            text,
            (1, y),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            size=SMALL,
            color=colour,
        )


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Places as near to the wanted ones as a least gap allows, in the same order.

    Later ones of equal places come lower. Least squares: labels that touch form a block, centred on
    the mean of where its members want to be.
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    blocks: list[tuple[float, list[int]]] = []  # (lowest place, members from below)
    for i in order:
        low, members = wanted[i], [i]
        while blocks and blocks[-1][0] + gap * len(blocks[-1][1]) > low:
            members = blocks.pop()[1] + members
            low = float(np.mean([wanted[m] - gap * n for n, m in enumerate(members)]))
        blocks.append((low, members))
    at = {m: low + gap * n for low, members in blocks for n, m in enumerate(members)}
    return [at[i] for i in range(len(wanted))]


def save(figure: Figure, path_without_suffix: str | Path) -> list[Path]:
    """Write a figure as PNG (200 dpi) and SVG; the same figure gives the same bytes.

    Args:
        figure: Of any of this room's functions.
        path_without_suffix: Where; missing folders are made. A dot in the name stays.

    Returns:
        The two files.
    """
    base = Path(path_without_suffix)
    base.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (base.with_name(base.name + suffix) for suffix in (".png", ".svg"))
    nothing = {"Date": None, "Creator": None}  # no clock and no version in the file
    figure.savefig(png, dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    with _SAVING, mpl.rc_context({"svg.hashsalt": "qdx"}):
        figure.savefig(svg, dpi=RASTER_DPI, metadata=nothing)
    return [png, svg]

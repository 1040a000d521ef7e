"""Tables and figures that the studies share, made of what is kept of campaigns.

A row is one campaign; `by` are the rows of a study by who searched, one a seed.
"""

import numpy as np

from qdx.report.canvas import (
    INK,
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

PANEL, GAP, LEFT, BOTTOM, TOP = (2.0, 1.55), 0.45, 0.5, 0.42, 0.52  # inches

Rows = list[dict]


def table(by: dict[str, Rows], mark: str = "100000") -> list[str]:
    """Coverage at a mark and at the end, best rewards, who spent the budget, time."""
    goals = list(next(iter(by.values()))[0]["best"])
    head = [
        "searcher",
        "seeds",
        "evaluations",
        f"coverage at {int(mark):,}".replace(",", " "),
        "coverage",
        "of reachable",
    ]
    head += [f"best, {g}" for g in goals]
    head += ["budget: exploration", *(f"budget: {g}" for g in goals), "evaluations/s, one core"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for searcher, rows in by.items():
        ceiling = rows[0]["coverage_ceiling"]
        cells = [searcher, len(rows), f"{np.mean([r['evaluations'] for r in rows]):.0f}"]
        cells += [number([r["at"][mark]["coverage"] for r in rows])]
        cells += [number([r["coverage"] for r in rows])]
        cells += [number([r["coverage"] / ceiling for r in rows]) if ceiling else "-"]
        cells += [number([r["best"][g] for r in rows]) for g in goals]
        cells += [number([r["share"][k] for r in rows]) for k in ("exploration", *goals)]
        cells += [f"{sum(r['evaluations'] for r in rows) / sum(r['wall_s'] for r in rows):.0f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def beside(by: dict[str, Rows], paper: dict) -> list[str]:
    """Ours and the reference at the same evaluations, with the difference of the means."""
    if not paper:
        return []
    lines = ["\nBeside the published figures, read off a plot to ±0.01, at the same evaluations:\n"]
    lines += [
        "| searcher | evaluations | what | here | there | difference |",
        "|---|---|---|---|---|---|",
    ]
    for searcher, marks in paper.items():
        for mark, numbers in marks.items():
            rows = [r for r in by.get(searcher, []) if mark in r["at"]]
            for what, there in numbers.items() if rows else []:
                here = [value(r, mark, what) for r in rows]
                cells = (
                    searcher,
                    mark,
                    what,
                    number(here),
                    f"{there:.2f}",
                    f"{np.mean(here) - there:+.3f}",
                )
                lines.append("| " + " | ".join(cells) + " |")
    return lines


def value(row: dict, mark: str, what: str) -> float:
    """Coverage, or the best reward of a goal, at a mark."""
    there = row["at"][mark]
    return there["coverage"] if what == "coverage" else there["best"][what]


def number(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def picture(study: str, by: dict[str, Rows], colours: dict[str, str]) -> object:
    """Coverage and best reward per goal over evaluations: mean, and a band over all seeds."""
    some = next(iter(by.values()))[0]
    names = ["coverage", *some["best"]]
    end = max(r["evaluations"] for rows in by.values() for r in rows)
    width = LEFT + len(names) * PANEL[0] + (len(names) - 1) * GAP + 0.25
    made = figure(width, BOTTOM + PANEL[1] + TOP + 0.2)
    for column, name in enumerate(names):
        axes = place(made, (LEFT + column * (PANEL[0] + GAP), BOTTOM, *PANEL))
        dress(axes, f"{study}: coverage" if not column else f"best reward, {name}")
        top = max(max(r["curve"][name]) for rows in by.values() for r in rows)
        if column:
            reward_axis(axes, np.array([top]))
        else:
            ceiling_line(axes, some["coverage_ceiling"])
            percent_axis(axes, 1.12 * max(some["coverage_ceiling"] or 0, top))
        for searcher, rows in by.items():
            band(axes, [r["curve"][name] for r in rows], rows[0]["evaluations"], colours[searcher])
        evaluations_axis(axes, float(end))
    lines = [made.axes[0].plot([], [], color=colours[s], linewidth=1.4)[0] for s in by]
    labels = [f"{s} ({len(rows)} seed{'s' * (len(rows) > 1)})" for s, rows in by.items()]
    made.legend(
        lines,
        labels,
        loc="upper left",
        bbox_to_anchor=(LEFT / width - 0.01, 1.0),
        ncols=-(-len(by) // 2),
        frameon=False,
        fontsize=SMALL if len(names) < 3 else NORMAL,
        labelcolor=INK,
        columnspacing=1.2,
    )
    return made


def band(axes: object, curves: list[list[float]], end: int, colour: str) -> None:
    x, all_ = np.linspace(0, end, len(curves[0])), np.array(curves)
    axes.fill_between(
        x, all_.min(axis=0), all_.max(axis=0), step="post", color=colour, alpha=0.1, linewidth=0
    )
    axes.plot(x, all_.mean(axis=0), drawstyle="steps-post", color=colour, linewidth=1.3)

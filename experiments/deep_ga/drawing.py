"""Table and figure of the Deep GA study, from results/ alone."""

import json
from pathlib import Path

import numpy as np

from qdx.report.canvas import (
    GROUPS,
    INK,
    MUTED,
    NORMAL,
    SMALL,
    dress,
    evaluations_axis,
    figure,
    place,
    reward_axis,
    save,
)

COLOURS = {"ga_ns": GROUPS[0], "ga": GROUPS[1], "random": MUTED}
DASHES = {"ga_ns": "-", "ga": "-", "random": "--"}  # GA and random search end in the same place
NAMES = {"ga_ns": "GA-NS", "ga": "GA", "random": "random search"}
PANEL, GAP, LEFT, BOTTOM, TOP = (2.1, 1.6), 0.55, 0.55, 0.42, 0.55  # inches
N_POINTS = 200  # of a mean curve
FRAMES_PER_STEP = 4

Rows = dict[str, list[dict]]


def load(folder: Path) -> dict[str, Rows]:
    """Study → searcher → its rows by seed, of whatever has finished."""
    found: dict[str, Rows] = {}
    for file in sorted(folder.glob("*.json")):
        row = json.loads(file.read_text())
        found.setdefault(row["study"], {}).setdefault(row["as"], []).append(row)
    return {study: {s: by[s] for s in COLOURS if s in by} for study, by in sorted(found.items())}


def draw(here: Path) -> None:
    """table.md, a line a campaign, and elites.png."""
    studies = load(here / "results")
    lines = [
        "| study | searcher | seed | elite | test | best episode | at the goal | coverage | generations | frames |",
        "|---" * 10 + "|",
    ]
    for study, by in studies.items():
        for searcher, rows in by.items():
            for r in rows:
                test = f"{r['test']['mean']:.1f}" if "test" in r else "-"
                frames = f"{frames_of(r)[-1]:.0f}" if "steps" in r else "-"
                cells = (study, NAMES[searcher], r["seed"], f"{r['elite']:.1f}", test)
                cells += (f"{r['best']:.1f}", r["rewarded"], f"{r['coverage']:.3f}")
                cells += (r["ga_generations"], frames)
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    (here / "table.md").write_text("\n".join(lines) + "\n")
    if studies:
        save(picture(studies), here / "elites")


def frames_of(row: dict) -> np.ndarray:
    """Emulated frames at each point of the curve."""
    return FRAMES_PER_STEP * np.array(row["steps"], float)


def curve_of(row: dict) -> tuple[np.ndarray, np.ndarray]:
    """What was spent, in frames or in episodes, and the reward of the elite by then."""
    evaluations, reward = np.array(row["curve"], float).T
    return frames_of(row) if "steps" in row else evaluations, reward


def picture(studies: dict[str, Rows]) -> object:
    """The elite's reward over what was spent: mean over seeds, and a band over all of them."""
    width = LEFT + len(studies) * PANEL[0] + (len(studies) - 1) * GAP + 0.25
    made = figure(width, BOTTOM + PANEL[1] + TOP)
    for i, (study, by) in enumerate(studies.items()):
        axes = place(made, (LEFT + i * (PANEL[0] + GAP), BOTTOM, *PANEL))
        dress(axes, f"{study}: elite's reward")
        curves = {s: [curve_of(r) for r in rows] for s, rows in by.items()}
        end = min(x[-1] for group in curves.values() for x, _ in group)
        start = max(x[0] for group in curves.values() for x, _ in group)
        at, shown = np.linspace(start, end, N_POINTS), []
        for searcher, group in curves.items():
            each = np.array([y[np.searchsorted(x, at, "right") - 1] for x, y in group])
            shown.append(each)
            axes.fill_between(
                at, each.min(0), each.max(0), color=COLOURS[searcher], alpha=0.12, linewidth=0
            )
            axes.plot(at, each.mean(0), DASHES[searcher], color=COLOURS[searcher], linewidth=1.3)
        reward_axis(axes, np.concatenate([s.ravel() for s in shown]))
        evaluations_axis(axes, float(end))
        if any("steps" in r for rows in by.values() for r in rows):
            axes.set_xlabel("frames", labelpad=2)
    there = [s for s in COLOURS if any(s in by for by in studies.values())]
    first = made.axes[0]
    lines = [first.plot([], [], DASHES[s], color=COLOURS[s], linewidth=1.4)[0] for s in there]
    made.legend(
        lines,
        [NAMES[s] for s in there],
        loc="upper left",
        bbox_to_anchor=(LEFT / width - 0.01, 1.0),
        ncols=len(there),
        frameon=False,
        fontsize=NORMAL if len(studies) > 1 else SMALL,
        labelcolor=INK,
        columnspacing=1.0,
        handlelength=1.2,
    )
    return made

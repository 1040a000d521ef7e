"""Tables and figures of the STAX study, from results/ and what it shares with the SERENE study."""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from figures import Rows, beside, number, picture, table, value

from qdx.report.canvas import (
    GROUPS,
    INK,
    MUTED,
    SMALL,
    dress,
    figure,
    place,
    save,
)

METHODS = ("stax", "serene", "taxons", "novelty_search", "map_elites", "nsga2")
COLOURS = dict(
    zip(METHODS, (GROUPS[5], GROUPS[1], GROUPS[4], GROUPS[0], GROUPS[2], MUTED), strict=True)
)
CLAIM = {m: COLOURS[m] for m in ("serene", "stax")} | {"stax_signature": GROUPS[3]}
CLAIM |= {m: COLOURS[m] for m in ("taxons", "novelty_search")}
NAMES = {
    "stax": "stax, frames",
    "stax_signature": "stax, signatures",
    "serene": "serene, hand-made",
}
NAMES |= {"taxons": "taxons, frames", "novelty_search": "novelty, hand-made"}
PHASES = ("rollout", "description", "training", "redescription", "selection", "commit", "rest")
# study → the study and the variants whose rows it shares, and the evaluations they are compared at
SHARED = dict.fromkeys(("ablations", "costs", "causes"), "redundant_arm_end")
MARK = {
    "ablations": "25000",
    "costs": "25000",
    "causes": "50000",
    "paper_schedule": "25000",
    "hard_maze": "50000",
    "curling": "50000",
}
FROM_SERENE = ("redundant_arm_end", "redundant_arm_stop", "hard_maze", "curling")


def load(here: Path, folder: str = "results") -> dict[str, dict[str, Rows]]:
    """Study → variant → its rows by seed, of whatever has finished."""
    found: dict[str, dict[str, Rows]] = {}
    for path in sorted((here / folder).glob("*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["study"], {}).setdefault(row["variant"], []).append(row)
    for path in sorted((here.parent / "serene" / folder).glob("*.json")):
        row = json.loads(path.read_text())
        if row["study"] in found and row["study"] in FROM_SERENE and row["searcher"] in METHODS:
            found[row["study"]].setdefault(row["searcher"], []).append(row)
    for study, other in SHARED.items():
        if study in found and "stax" in found.get(other, {}):
            found[study] = {"stax": found[other]["stax"]} | found[study]
    return {study: ordered(by) for study, by in sorted(found.items())}


def ordered(by: dict[str, Rows]) -> dict[str, Rows]:
    known = [m for m in METHODS if m in by]
    return {m: by[m] for m in [*known, *(v for v in by if v not in known)]}


def draw(here: Path) -> None:
    """table.md, a figure a study, and where the time goes."""
    studies = load(here)
    expected = here / "expected.json"
    paper = json.loads(expected.read_text())["paper"] if expected.exists() else {}
    text = [
        "Mean ± sample standard deviation over seeds; `python experiments/stax/run.py --draw` writes"
        " this.\n"
    ]
    for study, by in studies.items():
        mark = MARK.get(study, "100000")
        short = {v: [r for r in rows if mark in r["at"]] for v, rows in by.items()}
        short = {v: rows for v, rows in short.items() if rows}
        text += [f"\n## {study}\n", *(at_mark(short, mark) if study in MARK else table(short))]
        text += beside(by, paper.get(study, {}))
        if study not in MARK:
            save(picture(study, by, colours(by)), here / study)
    text += ["\n## Where the time goes, seconds for 1 000 evaluations\n", *spent(studies)]
    (here / "table.md").write_text("\n".join(text) + "\n")
    save(bars(studies), here / "time")
    if "redundant_arm_end" in studies:
        by = studies.get("signatures", {}) | studies["redundant_arm_end"]
        save(claim(by), here / "claim")


def colours(by: dict[str, Rows]) -> dict[str, str]:
    others = iter([GROUPS[3], GROUPS[6 % len(GROUPS)], INK])
    return {v: COLOURS[v] if v in COLOURS else next(others) for v in by}


def at_mark(by: dict[str, Rows], mark: str) -> list[str]:
    """Coverage and best rewards after so many evaluations, with their spread over seeds."""
    goals = list(next(iter(by.values()))[0]["best"])
    head = ["variant", "seeds", f"coverage at {int(mark):,}".replace(",", " ")]
    head += [f"best, {g}" for g in goals] + ["latent and true distances correlate"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for variant, rows in by.items():
        cells = [variant, len(rows), number([value(r, mark, "coverage") for r in rows])]
        cells += [number([value(r, mark, g) for r in rows]) for g in goals]
        known = [c for r in rows if (c := correlation(r, int(mark))) is not None]
        cells += [number(known) if known else "-"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def correlation(row: dict, mark: int) -> float | None:
    """How latent and true distances correlate after the last training by then.

    Of a space without trainings at the end; None where it is not known when they were.
    """
    lessons = row.get("lessons")
    if not lessons:
        return row.get("truth_correlation")
    by_then = [x for x in lessons if x.get("evaluations", mark + 1) <= mark]
    return by_then[-1]["truth_correlation"] if by_then else None


def timed(studies: dict[str, dict[str, Rows]]) -> dict[str, dict[str, float]]:
    """Campaign → seconds for 1 000 evaluations by phase."""
    found = {}
    for study, by in studies.items():
        for variant, rows in by.items():
            mine = [r for r in rows if "seconds" in r and r["study"] == study]
            if mine:
                per = {p: [1e3 * r["seconds"][p] / r["evaluations"] for r in mine] for p in PHASES}
                found[f"{study}: {variant}"] = {p: float(np.mean(v)) for p, v in per.items()}
    return found


def spent(studies: dict[str, dict[str, Rows]]) -> list[str]:
    lines = [
        "| campaign | " + " | ".join(PHASES) + " | all |",
        "|---" * (len(PHASES) + 2) + "|",
    ]
    for name, by in timed(studies).items():
        cells = [f"{by[p]:.2f}" for p in PHASES] + [f"{sum(by.values()):.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def bars(studies: dict[str, dict[str, Rows]]) -> object:
    """Where the time of a campaign goes: a stacked bar each."""
    rows = timed(studies)
    height = 0.24 * max(len(rows), 1)
    made = figure(6.6, height + 1.2)
    axes = place(made, (2.1, 0.75, 4.2, height))
    dress(axes, "seconds for 1 000 evaluations, one thread, other programs on the machine")
    shades = [*GROUPS[: len(PHASES) - 1], MUTED]
    left = np.zeros(len(rows))
    for phase, colour in zip(PHASES, shades, strict=True):
        wide = np.array([by[phase] for by in rows.values()])
        axes.barh(list(rows), wide, left=left, color=colour, height=0.66, label=phase)
        left += wide
    axes.invert_yaxis()
    axes.tick_params(labelsize=SMALL)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.5, -0.3 / max(height, 0.3)),
        ncols=len(PHASES),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        columnspacing=1.0,
        handlelength=1.0,
    )
    return made


def claim(by: dict[str, Rows]) -> object:
    """How close STAX comes to SERENE with the hand-made descriptor, and at what time."""
    names = ["coverage", *next(iter(by.values()))[0]["best"]]
    shown = [m for m in CLAIM if m in by]
    made = figure(6.6, 2.4)
    left = place(made, (0.5, 0.45, 3.5, 1.5))
    dress(left, "at 100 000 evaluations, each seed a dot")
    for i, method in enumerate(shown):
        for j, name in enumerate(names):
            each = [value(r, "100000", name) for r in by[method] if "100000" in r["at"]]
            if not each:
                continue
            x = j + (i - (len(shown) - 1) / 2) * 0.15
            left.scatter([x] * len(each), each, s=9, color=CLAIM[method], linewidths=0)
            left.plot([x - 0.05, x + 0.05], [np.mean(each)] * 2, color=CLAIM[method], linewidth=2)
    left.set_xticks(range(len(names)), names, fontsize=SMALL)
    left.set_ylim(0, 1.05)
    right = place(made, (4.75, 0.45, 1.55, 1.5))
    dress(right, "seconds for 1 000")
    rates = [
        np.mean([1e3 * r["wall_s"] / r["evaluations"] for r in by[method]]) for method in shown
    ]
    right.bar(range(len(shown)), rates, color=[CLAIM[m] for m in shown], width=0.66)
    right.set_xticks([])
    lines = [left.plot([], [], color=CLAIM[m], linewidth=2)[0] for m in shown]
    made.legend(
        lines,
        [NAMES.get(m, m) for m in shown],
        loc="upper left",
        bbox_to_anchor=(0.03, 1.0),
        ncols=len(shown),
        columnspacing=0.9,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
    return made


__all__ = ["draw", "load", "value"]

"""Table and figures of the study of learned spaces, from results/ alone."""

import json
from pathlib import Path

import numpy as np

from qdx.report.canvas import (
    GROUPS,
    INK,
    MUTED,
    SMALL,
    ceiling_line,
    dress,
    end_labels,
    evaluations_axis,
    figure,
    percent_axis,
    place,
    save,
)

SPACES = (
    *("taxons", "taxons_novelty", "taxons_surprise", "taxons_pareto"),
    *("final", "untrained", "genome", "random", "pixels", "random_search"),
)
COLOURS = dict(zip(SPACES, (*GROUPS, MUTED, "#B0A060", "#A0A0A0"), strict=True))
PANEL, LEFT, BOTTOM, TOP, LABELS = (2.6, 2.0), 0.5, 0.42, 0.3, 1.0  # inches

Rows = list[dict]


def load(folder: Path) -> dict[str, dict[str, Rows]]:
    """Study → space → its rows by seed, of whatever has finished."""
    found: dict[str, dict[str, Rows]] = {}
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["study"], {}).setdefault(row["space"], []).append(row)
    return {study: {s: by[s] for s in SPACES if s in by} for study, by in sorted(found.items())}


def draw(here: Path) -> None:
    """table.md, and a figure with a panel a study."""
    studies = load(here / "results")
    text = [
        "Mean ± sample standard deviation over seeds; `python experiments/taxons/run.py --draw` writes this.\n"
    ]
    for study, by in studies.items():
        text += [f"\n## {study}\n", *table(by)]
    (here / "table.md").write_text("\n".join(text) + "\n")
    if studies:
        save(picture(studies), here / "coverage")


def table(by: dict[str, Rows]) -> list[str]:
    """Coverage, what the space has to do with the truth, and what learning came to."""
    head = [
        "space",
        "seeds",
        "coverage",
        "of reachable",
        "of the archive",
        "correlation with true distances",
    ]
    head += ["trainings", "epochs in all", "last validation error", "evaluations/s, one core"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for space, rows in by.items():
        ceiling = rows[0]["coverage_ceiling"]
        errors = [r["lessons"][-1].get("validation_loss") for r in rows if r["lessons"]]
        cells = [
            space,
            len(rows),
            number([r["coverage"] for r in rows]),
            number([r["coverage"] / ceiling for r in rows]) if ceiling else "-",
            number([r["coverage_archive"] for r in rows]),
            number([r["truth_correlation"] for r in rows]),
            f"{np.mean([len(r['lessons']) for r in rows]):.0f}",
            f"{np.mean([sum(t.get('epochs', 0) for t in r['lessons']) for r in rows]):.0f}",
            number(errors, 5) if errors else "-",
            f"{sum(r['evaluations'] for r in rows) / sum(r['wall_s'] for r in rows):.0f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def number(values: list[float | None], digits: int = 3) -> str:
    known = [v for v in values if v is not None]
    if not known:
        return "-"
    deviation = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}"


def picture(studies: dict[str, dict[str, Rows]]) -> object:
    """Coverage over evaluations: mean, and a band over all seeds."""
    width, height = LEFT + PANEL[0] + LABELS, BOTTOM + PANEL[1] + TOP
    made = figure(width * len(studies), height)
    for column, (study, by) in enumerate(studies.items()):
        axes = place(made, (column * width + LEFT, BOTTOM, *PANEL))
        dress(axes, f"{study}: coverage")
        top = max(max(r["curve"]) for rows in by.values() for r in rows)
        ceiling = next(iter(by.values()))[0]["coverage_ceiling"]
        ceiling_line(axes, ceiling if ceiling and ceiling < 1.08 * top else None)
        percent_axis(axes, 1.08 * top)
        for space, rows in by.items():
            curves = np.array([r["curve"] for r in rows])
            x = np.linspace(0, rows[0]["evaluations"], curves.shape[1])
            colour = COLOURS[space]
            axes.fill_between(
                x, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15, linewidth=0
            )
            axes.plot(x, curves.mean(axis=0), color=colour, linewidth=1.3)
        evaluations_axis(axes, float(max(r["evaluations"] for rows in by.values() for r in rows)))
        ends = [float(np.mean([r["curve"][-1] for r in rows])) for rows in by.values()]
        end_labels(axes, ends, list(by), colours=[COLOURS[s] for s in by])
        axes.title.set(color=INK, size=SMALL + 1)
    return made


__all__ = ["draw", "load"]

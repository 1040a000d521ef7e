"""Tables and figures of the SERENE study, from results/ alone."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from figures import Rows, beside, number, picture, table, value

from qdx.report.canvas import GROUPS, MUTED, save

SEARCHERS = ("serene", "novelty_search", "map_elites", "cma_me", "nsga2", "random_search")
COLOURS = dict(
    zip(SEARCHERS, (GROUPS[1], GROUPS[0], GROUPS[2], GROUPS[3], GROUPS[4], MUTED), strict=True)
)


def load(folder: Path) -> dict[str, dict[str, Rows]]:
    """Study → searcher → its rows by seed, of whatever has finished."""
    found: dict[str, dict[str, Rows]] = {}
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["study"], {}).setdefault(row["searcher"], []).append(row)
    return {study: {s: by[s] for s in SEARCHERS if s in by} for study, by in sorted(found.items())}


def draw(here: Path) -> None:
    """table.md, and a figure a study."""
    reference = json.loads((here / "expected.json").read_text())
    studies, more = load(here / "results"), load(here / "results-more-seeds")
    text = [
        "Mean ± sample standard deviation over seeds; `python experiments/serene/run.py --draw` writes this.\n"
    ]
    for study, by in studies.items():
        text += [f"\n## {study}\n", *table(by)]
        text += beside(by, reference.get("paper", {}).get(study, {}))
        text += with_more_seeds(by, more.get(study, {}), reference["paper"].get(study, {}))
        save(picture(study, by, COLOURS), here / study)
    (here / "table.md").write_text("\n".join(text) + "\n")


def with_more_seeds(by: dict[str, Rows], more: dict[str, Rows], paper: dict) -> list[str]:
    """The same at 100 000 evaluations over the seeds of results-more-seeds/ too."""
    lines, mark = [], "100000"
    for searcher, rows in more.items():
        rows = by[searcher] + rows
        lines += [
            f"\n{searcher} at 100 000 evaluations, seeds {', '.join(str(r['seed']) for r in rows)}:\n"
        ]
        lines += ["| what | each | mean | reference |", "|---|---|---|---|"]
        for what in ("coverage", *rows[0]["best"]):
            each = [value(r, mark, what) for r in rows]
            there = paper.get(searcher, {}).get(mark, {}).get(what)
            cells = (what, " ".join(f"{x:.2f}" for x in each), number(each), f"{there:.2f}")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


__all__ = ["draw", "load", "value"]

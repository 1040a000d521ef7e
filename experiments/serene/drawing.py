"""Tables and figures of the SERENE study, from results/ alone."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from figures import Rows, beside, picture, table, value

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
    studies = load(here / "results")
    text = [
        "Mean ± sample standard deviation over seeds; `python experiments/serene/run.py --draw` writes this.\n"
    ]
    for study, by in studies.items():
        text += [f"\n## {study}\n", *table(by)]
        text += beside(by, reference.get("paper", {}).get(study, {}))
        save(picture(study, by, COLOURS), here / study)
    (here / "table.md").write_text("\n".join(text) + "\n")


__all__ = ["draw", "load", "value"]

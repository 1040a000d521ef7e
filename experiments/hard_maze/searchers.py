"""Searchers side by side on HardMaze at 30 000 episodes: the table of docs/how-to-choose.md.

    python experiments/hard_maze/searchers.py            # runs, or goes on with, the campaigns
    python experiments/hard_maze/searchers.py --table    # the table again, from searchers.json

Every campaign is a run directory under experiments/hard_maze/runs; stop at any moment and start
again. Writes searchers.json beside this file, and the table from it into the page.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from qdx.assembly.config import load
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "how-to-choose.md"
BEGIN, END = "<!-- searchers.py -->\n", "<!-- /searchers.py -->\n"
SET_UPS = {  # row: its config in configs/, and what differs from it
    "novelty_search": ("hard_maze", ()),
    "map_elites, grid, ties replace": ("map_elites", ("archives.cells.ties=replace",)),
    "cma_me, improvement": ("cma_me_improvement", ()),
    "cma_me, the SERENE baseline": ("cma_me", ()),
    "cma_mae": ("cma_mae", ()),
    "dns": ("dns", ()),
    "cma_es": ("cma_es", ()),
    "random_search": ("random_search", ()),
}
KEPT = ("seed", "evaluations", "archive_size", "coverage", "coverage_archive", "best_by_area")


def run_one(row: str, seed: int) -> dict:
    """Run a campaign, or go on with it; what is kept of it."""
    file, overrides = SET_UPS[row]
    out = HERE / "runs" / f"{file}-30000-{seed}"
    begun = (out / "config.yaml").exists()
    config = load(ROOT / "configs" / f"{file}.yaml", [f"seed={seed}", *overrides])
    with Campaign.resume(out) if begun else Campaign(config.resolved(), out) as campaign:
        campaign.run()
    print(f"{out.name}: {campaign.tally.evaluations} evaluations", flush=True)
    summary = StoredRun.open(out).summary()
    return {"row": row, "config": file, "overrides": list(overrides)} | {
        key: summary[key] for key in (*KEPT, "digest", "state_digest")
    }


def line(row: str, runs: list[dict]) -> str:
    """A row of the table: means over seeds."""
    coverage = [run["coverage"] for run in runs]
    size = round(statistics.mean(run["archive_size"] for run in runs))
    archive = statistics.mean(run["coverage_archive"] for run in runs)
    near = statistics.mean(run["best_by_area"]["near goal"] for run in runs)
    far = sum(run["best_by_area"]["far goal"] > 0 for run in runs)
    spread = f"{statistics.mean(coverage):.3f} ± {statistics.stdev(coverage):.3f}"
    cells = (row, spread, f"{size}, {archive:.3f}", f"{near:.2f}", f"{far} of {len(runs)}")
    return f"| {' | '.join(cells)} |\n"


def write_table(runs: list[dict]) -> None:
    """Into the page, the highest coverage first."""
    mine = {row: [run for run in runs if run["row"] == row] for row in SET_UPS}
    first = sorted(mine, key=lambda row: -statistics.mean(r["coverage"] for r in mine[row]))
    names = ("searcher", "coverage", "archive: individuals, coverage", "best reward, near goal")
    head = f"| {' | '.join((*names, 'runs that reached the far goal'))} |\n|---|---|---|---|---|\n"
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    table = head + "".join(line(row, mine[row]) for row in first)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(arguments)
    results = HERE / "searchers.json"
    if not options.table:
        runs = [run_one(row, seed) for row in SET_UPS for seed in options.seeds]
        results.write_text(json.dumps({"seeds": options.seeds, "runs": runs}, indent=1) + "\n")
    if len(options.seeds) > 1:
        write_table(json.loads(results.read_text())["runs"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

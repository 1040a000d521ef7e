"""Coverage of HardMaze at 500 000 evaluations: Novelty Search, MAP-Elites and random search.

    python experiments/hard_maze/run.py            # runs, or goes on with, the campaigns; then draws
    python experiments/hard_maze/run.py --check    # compares results.json with expected.json
    python experiments/hard_maze/run.py --expect --seeds 4    # writes expected.json: other seeds

Every campaign is a run directory under experiments/hard_maze/runs; stop at any moment and start
again. Writes results.json, table.md and curves.{png,svg} beside this file.
"""

import argparse
import json
import sys
from pathlib import Path

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.report.compare import curves, readable, table
from qdx.report.picture import run_picture, save

HERE = Path(__file__).parent
SEARCHERS = ("novelty_search", "map_elites", "random_search")
BUDGET = 500_000
TOLERANCE = {"coverage": 0.1, "reward": 0.1}  # MAP-Elites spreads by 0.1 over seeds, others less
CHECKED = {  # MAP-Elites reaches the far goal with some seeds and not with others
    "novelty_search": ("coverage", "far goal", "near goal"),
    "map_elites": ("coverage", "near goal"),
    "random_search": ("coverage", "far goal", "near goal"),
}
MARKS = (30_000, 100_000, 200_000, 300_000, 500_000)


def run_one(searcher: str, seed: int, budget: int) -> Path:
    """Run a campaign, or go on with it."""
    out = HERE / "runs" / f"{searcher}-{seed}"
    config = {"name": searcher, "seed": seed, "budget": budget, "task": "hard_maze"}
    begun = (out / "config.yaml").exists()
    campaign = Campaign.resume(out) if begun else Campaign(config | {"searcher": searcher}, out)
    with campaign as c:
        c.run()
    print(f"{out.name}: {c.tally.evaluations} evaluations", flush=True)
    return out


def coverage_at(run: StoredRun, evaluations: int) -> float:
    """Coverage at the last generation that ended within so many evaluations."""
    lines = [line for line in run.snapshot.journal if line["evaluations"] <= evaluations]
    return lines[-1]["metrics"]["coverage"]


def row(run: StoredRun) -> dict:
    """What is kept of a campaign."""
    s = run.summary()
    kept = ("searcher", "seed", "evaluations", "coverage", "coverage_archive", "uniformity")
    more = ("qd_score", "best_by_area", "rewarded", "archive_size")
    return {k: s[k] for k in (*kept, *more)} | {
        "coverage_of_ceiling": s["coverage"] / s["coverage_ceiling"],
        "coverage_at": {str(mark): coverage_at(run, mark) for mark in MARKS},
    }


def means(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Mean coverage and best rewards per searcher."""
    found = {}
    for searcher in SEARCHERS:
        mine = [r for r in rows if r["searcher"] == searcher]
        found[searcher] = {"coverage": sum(r["coverage"] for r in mine) / len(mine)}
        for goal in mine[0]["best_by_area"]:
            best = [r["best_by_area"][goal] for r in mine]
            found[searcher][goal] = sum(best) / len(best)
    return found


def check() -> int:
    """0 when every mean lies within its tolerance of expected.json."""
    expected = json.loads((HERE / "expected.json").read_text())
    found = means(json.loads((HERE / "results.json").read_text())["runs"])
    wrong = 0
    for searcher, names in CHECKED.items():
        for name in names:
            value = expected["means"][searcher][name]
            tolerance = expected["tolerance"]["coverage" if name == "coverage" else "reward"]
            off = abs(found[searcher][name] - value)
            wrong += off > tolerance
            verdict = "ok " if off <= tolerance else "OFF"
            print(
                f"{verdict} {searcher:15s} {name:10s} {found[searcher][name]:.3f} for {value:.3f}"
            )
    return int(wrong > 0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--expect", action="store_true")
    options = parser.parse_args(arguments)
    if options.check:
        return check()
    paths = [run_one(s, seed, options.budget) for seed in options.seeds for s in SEARCHERS]
    runs = [StoredRun.open(path) for path in paths]
    rows = [row(run) for run in runs]
    if options.expect:
        expected = {"seeds": options.seeds, "tolerance": TOLERANCE, "means": means(rows)}
        (options.out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        return 0
    results = {"budget": options.budget, "means": means(rows), "runs": rows}
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    shown = readable(table(runs))
    (options.out / "table.md").write_text(markdown(shown))
    save(curves(runs), options.out / "curves")
    save(run_picture(runs[0]), options.out / "novelty_search")
    print(shown.to_string(index=False))
    return 0


def markdown(frame: object) -> str:
    """A table of text as Markdown."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|---" * len(frame.columns) + "|"]
    lines += ["| " + " | ".join(map(str, values)) + " |" for values in frame.values.tolist()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

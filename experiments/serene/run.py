"""SERENE beside its baselines on the sparse-reward tasks.

    python experiments/serene/run.py                     # runs, or goes on with, all campaigns; then draws
    python experiments/serene/run.py --only curling      # one study
    python experiments/serene/run.py --jobs 2            # campaigns at a time, one core each
    python experiments/serene/run.py --draw              # tables and figures from results/ alone
    python experiments/serene/run.py --seeds 4 --short --out results-of-seed-4    # for expected.json

Every campaign is a run directory under experiments/serene/runs: stop at any moment, start again. What
is kept of a finished one is a file in results/; a campaign whose file is there is not run again.
`check.py` compares results/ with expected.json.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from drawing import draw

from qdx.assembly.parts import build_task
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.report.curve import curves_of

HERE = Path(__file__).parent
LONG, SHORT = 500_000, 100_000
SEARCHERS = ("serene", "novelty_search", "map_elites", "cma_me", "nsga2", "random_search")
EXTRA = {
    "map_elites": {"archives": {"cells": {"kind": "grid", "ties": "replace"}}}
}  # as the author's
MARKS = (300, 50_000, 100_000, 200_000, 300_000, 400_000, 500_000)
N_POINTS = 101  # of a kept curve


@dataclass(frozen=True)
class Study:
    """One task, and how long each searcher works on it."""

    task: str | dict
    budgets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEARCHERS, SHORT))
    searcher: dict = field(default_factory=dict)  # parameters that are not the defaults


BOTH = {**dict.fromkeys(SEARCHERS, SHORT), "serene": LONG, "novelty_search": LONG}
STUDIES = {
    "curling": Study("curling", BOTH),
    "hard_maze": Study("hard_maze", BOTH),
    "redundant_arm_end": Study({"kind": "redundant_arm", "reward": "end"}),
    "redundant_arm_stop": Study({"kind": "redundant_arm", "reward": "stop"}),
    "collect_ball": Study("collect_ball"),
    "curling_16_emitters": Study("curling", {"serene": SHORT}, {"concurrent_emitters": 16}),
}


def run_one(study: str, searcher: str, seed: int, budget: int, out: Path) -> str:
    """Run a campaign, or go on with it; keep what it found."""
    name = f"{study}-{searcher}-{seed}"
    kept, folder = out / f"{name}.json", HERE / "runs" / name
    if kept.exists():
        return f"{name}: kept already"
    if (folder / "config.yaml").exists():
        campaign = Campaign.resume(folder)
    else:
        config = {"name": name, "seed": seed, "task": STUDIES[study].task, "budget": budget}
        config |= {"searcher": {"kind": searcher, **STUDIES[study].searcher}} | EXTRA.get(
            searcher, {}
        )
        campaign = Campaign(config | {"executor": {"kind": "local", "threads": 1}}, folder)
    with campaign as c:
        c.run()
    row = result(study, StoredRun.open(folder))
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row) + "\n")
    return f"{name}: coverage {row['coverage']:.3f}, best {row['best']}, {row['wall_s']:.0f} s"


def result(study: str, run: StoredRun) -> dict:
    """What is kept of a campaign: its end, its marks, its curves, and who spent the budget."""
    s = run.summary()
    goals = list(s["best_by_area"])
    curves = curves_of(run, build_task(run.config).facts)
    row = {"study": study} | {k: s[k] for k in ("searcher", "seed", "evaluations", "coverage")}
    row |= {"coverage_ceiling": s["coverage_ceiling"], "best": rounded(s["best_by_area"])}
    row |= {"at": {str(m): at(curves, m, goals) for m in MARKS if m <= curves.end}}
    row |= {"share": shares(run, goals)}
    every = curves.at(np.linspace(0, s["evaluations"], N_POINTS))
    row |= {"curve": {"coverage": every.coverage.round(4).tolist()}}
    row["curve"] |= {g: every.best[:, i].round(4).tolist() for i, g in enumerate(goals)}
    row |= {k: s[k] for k in ("uniformity", "archive_size", "rewarding_size", "wall_s")}
    return row | {k: s[k] for k in ("digest", "state_digest")}


def at(curves: object, evaluations: int, goals: list[str]) -> dict:
    """Coverage and best rewards at the last generation that ended within so many evaluations."""
    there = curves.at(np.array([float(evaluations)]))
    best = dict(zip(goals, there.best[0].tolist(), strict=True))
    return {"coverage": round(float(there.coverage[0]), 4), "best": rounded(best)}


def shares(run: StoredRun, goals: list[str]) -> dict:
    """Share of the budget per goal: spent by emitters on it, or on individuals rewarded by it."""
    line = run.snapshot.journal[-1]
    spent = line["searcher"].get("spent")
    counts = (
        [spent.get(str(i), 0) for i in range(len(goals))] if spent else line["metrics"]["rewarded"]
    )
    total = line["evaluations"]
    shared = dict(zip(goals, [n / total for n in counts], strict=True))
    return rounded({"exploration": 1 - sum(counts) / total} | shared)


def rounded(numbers: dict) -> dict:
    return {k: round(float(v), 4) for k, v in numbers.items()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--searchers", nargs="+", choices=SEARCHERS, default=SEARCHERS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="100 000 evaluations for all")
    parser.add_argument("--out", default="results")
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args(arguments)
    if not options.draw:
        jobs = [
            (
                study,
                searcher,
                seed,
                min(budget, SHORT) if options.short else budget,
                HERE / options.out,
            )
            for study in options.only
            for searcher, budget in STUDIES[study].budgets.items()
            if searcher in options.searchers
            for seed in options.seeds
        ]
        with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
            for done in as_completed([pool.submit(run_one, *job) for job in jobs]):
                print(done.exception() or done.result(), flush=True)
    if options.out == "results":
        draw(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

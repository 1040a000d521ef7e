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
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import run_all, run_one  # noqa: E402
from drawing import draw  # noqa: E402

LONG, SHORT = 500_000, 100_000
SEARCHERS = ("serene", "novelty_search", "map_elites", "cma_me", "nsga2", "random_search")
EXTRA = {
    "map_elites": {"archives": {"cells": {"kind": "grid", "ties": "replace"}}}
}  # as the author's


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


def run(study: str, searcher: str, seed: int, budget: int, out: Path) -> str:
    """One campaign."""
    name = f"{study}-{searcher}-{seed}"
    config = {"seed": seed, "task": STUDIES[study].task, "budget": budget}
    config |= {"searcher": {"kind": searcher, **STUDIES[study].searcher}}
    config |= EXTRA.get(searcher, {}) | {"executor": {"kind": "local", "threads": 1}}
    return run_one(config, HERE / "runs" / name, out / f"{name}.json", {"study": study})


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
        run_all(run, jobs, options.jobs)
    if options.out == "results":
        draw(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

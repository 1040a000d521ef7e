"""STAX beside SERENE, TAXONS and baselines; its ablations; what its trainings may cost.

    python experiments/stax/run.py                       # runs, or goes on with, all campaigns; then draws
    python experiments/stax/run.py --only hard_maze      # one study
    python experiments/stax/run.py --variants stax       # some of the variants
    python experiments/stax/run.py --jobs 2              # campaigns at a time, one core each
    python experiments/stax/run.py --draw                # table and figures from results/ alone
    python experiments/stax/run.py --budget 600 --seeds 1 --out tried    # does it run?
    python experiments/stax/run.py --seeds 4 --only redundant_arm_end --out results-of-seed-4    # for expected.json

Every campaign is a run directory under experiments/stax/runs: stop at any moment, start again. What is kept of a
finished one is a file in results/; a campaign whose file is there is not run again. Campaigns without a learned
space are those of the SERENE study where it has them (../serene/results). `check.py` compares results/ with
expected.json.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import run_all, run_one  # noqa: E402
from drawing import draw  # noqa: E402

LEARNED = {"descriptor": {"precision": "bfloat16"}}  # faster; float32 is a variant
SINGLE = {"observer": {"samples": 1}}
ARM = {"kind": "redundant_arm", "reward": "end"}
STOP = {"kind": "redundant_arm", "reward": "stop"}
TIES = {"archives": {"cells": {"kind": "grid", "ties": "replace"}}}  # as the author's


def autoencoder(**keys: object) -> dict:
    """STAX with an autoencoder that is not the default one."""
    return {"searcher": "stax", "descriptor": {**LEARNED["descriptor"], **keys}}


STAX = {"searcher": "stax"} | LEARNED
FIVE = {"observer": {"kind": "frames", "samples": 5}}
SIGNATURE = {"observer": {"kind": "signature", "depth": 3}}
VARIANTS = {
    "stax": STAX,
    "taxons": {"searcher": {"kind": "taxons", "selection": "pareto"}} | FIVE | LEARNED,
    "serene": {"searcher": "serene"},
    "novelty_search": {"searcher": "novelty_search"},
    "map_elites": {"searcher": "map_elites"} | TIES,
    "nsga2": {"searcher": "nsga2"},
    # without a picture
    "stax_signature": STAX | SIGNATURE | {"descriptor": {"network": "mlp"}},
    "serene_signature": {"searcher": "serene"} | SIGNATURE,
    # the paper's ablations
    "alternate": STAX | {"searcher": {"kind": "stax", "selection": "alternate"}},
    "single_frame": STAX | SINGLE,
    "novelty_alone": STAX | {"searcher": {"kind": "stax", "selection": "novelty"}},
    "reset": autoencoder(reset=True),
    "untrained": autoencoder(train=False),
    # what a training may cost, in frames shown
    "shown_1024": autoencoder(max_shown=1024),
    "shown_40960": autoencoder(max_shown=40960),
    "paper_schedule": autoencoder(schedule="paper"),
    "minibatches_of_32": autoencoder(batch=32),
    "float32": autoencoder(precision="float32"),
}
METHODS = ("stax", "taxons", "serene", "novelty_search", "map_elites", "nsga2")
CHEAP = ("serene", "novelty_search", "map_elites", "nsga2")
ABLATIONS = ("stax", "alternate", "single_frame", "reset", "untrained")
COSTS = ("stax", "shown_1024", "shown_40960", "minibatches_of_32", "float32")


@dataclass(frozen=True)
class Study:
    """One task, how long each variant works on it, and with how many seeds."""

    task: str | dict
    budgets: dict[str, int]
    seeds: int = 3


STUDIES = {
    "redundant_arm_end": Study(ARM, dict.fromkeys(METHODS, 100_000)),
    "redundant_arm_stop": Study(STOP, dict.fromkeys(METHODS, 100_000)),
    "hard_maze": Study("hard_maze", dict.fromkeys(("stax", "taxons"), 50_000)),
    "curling": Study("curling", dict.fromkeys(("stax", "taxons"), 50_000)),
    "signatures": Study(ARM, dict.fromkeys(("stax_signature", "serene_signature"), 100_000)),
    "ablations": Study(ARM, dict.fromkeys(ABLATIONS, 25_000)),
    "costs": Study(ARM, dict.fromkeys(COSTS, 25_000)),
    # what keeps coverage below the paper's?
    "causes": Study(ARM, dict.fromkeys(("stax", "novelty_alone"), 50_000)),
    "paper_schedule": Study(ARM, {"paper_schedule": 25_000}, seeds=1),
    "long": Study(ARM, dict.fromkeys(("stax", *CHEAP), 500_000), seeds=1),
}
SHARED = {  # campaigns of the SERENE study: task and searcher with the same parameters
    (study, searcher)
    for study in ("redundant_arm_end", "redundant_arm_stop", "hard_maze", "curling")
    for searcher in CHEAP
}
SAME = {
    ("ablations", "stax"),
    ("costs", "stax"),
    ("causes", "stax"),
}  # marks of redundant_arm_end's on their way


def run(study: str, variant: str, seed: int, budget: int, out: Path) -> str:
    """One campaign."""
    name = f"{study}-{variant}-{seed}"
    config = {"seed": seed, "task": STUDIES[study].task, "budget": budget}
    config |= VARIANTS[variant] | {"executor": {"kind": "local", "threads": 1}}
    labels = {"study": study, "variant": variant}
    return run_one(config, HERE / "runs" / out.name / name, out / f"{name}.json", labels)


def jobs(options: argparse.Namespace) -> list[tuple]:
    """The campaigns that were asked for and are not those of another study."""
    wanted = []
    for study in options.only:
        for variant, budget in STUDIES[study].budgets.items():
            elsewhere = (study, variant) in SHARED | SAME
            if variant in options.variants and not elsewhere:
                seeds = options.seeds or range(1, STUDIES[study].seeds + 1)
                budget = options.budget or budget
                wanted += [(study, variant, seed, budget, HERE / options.out) for seed in seeds]
    return wanted


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="results")
    parser.add_argument("--budget", type=int, help="of all, to see whether it runs")
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args(arguments)
    if options.budget and options.out == "results":
        parser.error("--budget makes other numbers: give --out another folder")
    if not options.draw:
        run_all(run, jobs(options), options.jobs)
    if options.out == "results":
        draw(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

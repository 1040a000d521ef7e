"""Deep GA beside random search, and novelty beside reward, on a deceptive maze and on Frostbite.

    python experiments/deep_ga/run.py                      # runs, or goes on with, all campaigns; then draws
    python experiments/deep_ga/run.py --only sensor_maze   # one study, minutes
    python experiments/deep_ga/run.py --jobs 2             # campaigns at a time, one core each
    python experiments/deep_ga/run.py --draw               # table and figure from results/ alone
    python experiments/deep_ga/run.py --budget 200 --seeds 1 --out tried    # does it run?

Every campaign is a run directory under experiments/deep_ga/runs: stop at any moment, start again. What is
kept of a finished one is a file in results/; a campaign whose file is there is not run again.
`check.py` says which claims results/ supports.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import finished, run_all  # noqa: E402
from drawing import draw  # noqa: E402

from qdx.assembly.parts import build  # noqa: E402
from qdx.assembly.stored import StoredRun  # noqa: E402
from qdx.core.types import Genomes, Purpose, take  # noqa: E402

MAZE = {"population": 1000, "parents": 20, "sigma": 0.1, "candidates": 0}
EYES = {"population": 500, "parents": 20, "sigma": 0.1, "candidates": 0}
TOY = {"population": 100, "parents": 10, "sigma": 0.002, "candidates": 10, "episodes": 5}
NETWORK = {"kind": "dqn_small", "padding": "valid", "pipelines": 1}
N_TESTS = 30  # episodes of a final elite, for the report alone
FIRST_TEST = 1_000_000  # trials that no campaign comes to


@dataclass(frozen=True)
class Study:
    """One task, and who searches on it."""

    config: dict
    budget: int
    searchers: dict[str, dict]
    is_tested: bool = (
        False  # whether episodes differ, so that an elite's mean says more than its luck
    )


STUDIES = {
    # GA-NS reaches the goal, the GA stays in the dead end nearest to it
    "sensor_maze": Study(
        {"task": "sensor_maze"},
        60_000,
        {"ga_ns": MAZE | {"novelty": 1}, "ga": MAZE, "random": MAZE | {"parents": 0}},
    ),
    # the same with a convolutional network; reduced, see README.md
    "image_maze": Study(
        {"task": {"kind": "image_maze", "side": 42, "held": 8}, "policy": NETWORK},
        150_000,
        {"ga_ns": EYES | {"novelty": 1}, "ga": EYES},
    ),
    # 20 generations of the toy preset; random search is the same program without parents
    "frostbite": Study(
        {
            "task": {"kind": "atari", "game": "frostbite", "cap": 500},
            "policy": NETWORK | {"slots": 32, "lanes": 5},
            "budget_steps": 10**9,  # never spent: it makes steps be counted
        },
        3_000,
        {"ga": TOY, "random": TOY | {"parents": 0}},
        is_tested=True,
    ),
}


def run(study: str, searcher: str, seed: int, budget: int, out: Path) -> str:
    """Run a campaign, or go on with it; keep what it found."""
    name, of = f"{study}-{searcher}-{seed}", STUDIES[study]
    kept, folder = out / f"{name}.json", HERE / "runs" / out.name / name
    if kept.exists():
        return f"{name}: kept already"
    config = {"name": name, "seed": seed, "budget": budget, "encoding": {"noise": "philox"}}
    config |= of.config | {"executor": {"kind": "local", "threads": 1}}
    config |= {"searcher": {"kind": "deep_ga", **of.searchers[searcher]}}
    stored = finished(config, folder)
    row = {"study": study, "as": searcher} | result(stored)
    if of.is_tested:
        row |= {"test": tested(stored)}
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row) + "\n")
    return f"{name}: {row['elite']:.1f}, {row['wall_s']:.0f} s"


def result(run: StoredRun) -> dict:
    """What is kept of a campaign: its elite's reward over the generations, and where it got."""
    s, journal = run.summary(), run.snapshot.journal
    ended = [
        line
        for line in journal
        if line["searcher"]["elite_reward"] is not None and not line["searcher"]["validating"]
    ]
    curve = [[x["evaluations"], round(x["searcher"]["elite_reward"], 3)] for x in ended]
    row = {
        "seed": s["seed"],
        "evaluations": s["evaluations"],
        "elite": curve[-1][1],  # mean of its fresh episodes, where they differ
        "best": s["best_fitness"],  # luckiest episode of anybody
        "rewarded": sum(s["rewarded"].values()),
        "coverage": round(s["coverage"], 4),
        "ga_generations": journal[-1]["searcher"]["ga_generation"],
        "curve": curve,
    }
    if "steps" in journal[-1]["metrics"]:
        row |= {"steps": [x["metrics"]["steps"] for x in ended]}  # at each point of the curve
    return row | {k: s[k] for k in ("wall_s", "digest", "state_digest")}


def tested(run: StoredRun) -> dict:
    """The final elite in fresh episodes, the same ones for every campaign of a seed."""
    parts, one = build(run.config), run.evaluations(np.array([run.best()])).genomes
    parts.executor.close()
    several: Genomes = take(one, np.zeros(N_TESTS, np.int64))
    trials = FIRST_TEST + np.arange(N_TESTS, dtype=np.int32)
    purpose = np.full(N_TESTS, Purpose.VALIDATION, np.int32)
    fields = {k: getattr(several, k) for k in several.__dataclass_fields__}
    fitness = parts.rollout(Genomes(**fields | {"trial": trials, "purpose": purpose})).fitness
    return {"mean": round(float(fitness.mean()), 1), "episodes": fitness.tolist()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    searchers = sorted({s for study in STUDIES.values() for s in study.searchers})
    parser.add_argument("--searchers", nargs="+", choices=searchers, default=searchers)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="results")
    parser.add_argument("--budget", type=int, help="of all, to see whether it runs")
    parser.add_argument("--draw", action="store_true")
    o = parser.parse_args(arguments)
    if o.budget and o.out == "results":
        parser.error("--budget makes other numbers: give --out another folder")
    if not o.draw:
        jobs = [
            (study, searcher, seed, o.budget or STUDIES[study].budget, HERE / o.out)
            for study in o.only
            for searcher in STUDIES[study].searchers
            if searcher in o.searchers
            for seed in o.seeds
        ]
        run_all(run, jobs, o.jobs)
    if o.out == "results":
        draw(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

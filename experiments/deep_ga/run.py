"""Deep GA beside random search, and novelty beside reward, on a deceptive maze and on Frostbite.

    python experiments/deep_ga/run.py                      # runs, or goes on with, all campaigns
    python experiments/deep_ga/run.py --only sensor_maze   # minutes
    python experiments/deep_ga/run.py --draw               # the table from results/ alone

Every campaign is a run directory under experiments/deep_ga/runs: stop at any moment, start again. What is
kept of a finished one is a file in results/; a campaign whose file is there is not run again.
`check.py` compares results/ with expected.json.
"""

import argparse
import json
import sys
from pathlib import Path

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign

HERE = Path(__file__).parent
MAZE = {"population": 1000, "parents": 20, "sigma": 0.1, "candidates": 0}
EYES = {"population": 200, "parents": 10, "sigma": 0.005, "candidates": 0}
TOY = {"population": 100, "parents": 10, "sigma": 0.002, "candidates": 10, "episodes": 5}
STUDIES = {
    # GA-NS reaches the goal, the GA stays in the dead end nearest to it
    "sensor_maze": {
        "task": "sensor_maze",
        "budget": 60_000,
        "searchers": {"ga_ns": MAZE | {"novelty": 1}, "ga": MAZE, "random": MAZE | {"parents": 0}},
    },
    # the same with a convolutional network, reduced: 200 children, not 20 000
    "image_maze": {
        "task": "image_maze",
        "policy": {"kind": "dqn_small", "padding": "valid"},
        "budget": 20_000,
        "searchers": {"ga_ns": EYES | {"novelty": 1}, "ga": EYES},
    },
    # 20 generations of the toy preset; random search with the same frames
    "frostbite": {
        "task": {"kind": "atari", "game": "frostbite", "cap": 500},
        "policy": {"kind": "dqn_small", "padding": "valid", "slots": 32, "lanes": 5},
        "budget": 3_000,
        "searchers": {"ga": TOY, "random": TOY | {"parents": 0}},
    },
}


def run_one(study: str, searcher: str, seed: int, threads: int) -> str:
    """Run a campaign, or go on with it; keep what it found."""
    name = f"{study}-{searcher}-{seed}"
    kept, folder = HERE / "results" / f"{name}.json", HERE / "runs" / name
    if kept.exists():
        return f"{name}: kept already"
    if (folder / "config.yaml").exists():
        campaign = Campaign.resume(folder, [f"budget={STUDIES[study]['budget']}"])
    else:
        config = {k: v for k, v in STUDIES[study].items() if k != "searchers"}
        config |= {"name": name, "seed": seed, "encoding": {"noise": "philox"}}
        config |= {"searcher": {"kind": "deep_ga", **STUDIES[study]["searchers"][searcher]}}
        campaign = Campaign(config | {"executor": {"kind": "local", "threads": threads}}, folder)
    with campaign as c:
        c.run()
    row = {"study": study, "as": searcher} | result(StoredRun.open(folder))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row) + "\n")
    return f"{name}: {row['elite']:.1f}, {row['wall_s']:.0f} s"


def result(run: StoredRun) -> dict:
    """What is kept of a campaign: its elite's reward over the generations, and where it got."""
    s, journal = run.summary(), run.snapshot.journal
    line = journal[-1]
    curve = [
        [x["evaluations"], round(x["searcher"]["elite_reward"], 3)]
        for x in journal
        if x["searcher"]["elite_reward"] is not None and not x["searcher"]["validating"]
    ]
    return {
        "seed": s["seed"],
        "evaluations": s["evaluations"],
        "elite": curve[-1][1],  # mean of its fresh episodes, where they differ
        "best": s["best_fitness"],  # luckiest episode of anybody
        "rewarded": sum(s["rewarded"].values()),
        "coverage": round(s["coverage"], 4),
        "ga_generations": line["searcher"]["ga_generation"],
        "curve": curve,
        "wall_s": s["wall_s"],
        "digest": s["digest"],
        "state_digest": s["state_digest"],
    }


def draw() -> None:
    """table.md: a line a campaign."""
    rows = [json.loads(p.read_text()) for p in sorted((HERE / "results").glob("*.json"))]
    lines = [
        "| study | searcher | seed | elite | best episode | at the goal | coverage | generations |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {r['study']} | {r['as']} | {r['seed']} | {r['elite']:.1f} | {r['best']:.1f} | {r['rewarded']} "
        f"| {r['coverage']:.3f} | {r['ga_generations']} |"
        for r in rows
    ]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--draw", action="store_true")
    options = parser.parse_args(arguments)
    for study in options.only if not options.draw else []:
        for searcher in STUDIES[study]["searchers"]:
            for seed in options.seeds:
                print(run_one(study, searcher, seed, options.threads), flush=True)
    draw()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

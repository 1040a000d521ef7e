"""Time coverage on CollectBall: what a behaviour descriptor sees is what Novelty Search spreads.

    python experiments/signatures/run.py                # runs, or goes on with, the campaigns; then draws
    python experiments/signatures/run.py --jobs 2       # campaigns at a time, one core each
    python experiments/signatures/run.py --check        # does results.json bear the claim out?
    python experiments/signatures/run.py --seeds 1 --budget 2000 --out try    # a look at it, in minutes

Every campaign is a run directory under runs/: stop at any moment and start again. Then every archived
individual is run again, and the share of the 50 x 50 grid counted that the archive covers at 100
moments of the episode. Writes results.json, table.md and time_coverage.{png,svg} beside this file.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import finished  # noqa: E402

from qdx.assembly.stored import StoredRun  # noqa: E402
from qdx.report.compare import readable, table  # noqa: E402
from qdx.report.picture import save  # noqa: E402
from qdx.report.time_coverage import columns, measure, picture, time_coverage  # noqa: E402

STEPS = 2000  # of an episode: signatures are those of the whole path, as in the thesis
SIGN = {"kind": "signature", "samples": STEPS, "normalise": False}
VARIANTS = {  # the names of the thesis: what the descriptor of Novelty Search is made of
    "NS_1ts": "final",
    "NS_5ts": {"kind": "checkpoints", "samples": 5},
    "SIGN_2": SIGN | {"depth": 2, "time": False},
    "SIGN_5": SIGN | {"depth": 5, "time": False},
    "TIME-SIGN_2": SIGN | {"depth": 2, "time": True},
    "TIME-SIGN_5": SIGN | {"depth": 5, "time": True},
}
BUDGET = 500_000  # 2 500 generations of 200
MARKS = (20_000, 100_000, 200_000, 500_000)  # evaluations after which the archive is looked at
MOMENTS = 100  # as in the notebook of the STAX code


def run_one(variant: str, seed: int, budget: int, out: Path) -> Path:
    """Run a campaign, or go on with it."""
    folder = out / "runs" / f"{variant}-{seed}"
    config = {"name": variant, "seed": seed, "budget": budget, "task": "collect_ball"}
    config |= {"searcher": "novelty_search", "observer": VARIANTS[variant]}
    finished(config | {"executor": {"kind": "local", "threads": 1}}, folder)
    return folder


def row(run: StoredRun) -> dict:
    """What is kept of a campaign: its time coverage, at every mark it has reached."""
    s = run.summary()
    marks = sorted({*(m for m in MARKS if m < s["evaluations"]), s["evaluations"]})
    shares = {str(m): time_coverage(run, MOMENTS, until=m).round(4).tolist() for m in marks}
    kept = {k: s[k] for k in ("name", "seed", "evaluations", "coverage", "archive_size", "wall_s")}
    backend = run.config.observer.resolved().get("backend")
    return kept | {"backend": backend, "time_coverage": shares, "digest": s["digest"]}


def means(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Per variant, over seeds: coverage at the end of the episode, and over its two halves."""
    found = {}
    for variant in VARIANTS:
        last = [list(r["time_coverage"].values())[-1] for r in rows if r["name"] == variant]
        if last:
            share = np.mean(last, axis=0)
            halves = {"first half": share[: MOMENTS // 2], "second half": share[MOMENTS // 2 :]}
            found[variant] = {k: round(float(v.mean()), 4) for k, v in halves.items()}
            found[variant]["end"] = round(float(share[-1]), 4)
    return found


def check(out: Path) -> int:
    """0 when, as in the thesis, final states win at the end and lose over the first half."""
    found = means(json.loads((out / "results.json").read_text())["runs"])
    final, wrong = found.pop("NS_1ts"), 0
    for variant, share in found.items():
        for when, holds in (
            ("end", share["end"] <= final["end"]),
            ("first half", share["first half"] >= final["first half"]),
        ):
            wrong += not holds
            verdict = "ok " if holds else "OFF"
            print(f"{verdict} {variant:12s} {when:10s} {share[when]:.4f}, NS_1ts {final[when]:.4f}")
    return int(wrong > 0)


def markdown(frame: object) -> str:
    """A table of text as Markdown."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|---" * len(frame.columns) + "|"]
    lines += ["| " + " | ".join(map(str, values)) + " |" for values in frame.values.tolist()]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if options.check:
        return check(options.out)
    jobs = [(v, s, options.budget, options.out) for s in options.seeds for v in options.variants]
    folders = []
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for done in [pool.submit(run_one, *job) for job in jobs]:
            folders.append(done.result())
            print(f"{folders[-1].name}: finished", flush=True)
    runs = [StoredRun.open(folder) for folder in folders]
    rows = [row(run) for run in runs]
    results = {"budget": options.budget, "means": means(rows), "runs": rows}
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    measured = measure(runs, MOMENTS)
    shown = readable(table(runs).join(columns(measured)))
    (options.out / "table.md").write_text(markdown(shown))
    save(picture(measured), options.out / "time_coverage")
    print(shown.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

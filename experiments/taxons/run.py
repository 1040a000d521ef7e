"""Learned behaviour spaces beside hand-made, untrained and meaningless ones: coverage of the true space.

    python experiments/taxons/run.py                     # runs, or goes on with, all campaigns; then draws
    python experiments/taxons/run.py --only curling      # one study
    python experiments/taxons/run.py --spaces taxons final    # some of the spaces
    python experiments/taxons/run.py --jobs 2            # campaigns at a time, one core each
    python experiments/taxons/run.py --draw              # table and figures from results/ alone
    python experiments/taxons/run.py --budget 400 --smoke --seeds 1 --out tried    # does it run?

Every campaign is a run directory under experiments/taxons/runs: stop at any moment, start again. What is
kept of a finished one is a file in results/; a campaign whose file is there is not run again.
`check.py` says which claims results/ supports.
"""

import argparse
import sys
from dataclasses import dataclass
from json import dumps
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import finished, run_all  # noqa: E402
from drawing import draw  # noqa: E402

from qdx.assembly.parts import build_task  # noqa: E402
from qdx.assembly.stored import StoredRun  # noqa: E402
from qdx.assembly.tables import TASKS  # noqa: E402
from qdx.report.curve import curves_of  # noqa: E402

BUDGET = 20_000
N_POINTS = 101  # of a kept curve
STUDIES = [task for task in ("hard_maze", "curling", "billiard") if task in TASKS]
FRAMES = {"observer": "frames"}
LEARNED = FRAMES | {"descriptor": {"kind": "autoencoder", "precision": "bfloat16"}}  # faster
UNTRAINED = FRAMES | {"descriptor": {"kind": "autoencoder", "train": False}}
SPACES = {  # names of the ICRA paper in parentheses
    "taxons": LEARNED | {"searcher": "taxons"},
    "taxons_novelty": LEARNED
    | {"searcher": {"kind": "taxons", "selection": "novelty"}},  # (TAXO-N)
    "taxons_surprise": LEARNED
    | {"searcher": {"kind": "taxons", "selection": "surprise"}},  # (TAXO-S)
    "taxons_pareto": LEARNED | {"searcher": {"kind": "taxons", "selection": "pareto"}},
    "final": {"searcher": "novelty_search"},  # hand-made (NS)
    "untrained": UNTRAINED | {"searcher": "novelty_search"},  # (NT)
    "genome": {"descriptor": "genome", "searcher": "novelty_search"},  # (PS)
    "random": {"descriptor": "random", "searcher": "novelty_search"},  # (RBD)
    "pixels": FRAMES | {"descriptor": "pixels", "searcher": "novelty_search"},  # (IBD)
    "random_search": {"searcher": "random_search"},  # (RS)
}


@dataclass(frozen=True)
class Job:
    """One campaign, and where what it found is kept."""

    study: str
    space: str
    seed: int
    budget: int
    out: Path
    smoke: bool

    @property
    def name(self) -> str:
        return f"{self.study}-{self.space}-{self.seed}"

    @property
    def config(self) -> dict:
        config = {"name": self.name, "seed": self.seed, "task": self.study, "budget": self.budget}
        return config | SPACES[self.space] | {"executor": {"kind": "local", "threads": 1}}

    @property
    def overrides(self) -> list[str]:
        """What makes a campaign one of seconds."""
        space, given = SPACES[self.space], []
        if "observer" in space:
            given += ["observer.size=16"]
        if "autoencoder" in str(space):
            given += ["descriptor.max_epochs=1"]
        if "taxons" in self.space:
            given += ["searcher.chunk=200"]
        return given if self.smoke else []


def run_one(job: Job) -> str:
    """Run a campaign, or go on with it; keep what it found."""
    kept, folder = job.out / f"{job.name}.json", HERE / "runs" / job.out.name / job.name
    if kept.exists():
        return f"{job.name}: kept already"
    row = result(job, finished(job.config, folder, job.overrides))
    job.out.mkdir(parents=True, exist_ok=True)
    kept.write_text(dumps(row) + "\n")
    return f"{job.name}: coverage {row['coverage']:.3f}, {row['wall_s']:.0f} s"


def result(job: Job, run: StoredRun) -> dict:
    """What is kept of a campaign: its end, its curve, and what its trainings came to."""
    s = run.summary()
    curve = curves_of(run, build_task(run.config).facts).at(
        np.linspace(0, s["evaluations"], N_POINTS)
    )
    row = {"study": job.study, "space": job.space, "seed": job.seed}
    keys = ("evaluations", "coverage", "coverage_ceiling", "coverage_archive", "uniformity")
    row |= {k: s[k] for k in keys}
    row |= {"curve": curve.coverage.round(4).tolist()}
    row |= {"truth_correlation": s["truth_correlation"], "space_version": s["space_version"]}
    row |= {"seconds": {k: round(v, 1) for k, v in run.seconds_by_phase().items()}}
    row |= {"lessons": [line["lesson"] for line in run.snapshot.journal if "lesson" in line]}
    return row | {k: s[k] for k in ("archive_size", "wall_s", "digest", "state_digest")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=STUDIES)
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="results")
    parser.add_argument(
        "--smoke", action="store_true", help="frames of 16 pixels, trainings of an epoch"
    )
    parser.add_argument("--draw", action="store_true")
    o = parser.parse_args(arguments)
    if o.out == "results" and (o.smoke or o.budget != BUDGET):
        parser.error("--budget and --smoke make other numbers: give --out another folder")
    if not o.draw:
        jobs = [
            Job(study, space, seed, o.budget, HERE / o.out, o.smoke)
            for study in o.only
            for space in o.spaces
            for seed in o.seeds
        ]
        run_all(run_one, [(job,) for job in jobs], o.jobs)
    if o.out == "results":
        draw(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

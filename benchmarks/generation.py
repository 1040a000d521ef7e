"""What a 200-offspring HardMaze generation spends outside rollouts, with an archive of 10 000.

Run: `python -m benchmarks generation`.
"""

import json
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core
from qdx.campaign.campaign import Campaign
from qdx.core.types import Described, Evaluations, Genomes, Outcomes, Purpose

ARCHIVE, GENERATIONS = 10_000, 60
ROLLOUT = ("executor.submit", "executor.collect")


def filled(n: int, n_genes: int, first_id: int) -> Evaluations:
    """Archive rows all over the maze, as a long run would have them."""
    rng = np.random.default_rng(0)
    points = rng.random((n, 2), np.float32)
    zeros = np.zeros(n, np.int32)
    return Evaluations(
        Genomes(
            np.arange(first_id, first_id + n),
            rng.standard_normal((n, n_genes), np.float32),
            np.full(n, -1),
            np.full(n, Purpose.SEARCH, np.int32),
            zeros,
        ),
        Outcomes(
            zeros.astype(np.float32),
            zeros,
            points,
            {"final": points},
            np.zeros(n, bool),
            np.full(n, -1, np.int8),
            np.full(n, ""),
        ),
        Described(points, None, 0),
    )


def campaign(folder: Path, threads: int) -> Campaign:
    """Novelty Search with a full archive."""
    c = Campaign(
        {
            "budget": 10**9,
            "task": "hard_maze",
            "searcher": "novelty_search",
            "executor": {"kind": "local", "threads": threads},
            "checkpoint": {"generations": 10**6, "seconds": 10**6},
        },
        folder / f"run{threads}",
    )
    rows = filled(ARCHIVE, 63, first_id=1 << 39)
    c.records.add(rows)
    c.archives["novelty"].add(rows)
    return c


def laps(threads: int) -> list[dict[str, float]]:
    """Seconds by method of each generation, after ten to warm up."""
    with tempfile.TemporaryDirectory() as name, campaign(Path(name), threads) as c:
        for _ in range(10 + GENERATIONS):
            c.step()
        lines = (c.path / "timings.jsonl").read_text().splitlines()[-GENERATIONS:]
    return [json.loads(line) for line in lines]


def share(threads: int) -> str:
    """The line of the table for a number of threads."""
    generations = laps(threads)
    rollout = median(sum(g.get(key, 0.0) for key in ROLLOUT) for g in generations)
    wall = median(g["wall"] for g in generations)
    inside = {k: median(g.get(k, 0.0) for g in generations) for k in generations[-1]}
    parts = sorted(
        ((k, v) for k, v in inside.items() if "." in k and k not in ROLLOUT), key=lambda kv: -kv[1]
    )
    named = ", ".join(f"{k} {1e3 * v:.2f}" for k, v in parts[:4])
    return (
        f"not rollout, {threads} thread{'s' * (threads > 1)}            "
        f"{(wall - rollout) / wall:6.1%}   ({1e3 * (wall - rollout):.1f} of {1e3 * wall:.1f} ms: "
        f"{named}; wanted below 10%)"
    )


def on_one_core() -> list[str]:
    """The line of one thread, on one core."""
    pin_to_one_core()
    return [share(1)]


def table() -> list[str]:
    """One thread on one core, and two threads on two."""
    pinned = in_a_process_of_its_own("benchmarks.generation", "on_one_core()")
    return [*pinned, share(2)]

"""How many workers one campaign can keep busy: shards that sleep, on a real Dask scheduler.

    python experiments/cluster/run.py [--workers 64 256] [--lengths 0.1 0.2 0.5 1 2 5 10] [--rounds 4]

Scheduler, workers (threads of one process) and campaign share one core or two, which is harder on the
scheduler than a cluster is, where workers are elsewhere. A shard sleeps as long as it is told, so whatever
is lost is what distributing costs. The efficiency is the time of perfectly packed shards over the time it took.
Dotted in the picture: what the processor time of a shard allows where scheduler and campaign have a core for themselves.
Writes efficiency.json and efficiency.png.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from qdx.core.types import Genomes, Outcomes
from qdx.executors.evaluate import evaluate
from qdx.executors.on_dask import on_dask
from qdx.executors.parameters import DaskParameters

HERE = Path(__file__).parent
PER_SHARD = 16  # genomes, of 63 genes each as on hard_maze


@dataclass(frozen=True)
class Sleep:
    """A rollout that takes its time."""

    seconds: float

    def __call__(self, genomes: Genomes) -> Outcomes:
        if len(genomes):
            time.sleep(self.seconds)
        n = len(genomes)
        zeros = np.zeros(n, np.float32)
        points = np.zeros((n, 2), np.float32)
        return Outcomes(
            zeros,
            zeros.astype(np.int32),
            points,
            {"final": points},
            zeros > 0,
            zeros.astype(np.int8),
            np.full(n, ""),
        )


def batch(n: int) -> Genomes:
    genes = np.random.default_rng(0).standard_normal((n, 63)).astype(np.float32)
    zeros = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)


def efficiency(executor, workers: int, length: float, rounds: int) -> dict[str, float]:
    """Of one generation of `rounds` shards per worker, and processor time per shard, workers included."""
    genomes = batch(workers * rounds * PER_SHARD)
    start, processor = time.perf_counter(), time.process_time()
    outcomes = evaluate(executor, Sleep(length), genomes, stopping=lambda: False)
    assert len(outcomes) == len(genomes)
    return {
        "seconds_per_shard": length,
        "efficiency": round(rounds * length / (time.perf_counter() - start), 3),
        "cpu_ms_per_shard": round(1e3 * (time.process_time() - processor) / (workers * rounds), 2),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[64, 256])
    parser.add_argument(
        "--lengths", type=float, nargs="+", default=[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    )
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args(arguments)
    found: dict[str, list[dict[str, float]]] = {}
    for workers in options.workers:
        executor = on_dask(DaskParameters(workers=workers, processes=False, shard=PER_SHARD))
        try:
            efficiency(executor, workers, 0.01, 1)
            found[str(workers)] = [
                efficiency(executor, workers, length, options.rounds) for length in options.lengths
            ]
        finally:
            executor.close()
        for row in found[str(workers)]:
            print(workers, row, flush=True)
    (HERE / "efficiency.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(found)
    return 0


def draw(found: dict[str, list[dict[str, float]]]) -> None:
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for workers, rows in found.items():
        lengths = [row["seconds_per_shard"] for row in rows]
        axes.semilogx(
            lengths,
            [row["efficiency"] for row in rows],
            "o-",
            label=f"{workers} workers, as it was",
        )
        # what the processor time alone allows: a shard each `cpu_ms_per_shard`, on one core
        cpu_s = min(row["cpu_ms_per_shard"] for row in rows) / 1e3
        bound = [min(length / (int(workers) * cpu_s), 1.0) for length in lengths]
        axes.semilogx(
            lengths, bound, ":", color=axes.lines[-1].get_color(), label="one core for itself"
        )
    axes.set(xlabel="seconds per shard", ylabel="efficiency", ylim=(0, 1.02))
    axes.legend(frameon=False)
    figure.savefig(HERE / "efficiency.png", dpi=120)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

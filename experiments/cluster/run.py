"""How many workers one campaign can keep busy: shards that sleep, on a real Dask scheduler.

    python experiments/cluster/run.py [--workers 64 256] [--lengths 0.1 0.2 0.5 1 2 5 10] [--rounds 4]

Scheduler, workers (threads of one process) and campaign share one core or two, which is harder on the
scheduler than a cluster is, where workers are elsewhere. A shard sleeps as long as it is told, so whatever
is lost is what distributing costs. The efficiency is the time of perfectly packed shards over the time it took.
Dotted in the picture: what the processor time of a shard allows where scheduler and campaign have a core for themselves.
Writes efficiency.json and efficiency.png and .svg.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qdx.core.types import Genomes, Outcomes
from qdx.executors.evaluate import evaluate
from qdx.executors.on_dask import on_dask
from qdx.executors.parameters import DaskParameters
from qdx.report.canvas import (
    GROUPS,
    NORMAL,
    dress,
    end_labels,
    figure,
    percent_axis,
    place,
    save,
)

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
    made = figure(4.9, 3.1)
    axes = place(made, (0.65, 0.5, 3.3, 2.25))
    dress(axes, "share of the time that workers run shards")
    ends, texts = [], []
    for colour, (workers, rows) in zip(GROUPS, found.items(), strict=False):
        lengths = [row["seconds_per_shard"] for row in rows]
        shares = [row["efficiency"] for row in rows]
        axes.semilogx(lengths, shares, "o-", color=colour, markersize=4)
        # what the processor time alone allows: a shard each `cpu_ms_per_shard`, on one core
        cpu_s = min(row["cpu_ms_per_shard"] for row in rows) / 1e3
        bound = [min(length / (int(workers) * cpu_s), 1.0) for length in lengths]
        axes.semilogx(lengths, bound, ":", color=colour)
        ends.append(shares[-1])
        texts.append(f"{workers} workers")
    axes.set_xlabel("seconds a shard runs", fontsize=NORMAL)
    axes.set_xticks(sorted({row["seconds_per_shard"] for rows in found.values() for row in rows}))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    percent_axis(axes, 1.05)
    end_labels(axes, ends, texts, colours=list(GROUPS[: len(ends)]))
    save(made, HERE / "efficiency")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

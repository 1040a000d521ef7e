"""Episodes on Dask: two workers beside one, overhead beside bare processes, bytes on the wire.

Run: `python -m benchmarks cluster`. `experiments/cluster` has the simulation of many workers.
"""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any

import numpy as np

from qdx.assembly.config import load
from qdx.assembly.parts import build
from qdx.core.types import Genomes, Purpose, take
from qdx.executors import worker
from qdx.executors.batches import jobs
from qdx.executors.evaluate import evaluate
from qdx.executors.on_dask import on_dask
from qdx.executors.parameters import DaskParameters

WANTED = {20_000: 1.85}
LASTING_S = 600.0
SHARDS = (16, 25, 50, 100)  # the first is what 200 offspring are cut into where nothing is said
ON_THE_WIRE = {
    "hard_maze, final": {"task": "hard_maze"},
    "hard_maze, checkpoints": {"task": "hard_maze", "observer": "checkpoints"},
    "hard_maze, path": {"task": "hard_maze", "observer": "path"},
    "hard_maze, signature": {"task": "hard_maze", "observer": "signature"},
    "hard_maze, frames": {"task": "hard_maze", "observer": "frames"},
    "curling, final": {"task": "curling"},
    "redundant_arm, final": {"task": "redundant_arm"},
    "collect_ball, final": {"task": "collect_ball"},
    "point, deep GA": {
        "task": "point",
        "encoding": "seed_chain",
        "searcher": "deep_ga",
    },
}


def random_genomes(n: int, n_genes: int) -> Genomes:
    genes = np.random.default_rng(0).standard_normal((n, n_genes)).astype(np.float32)
    none, zeros = np.full(n, -1), np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes, none, zeros + Purpose.SEARCH, zeros)


def parts(**config: Any) -> Any:
    return build(load({"budget": 1, "searcher": "random_search", **config}))


def seconds(executor: Any, rollout: Any, genomes: Genomes) -> float:
    """Of one generation."""
    start = time.perf_counter()
    evaluate(executor, rollout, genomes, stopping=lambda: False)
    return time.perf_counter() - start


def side_by_side(n: int, rounds: int) -> Iterator[str]:
    """One worker and two, and as many bare processes, in turns: a drift of the machine hits all.

    Bare processes run the same shards: what two of them bring is what the machine has to give, and
    what Dask takes longer than they do is what Dask and the dispatcher cost.
    """
    rollout = parts(task="hard_maze").rollout
    genomes = random_genomes(n, rollout.policy.n_genes)
    few, packed = take(genomes, np.arange(64)), worker.pack_rollout(rollout)
    spawn = multiprocessing.get_context("spawn")
    executors = {k: on_dask(DaskParameters(workers=k)) for k in (1, 2)}
    pools = {k: ProcessPoolExecutor(k, mp_context=spawn) for k in (1, 2)}
    times: dict[str, list[float]] = {f"{kind} {k}": [] for kind in ("Dask", "bare") for k in (1, 2)}
    try:
        for k in (1, 2):
            seconds(executors[k], rollout, few)
            pooled(packed, few, pools[k])
        for _ in range(rounds):
            for k in (1, 2):
                times[f"Dask {k}"].append(seconds(executors[k], rollout, genomes))
                times[f"bare {k}"].append(pooled(packed, genomes, pools[k]))
    finally:
        for k in (1, 2):
            executors[k].close()
            pools[k].shutdown()
    took = {name: median(of) for name, of in times.items()}
    wanted = f"; wanted {WANTED[n]}" if n in WANTED else ""
    for kind, name in (
        ("Dask", f"2 workers beside 1, {n} offspring"),
        ("bare", "  bare processes"),
    ):
        one, two = took[f"{kind} 1"], took[f"{kind} 2"]
        yield f"{name:40}{one / two:6.2f} x   ({1e3 * one:.0f} and {1e3 * two:.0f} ms{wanted})"
        wanted = ""
    more, n_shards = took["Dask 2"] - took["bare 2"], len(jobs(0, genomes, 0))
    yield f"{'  Dask takes longer than they':40}{1e3 * more:6.0f} ms  ({n_shards} shards)"


def by_shard(n: int, rounds: int) -> str:
    """A generation on two workers in shards of several sizes, in turns."""
    rollout = parts(task="hard_maze").rollout
    genomes = random_genomes(n, rollout.policy.n_genes)
    executors = {s: on_dask(DaskParameters(workers=2, shard=s)) for s in SHARDS}
    times: dict[int, list[float]] = {s: [] for s in SHARDS}
    try:
        for executor in executors.values():
            seconds(executor, rollout, take(genomes, np.arange(64)))
        for _ in range(rounds):
            for s, executor in executors.items():
                times[s].append(seconds(executor, rollout, genomes))
    finally:
        for executor in executors.values():
            executor.close()
    told = ", ".join(f"{1e3 * median(of):.0f} in shards of {s}" for s, of in times.items())
    return f"{f'2 workers, {n} offspring':40}   ms: {told}"


def pooled(rollout: bytes, genomes: Genomes, pool: ProcessPoolExecutor) -> float:
    """Seconds of the same shards on a bare pool of processes."""
    start = time.perf_counter()
    parts_ = [worker.pack(job.genomes) for job in jobs(0, genomes, 0)]
    list(pool.map(worker.evaluate, [rollout] * len(parts_), parts_, [LASTING_S] * len(parts_)))
    return time.perf_counter() - start


def on_the_wire(name: str, config: dict[str, Any], n: int = 64) -> str:
    """Bytes per evaluation to a worker and back, in shards of 64."""
    made = parts(**config)
    asked = take(made.searcher.ask(), np.arange(n))
    there = worker.pack(asked)
    back = worker.evaluate(worker.pack_rollout(made.rollout), there, LASTING_S)
    n_genes = made.policy.n_genes
    return (
        f"bytes, {name}".ljust(40)
        + f"{len(there) / n:6.0f} there, {len(back) / n:6.0f} back   ({n_genes} parameters)"
    )


def table() -> Iterator[str]:
    """All of it, a line when it is there; the clusters are of this machine."""
    for name, config in ON_THE_WIRE.items():
        yield on_the_wire(name, config)
    yield from side_by_side(200, 15)
    yield by_shard(200, 15)
    yield from side_by_side(20_000, 5)


__all__ = ["table"]

"""SERENE's emitters on all cores: n stepping at once, beside the same genomes in batches of 200.

Run: `python -m benchmarks concurrent`.
"""

import json
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from qdx.campaign.campaign import Campaign
from qdx.core.types import Genomes, join, take
from qdx.executors.evaluate import evaluate

BATCH = 200
WARM_UP = 12_000  # evaluations until there are emitters enough
MEASURED = 4_800  # evaluations of emitters
WANTED = {1: 0.80, 16: 0.95}
TASKS = ("curling", "hard_maze")
ROLLOUT = ("executor.submit", "executor.collect")


def not_rollout(c: Campaign) -> float:
    """Seconds the last generation spent outside its episodes."""
    lap = json.loads((c.path / "timings.jsonl").read_text().splitlines()[-1])
    return float(lap["wall"] - sum(lap.get(key, 0.0) for key in ROLLOUT))


def in_batches(c: Campaign, genomes: Genomes) -> float:
    """Seconds the episodes of some genomes take in batches of 200."""
    start = time.perf_counter()
    for first in range(0, len(genomes), BATCH):
        some = take(genomes, np.arange(first, min(first + BATCH, len(genomes))))
        evaluate(c.executor, c.rollout, some, stopping=lambda: False)
    return time.perf_counter() - start


def ratio(task: str, n: int, folder: Path) -> str:
    """Throughput of emitter steps over that of the same genomes as generations of 200."""
    config = {"task": task, "budget": 10**9, "seed": 2, "searcher": {"kind": "serene"}}
    config["searcher"]["concurrent_emitters"] = n
    with Campaign(config, folder / f"{task}-{n}") as c:
        while c.tally.evaluations < WARM_UP:
            c.step()
        stepped, seconds, beside, rest, sizes = 0, 0.0, 0.0, [], []
        while stepped < MEASURED:
            phase, asked, waiting = c.searcher.report()["exploitation"], c.searcher.ask(), []
            while phase == "exploit":
                waiting.append(asked)
                start = time.perf_counter()
                c.step()
                seconds += time.perf_counter() - start
                sizes.append(len(asked))
                phase, asked = c.searcher.report()["exploitation"], c.searcher.ask()
            if waiting:  # the same chunk at once, so that a drift of the machine hits both
                chunk = join(waiting)
                stepped += len(chunk)
                beside += in_batches(c, chunk)
            c.step()
            if phase == "idle":
                rest.append(not_rollout(c))
        beside += stepped / BATCH * median(rest)
    return (
        f"{task}, n = {n}, {np.mean(sizes):.0f} a batch".ljust(34)
        + f" {beside / seconds:6.2f} of batch 200   ({stepped / seconds:.0f} beside "
        f"{stepped / beside:.0f} evaluations/s; wanted {WANTED[n]})"
    )


def rate(task: str, n: int, folder: Path) -> float:
    """Evaluations of emitter steps per second on a cluster of two Dask workers."""
    config = {"task": task, "budget": 10**9, "seed": 2, "executor": {"kind": "dask", "workers": 2}}
    config["searcher"] = {"kind": "serene", "concurrent_emitters": n}
    stepped, seconds = 0, 0.0
    with Campaign(config, folder / f"{task}-{n}-dask") as c:
        while c.tally.evaluations < WARM_UP:
            c.step()
        while stepped < MEASURED:
            is_step = c.searcher.report()["exploitation"] == "exploit"
            start, before = time.perf_counter(), c.tally.evaluations
            c.step()
            if is_step:
                seconds += time.perf_counter() - start
                stepped += c.tally.evaluations - before
    return stepped / seconds


def on_a_cluster(task: str, folder: Path) -> str:
    """Sixteen emitters at once beside one, where a batch costs a round trip."""
    one, many = rate(task, 1, folder), rate(task, 16, folder)
    return (
        f"{task}, n = 16, two Dask workers".ljust(34)
        + f" {many / one:6.2f} of n = 1       ({many:.0f} beside {one:.0f} evaluations/s; wanted 3)"
    )


def table() -> list[str]:
    """On all cores, and on a cluster of two workers."""
    with tempfile.TemporaryDirectory() as name:
        local = [ratio(task, n, Path(name)) for task in TASKS for n in WANTED]
        return [*local, *(on_a_cluster(task, Path(name)) for task in TASKS)]


__all__ = ["table"]

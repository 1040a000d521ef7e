"""Idle workers: a steady campaign beside generations. Run: `python -m benchmarks steady`.

Episodes sleep, so the processor is no part of it: their lengths are drawn from an exponential
distribution by the individual's id. Of n workers and r episodes a worker and generation, the last n
of a generation end when the longest of them does, after H_n = 1 + 1/2 + … + 1/n lengths; so workers
are busy for r / (r - 1 + H_n) of the time.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from qdx.campaign.campaign import Campaign
from qdx.core.rng import draw
from qdx.core.types import Genomes, Outcomes
from qdx.storage import EventLog, read

WORKERS = 8
EPISODES = 240
LENGTH_S = 0.3  # on average
EVENTS = 300


def length_s(id_: int) -> float:
    """Seconds of an individual's episode."""
    return float(draw(0, "length", id_).exponential(LENGTH_S))


@dataclass(frozen=True)
class Uneven:
    """A rollout whose episodes take their time."""

    rollout: Any

    def __call__(self, genomes: Genomes) -> Outcomes:
        time.sleep(sum(map(length_s, genomes.ids.tolist())))
        outcomes: Outcomes = self.rollout(genomes)
        return outcomes


def busy(batch: int, **more: Any) -> float:
    """Share of the time that workers are busy, from the first episode to the last one's end."""
    config = {
        "budget": EPISODES,
        "task": "point",
        "searcher": {"kind": "map_elites", "initial": batch, "batch": batch},
        "executor": {"kind": "local", "threads": WORKERS, "shard": 1},
        **more,
    }
    with tempfile.TemporaryDirectory() as name, Campaign(config, Path(name) / "run") as campaign:
        campaign.rollout(campaign.searcher.ask())  # compiled
        campaign.rollout = Uneven(campaign.rollout)
        start = time.perf_counter()
        campaign.run()
        wall = time.perf_counter() - start
        run = read(Path(name) / "run")
        n = run.meta["evaluations"]
    return sum(map(length_s, range(n))) / (wall * WORKERS)


def expected(batch: int) -> float:
    """The same share by the formula above."""
    r, harmonic = batch / WORKERS, sum(1 / k for k in range(1, WORKERS + 1))
    return r / (r - 1 + harmonic)


def writing_ms() -> float:
    """Milliseconds that an event of ten individuals takes to be on the disk, the median."""
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        config = {"budget": 10, "task": "point", "searcher": {"kind": "map_elites", "initial": 10}}
        config |= {"mode": "steady", "steady": {"shard": 10, "keep_events": True}}
        with Campaign(config, Path(name) / "run") as campaign:
            campaign.run()
        (event,) = EventLog(Path(name) / "run", 0, check=lambda: None).beyond(0)
        log = EventLog(Path(name), 0, check=lambda: None)
        for i in range(EVENTS):
            start = time.perf_counter()
            log.append(event._replace(number=i + 1))
            seconds.append(time.perf_counter() - start)
        log.close()
    return 1e3 * median(seconds)


def table() -> Iterator[str]:
    """Generations of 3, 6 and 12 episodes a worker, and none; what an event costs."""
    steady: dict[str, Any] = {"mode": "steady", "steady": {"shard": 1}}
    found: dict[str, float] = {}
    for r in (3, 6, 12):
        found[f"generations, {r} episodes a worker"] = busy(r * WORKERS)
        yield line(found, f"wanted {expected(r * WORKERS):.2f} by the formula")
    found["steady"] = busy(3 * WORKERS, **steady)
    end = expected(EPISODES)
    yield line(found, f"wanted {end:.2f}: the last episodes of all, as of one generation")
    for name, share in found.items():
        if name != "steady":
            beside = found["steady"] / share
            yield f"  steady beside {name}".ljust(52) + f"{beside:6.2f} x   episodes a second"
    yield "writing an event".ljust(52) + f"{writing_ms():6.2f} ms"


def line(found: dict[str, float], more: str) -> str:
    name, share = list(found.items())[-1]
    return f"workers are busy, {name}".ljust(52) + f"{share:6.2f}     ({more})"


__all__ = ["table"]

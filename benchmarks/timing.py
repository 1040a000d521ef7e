"""Side-by-side timing: the contestants take turns, so a drift of the machine hits all of them."""

import os
import time
from collections.abc import Callable
from statistics import median


def pin_to_one_core() -> None:
    """Keep this process on one core, where the system lets us."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def side_by_side(
    contestants: dict[str, Callable[[], object]],
    rounds: int,
    *,
    take: Callable[[list[float]], float] = median,
) -> dict[str, float]:
    """Wall seconds of each, after one warm-up round: the median, or what `take` says."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(rounds + 1):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if i:
                seconds[name].append(time.perf_counter() - start)
    return {name: take(values) for name, values in seconds.items()}

"""Side-by-side timing: the contestants take turns, so a drift of the machine hits all of them."""

import os
import subprocess
import sys
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
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Wall seconds of each, after one warm-up round: the median, or what `take` says.

    With `time.process_time` for a clock, seconds of processor time: for what keeps to one core, on
    a machine that others use too.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(rounds + 1):
        for name, run in contestants.items():
            start = clock()
            run()
            if i:
                seconds[name].append(clock() - start)
    return {name: take(values) for name, values in seconds.items()}


def in_a_process_of_its_own(module: str, expression: str) -> list[str]:
    """The lines that an expression of a module gives there, so that pinning does not outlive it."""
    code = f"from {module} import *; print(*{expression}, sep='\\n')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.rstrip().split("\n")

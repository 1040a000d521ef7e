"""Every speed claim of qdx as a ratio, side by side in one run: `python -m benchmarks [NAME …]`."""

import os
import platform
import sys
import time

from benchmarks import (
    cluster,
    commits,
    concurrent,
    curling,
    deep_ga,
    generation,
    novelty,
    pareto,
    redescription,
    rollout,
    signature,
    steady,
    stepped,
    training,
)

TABLES = {
    "rollout": rollout,
    "generation": generation,
    "novelty": novelty,
    "commits": commits,
    "pareto": pareto,
    "curling": curling,
    "concurrent": concurrent,
    "cluster": cluster,
    "steady": steady,
    "signature": signature,
    "stepped": stepped,
    "training": training,
    "redescription": redescription,
    "deep_ga": deep_ga,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        print(
            f"benchmarks: expected some of {', '.join(TABLES)}, got {unknown[0]}", file=sys.stderr
        )
        return 2
    load = os.getloadavg()[0]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f}")
    for name in names or TABLES:
        start = time.monotonic()
        print(f"\n{name}", flush=True)
        for line in TABLES[name].table():
            print(line, flush=True)
        print(f"  ({time.monotonic() - start:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

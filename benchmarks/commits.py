"""A commit's cost beside the archive's size. Run: `python -m benchmarks commits`."""

import tempfile
import time
from pathlib import Path
from statistics import mean, median

from benchmarks.generation import campaign, filled

SIZES = (10_000, 100_000)
COMMITS = 64


def costs(size: int) -> list[float]:
    """Seconds of each commit of one generation's news, at an archive of `size`."""
    with tempfile.TemporaryDirectory() as name, campaign(Path(name), 2) as c:
        rows = filled(size - 10_000, 63, first_id=1 << 38)
        if len(rows):
            c.records.add(rows)
            c.archives["novelty"].add(rows)
        c.step()
        c.commit("running")
        seconds = []
        for _ in range(COMMITS):
            c.step()
            start = time.perf_counter()
            c.commit("running")
            seconds.append(time.perf_counter() - start)
    return seconds


def table() -> list[str]:
    """Median of plain commits, and the mean with the merging of files now and then."""
    found = {size: costs(size) for size in SIZES}
    small, large = (median(found[size]) for size in SIZES)
    lines = [
        f"commit, archive of {size:7d}         {1e3 * median(s):6.2f} ms median, "
        f"{1e3 * mean(s):.2f} ms mean with merges"
        for size, s in found.items()
    ]
    return [*lines, f"  large beside small               {large / small:6.2f}x   (wanted about 1x)"]

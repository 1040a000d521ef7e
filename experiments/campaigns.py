"""What the studies share: a campaign is run, or gone on with, and what is kept of it is one JSON file.

And how what was kept is compared with what was expected.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qdx.assembly.parts import build_task
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.report.curve import curves_of

MARKS = (300, 10_000, 25_000, 50_000, 100_000, 200_000, 300_000, 400_000, 500_000)
N_POINTS = 101  # of a kept curve


def run_one(config: dict, folder: Path, kept: Path, labels: dict) -> str:
    """Run a campaign, or go on with it; keep what it found, with some labels."""
    name = kept.stem
    if kept.exists():
        return f"{name}: kept already"
    row = labels | result(finished(config | {"name": name}, folder))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(row) + "\n")
    return f"{name}: coverage {row['coverage']:.3f}, best {row['best']}, {row['wall_s']:.0f} s"


def finished(config: dict, folder: Path, overrides: Sequence[str] = ()) -> StoredRun:
    """A campaign that was run, or gone on with, to its end."""
    if (folder / "config.yaml").exists():
        campaign = Campaign.resume(folder)
    else:
        campaign = Campaign(config, folder, overrides=overrides)
    with campaign as c:
        c.run()
    return StoredRun.open(folder)


def run_all(run: Callable[..., str], jobs: list[tuple], n: int) -> None:
    """Run jobs, so many processes at a time; says what each came to."""
    with ProcessPoolExecutor(n, get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run, *job) for job in jobs]):
            print(done.exception() or done.result(), flush=True)


class Compared(NamedTuple):
    """A figure or a claim, beside what was expected.

    Attributes:
        ok: Whether it holds.
        text: What was compared, and both numbers.
        off: How far they lie apart, where they are numbers.
    """

    ok: bool
    text: str
    off: float = 0.0


def judged(found: list[Compared], known: dict[str, str | list]) -> int:
    """Print what was compared; the exit code, 1 where something is off or nothing was compared.

    Known differences are causes by the beginning of a line, or (cause, most it may be off).
    """
    wrong = 0
    for ok, text, off in found:
        causes = [why for start, why in known.items() if text.startswith(start)]
        told = [why if isinstance(why, str) else why[0] * (off <= why[1]) for why in causes]
        reason = next(iter(told), "")
        wrong += not (ok or reason)
        said = "" if ok or not reason else f"({reason})"
        print("ok   " if ok else "known" if reason else "OFF  ", text, said)
    print(f"{len(found)} figures, {wrong} off without a known cause")
    return int(bool(wrong) or not found)


def result(run: StoredRun) -> dict:
    """What is kept: the end, marks on the way, curves, who spent the budget, where time went."""
    s = run.summary()
    goals = list(s["best_by_area"])
    curves = curves_of(run, build_task(run.config).facts)
    row = {k: s[k] for k in ("searcher", "seed", "evaluations", "coverage", "coverage_ceiling")}
    row |= {"best": rounded(s["best_by_area"])}
    row |= {"at": {str(m): at(curves, m, goals) for m in MARKS if m <= curves.end}}
    row |= {"share": shares(run, goals)}
    every = curves.at(np.linspace(0, s["evaluations"], N_POINTS))
    row |= {"curve": {"coverage": every.coverage.round(4).tolist()}}
    row["curve"] |= {g: every.best[:, i].round(4).tolist() for i, g in enumerate(goals)}
    keys = ("uniformity", "archive_size", "rewarding_size", "space_version", "truth_correlation")
    row |= {k: s.get(k) for k in keys}
    taught = [line for line in run.snapshot.journal if "lesson" in line]
    row |= {"lessons": [{"evaluations": x["evaluations"]} | x["lesson"] for x in taught]}
    row |= {"seconds": rounded(run.seconds_by_phase())}
    return row | {k: s[k] for k in ("wall_s", "digest", "state_digest")}


def at(curves: object, evaluations: int, goals: list[str]) -> dict:
    """Coverage and best rewards at the last generation that ended within so many evaluations."""
    there = curves.at(np.array([float(evaluations)]))
    best = dict(zip(goals, there.best[0].tolist(), strict=True))
    return {"coverage": round(float(there.coverage[0]), 4), "best": rounded(best)}


def shares(run: StoredRun, goals: list[str]) -> dict:
    """Share of the budget per goal: spent by emitters on it, or on individuals rewarded by it."""
    line = run.snapshot.journal[-1]
    spent = line["searcher"].get("spent")
    counts = (
        [spent.get(str(i), 0) for i in range(len(goals))] if spent else line["metrics"]["rewarded"]
    )
    total = line["evaluations"]
    shared = dict(zip(goals, [n / total for n in counts], strict=True))
    return rounded({"exploration": 1 - sum(counts) / total} | shared)


def rounded(numbers: dict) -> dict:
    return {k: round(float(v), 4) for k, v in numbers.items()}

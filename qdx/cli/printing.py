"""What several commands print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdx.core.types import Json

if TYPE_CHECKING:
    from qdx.assembly.stored import StoredRun


def warn(sentence: str) -> None:
    """One line of warning."""
    print(f"qdx: warning: {sentence}", file=sys.stderr)


def as_json(value: Any) -> None:
    """One JSON object."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def result(path: Path) -> None:
    """What a run has found, and its picture."""
    from qdx.assembly.stored import StoredRun

    run = StoredRun.open(path)
    summary(run.summary())
    picture(run)


def picture(run: StoredRun) -> None:
    """Draw a run into its media folder and say where."""
    from qdx.core.errors import ConfigError
    from qdx.report.picture import run_picture, save

    if not run.snapshot.journal:
        return
    try:
        figure = run_picture(run)
    except ConfigError as error:  # a task whose measures are not two
        print(f"{'no picture':<14}{error}")
        return
    try:
        files = save(figure, run.path / "media" / "run")
    except OSError as error:  # the run is safe, and what it found has been said
        print(f"{'no picture':<14}{error.filename}: {error.strerror}")
        return
    for file in files:
        print(f"{'picture':<14}{file}")


def summary(s: Json) -> None:
    """A run in a dozen lines."""
    ceiling = s["coverage_ceiling"]
    share = f", {s['coverage'] / ceiling:.1%} of the reachable {ceiling:.3f}" if ceiling else ""
    rows = {
        "run": f"{s['path']} ({s['status']})",
        "what": f"{s['searcher']} on {s['task']}, seed {s['seed']}",
        "evaluations": f"{s['evaluations']} of {s['budget']}, generation {s['generation']}"
        + (f", {s['evaluations_per_s']:.0f}/s" if s["evaluations_per_s"] else ""),
        "coverage": f"{s['coverage']:.4f}{share}{_exploited(s)}",
        "archive": f"{s['archive_size']} kept, covering {s['coverage_archive']:.4f}",
        "QD-score": f"{s['qd_score']:.3f}",
    }
    if "events" in s:
        beyond = s["events"]["beyond"]
        more = f", {beyond} more are told on resume" if beyond else ""
        rows["events"] = f"{s['events']['told']} results told as they came{more}"
    for name, row in rows.items():
        print(f"{name:<14}{row}")
    if not s["best_by_area"] and s["best_fitness"] is not None:
        print(f"{'best reward':<14}{s['best_fitness']:.3f}, of all episodes")
    for goal, best in s["best_by_area"].items():
        n = s["rewarded"][goal]
        print(f"{'best reward':<14}{best:.3f} at {goal}, of all episodes ({n} were rewarded)")
    _concerns(s)
    print(f"{'digest':<14}{s['digest'][:16]} state {s['state_digest'][:16]}")


def _exploited(s: Json) -> str:
    """Coverage counts exploring individuals; what it is with the exploiting ones."""
    more = s["coverage_all"] != s["coverage"]
    return f" by exploration, {s['coverage_all']:.4f} by all" if more else ""


def _concerns(s: Json) -> None:
    """What a reader must not miss: failures, strays, damage."""
    if s["failed"]:
        print(f"{'failed':<14}{s['failed']} episodes; journal.jsonl names the reasons")
    if s["truth_outside"]:
        print(f"{'outside':<14}{s['truth_outside']} episodes ended outside the coverage grid")
    for name, counts in s["archives"].items():
        if counts.get("outside"):
            print(f"{'outside':<14}{counts['outside']} descriptors outside the cells of {name!r}")
    for sentence in s["skipped"]:
        warn(f"passed over: {sentence}")

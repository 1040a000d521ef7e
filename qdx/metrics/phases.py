"""Where the time of a campaign went: a line of `timings.jsonl` by phase."""

from __future__ import annotations

from qdx.core.types import Json

PHASES = (
    "rollout",
    "description",
    "training",
    "redescription",
    "selection",
    "commit",
    "rest",
)
METHODS = {
    "executor.submit": "rollout",
    "executor.collect": "rollout",
    "descriptor.describe": "description",
    "descriptor.learn": "training",
    "directory.commit": "commit",
    "events.append": "commit",
}


def phases(line: Json) -> dict[str, float]:
    """Seconds by phase; they add up to the generation's `wall`.

    Frames are drawn from their sketches where they are looked at, so drawing is a part of
    description, training and redescription, not of the rollout; `python -m benchmarks
    redescription` says how large a part. Selection is what searcher and archives do, neighbours
    among it.
    """
    seconds = dict.fromkeys(PHASES, 0.0)
    for method, s in line.items():
        if "." in method:
            seconds[_phase(method)] += s
    seconds["rest"] += line["wall"] - sum(seconds.values())
    return seconds


def _phase(method: str) -> str:
    if method.endswith(".redescribe"):
        return "redescription"
    is_search = method.startswith(("searcher.", "archive."))
    return METHODS.get(method, "selection" if is_search else "rest")

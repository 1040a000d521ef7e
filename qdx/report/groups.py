"""Which runs belong together: those that differ in nothing but their seed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from qdx.assembly.config import SAFE_ON_RESUME, changed
from qdx.assembly.parts import build_task
from qdx.assembly.stored import StoredRun
from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.core.types import Json

OF_A_SEED: Final = ("seed", "name", "island", *SAFE_ON_RESUME)  # may differ within a group


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but their seed.

    Attributes:
        facts: Of the task.
        ceiling: Largest coverage any search can reach, None where unknown.
        label: Names the group among those of its task.
        runs: In the order of their seeds.
    """

    facts: TaskFacts
    ceiling: float | None
    label: str
    runs: tuple[StoredRun, ...]


def groups(runs: Sequence[StoredRun]) -> list[Group]:
    """Runs by task and label, in the order in which they came.

    The label is the searcher; where runs of one searcher have different names, the name. Runs that
    would share a label and yet differ in more than their seed get the keys that differ added.

    Raises:
        ConfigError: No runs.
    """
    if not runs:
        raise ConfigError("compare: expected at least one run, got none.")
    alike: dict[tuple[str, str], list[StoredRun]] = defaultdict(list)
    for run in runs:
        alike[task_key(run), run.config.searcher.kind].append(run)
    found: dict[str, dict[str, list[StoredRun]]] = {}
    for (task, searcher), some in alike.items():
        taken = found.setdefault(task, {})
        for label, members in _labelled(some).items():
            taken[f"{label} ({searcher})" if label in taken else label] = members
    return [group for by_label in found.values() for group in _of_task(by_label)]


def task_key(run: StoredRun) -> str:
    """Equal for runs of one task with the same parameters."""
    return json.dumps(run.config.task.resolved(), sort_keys=True)


def _of_task(by_label: Mapping[str, Sequence[StoredRun]]) -> list[Group]:
    """The groups of one task."""
    task = build_task(next(iter(by_label.values()))[0].config)
    ceiling = task.ceiling()
    share = ceiling.coverage if ceiling else None
    return [
        Group(task.facts, share, label, tuple(sorted(runs, key=lambda r: r.config.campaign.seed)))
        for label, runs in by_label.items()
    ]


def _labelled(runs: Sequence[StoredRun]) -> dict[str, list[StoredRun]]:
    """Runs of one task and searcher by label."""
    names = {run.config.campaign.name for run in runs}
    named: dict[str, list[StoredRun]] = defaultdict(list)
    for run in runs:
        c = run.config
        named[c.searcher.kind if len(names) == 1 else c.campaign.name].append(run)
    return {label: members for base, some in named.items() for label, members in _told(base, some)}


def _told(base: str, runs: Sequence[StoredRun]) -> list[tuple[str, list[StoredRun]]]:
    """Runs of one name, told apart by the keys in which they differ beyond their seed."""
    setups = [
        {k: v for k, v in run.config.resolved().items() if k not in OF_A_SEED} for run in runs
    ]
    keys = sorted({key for setup in setups for key in changed(setups[0], setup)})
    told: dict[str, list[StoredRun]] = defaultdict(list)
    for run, setup in zip(runs, setups, strict=True):
        values = [f"{key.split('.')[-1]} {_lookup(setup, key)}" for key in keys]
        told[", ".join([base, *values])].append(run)
    return list(told.items())


def _lookup(setup: Json, key: str) -> Any:
    """The value at a dotted key."""
    value: Any = setup
    for part in key.split("."):
        value = value.get(part, "-") if isinstance(value, Mapping) else value
    return value

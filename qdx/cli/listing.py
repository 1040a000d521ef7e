"""`qdx tasks` and `qdx searchers`: what can be named in a config."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any

import typer

from qdx.cli import printing
from qdx.core.errors import ConfigError
from qdx.core.types import Json

MARGIN = 18
MANY = 12  # names that are listed one by one

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


def tasks(json: AsJson = False) -> None:
    """The tasks, with their sizes, goals and reachable coverage."""
    from qdx.assembly.tables import TASK_FAMILIES, TASKS, installed_tasks, resolve

    families = {f"{n}:<Id>": resolve(r.parameters) for n, r in TASK_FAMILIES.items()}
    rows = {}
    for name, r in (TASKS | installed_tasks()).items():
        try:
            rows[name] = resolve(r.parameters)()
        except ConfigError as error:
            printing.warn(str(error))
    if json:
        listed = {name: _task(task) for name, task in rows.items()}
        listed |= {name: _family(schema) for name, schema in families.items()}
        printing.as_json(listed)
        return
    for name, task in rows.items():
        facts, ceiling = task.facts, task.ceiling()
        _entry(name, facts.summary)
        _entry("", f"observes {_some(facts.observation)}; acts by {_some(facts.action)}")
        goals = ", ".join(goal.name for goal in facts.goals) or "none"
        _entry("", f"{facts.horizon} steps; policy: {facts.policy}; goals: {goals}")
        if ceiling:
            _entry("", f"reachable coverage {ceiling.coverage:.3f} ({ceiling.method})")
    for name, schema in families.items():
        _entry(name, _family(schema)["summary"])
        meanings = _meanings(schema)
        for key, default in _defaults(schema).items():
            given = f" ({default})" if default else ""  # else the text says what stands for it
            _entry("", f"{key}{given}: {meanings[key]}")


def searchers(json: AsJson = False) -> None:
    """The searchers, with their parameters and defaults."""
    from qdx.assembly.tables import SEARCHERS, resolve

    rows = {name: (resolve(r.build), resolve(r.parameters)) for name, r in SEARCHERS.items()}
    if json:
        printing.as_json({n: _searcher(build, schema) for n, (build, schema) in rows.items()})
        return
    for name, (build, schema) in rows.items():
        print(f"{name:<18}{build.__doc__.splitlines()[0]}")
        print(f"{'':<18}archives: {', '.join(f'{a} ({k})' for a, k in schema.archives.items())}")
        for key, value in _defaults(schema).items():
            print(f"{'':<18}{key}: {value}")


def _entry(name: str, text: str) -> None:
    """A paragraph beside its name, no wider than the terminal."""
    width = shutil.get_terminal_size((100, 24)).columns
    for i, line in enumerate(textwrap.wrap(text, max(width - MARGIN, 30))):
        print(f"{'' if i else name:<{MARGIN}}{line}")


def _some(names: Sequence[str]) -> str:
    """Names in a line; of many alike, the first ones and how many there are."""
    if len(names) <= MANY:
        return ", ".join(names)
    return f"{', '.join(names[:3])}, … {names[-1]} ({len(names)} numbers)"


def _task(task: Any) -> Json:
    facts, ceiling = task.facts, task.ceiling()
    return {
        "summary": facts.summary,
        "observation": list(facts.observation),
        "action": list(facts.action),
        "horizon": facts.horizon,
        "policy": facts.policy,
        "measures": list(facts.measures),
        "bounds": [list(b) for b in facts.bounds],
        "bins": list(facts.bins),
        "goals": {g.name: {"centre": list(g.centre), "radius": g.radius} for g in facts.goals},
        "coverage_ceiling": ceiling.coverage if ceiling else None,
        "source": facts.source,
    }


def _family(schema: Any) -> Json:
    return {"summary": schema.__doc__.splitlines()[0], "parameters": _defaults(schema)}


def _meanings(schema: Any) -> dict[str, str]:
    """What each parameter is, as its docstring says."""
    told = (inspect.getdoc(schema) or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", told, re.MULTILINE)
    return {key: " ".join(meaning.split()) for key, meaning in entries}


def _searcher(build: Any, schema: Any) -> Json:
    return {
        "summary": build.__doc__.splitlines()[0],
        "archives": schema.archives,
        "parameters": _defaults(schema),
    }


def _defaults(schema: Any) -> Json:
    return {f.name: _default(f) for f in fields(schema)}


def _default(field: Field[Any]) -> Any:
    """A parameter's default; None where it has none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default

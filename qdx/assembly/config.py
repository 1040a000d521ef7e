"""The config: YAML and dotted overrides in, a frozen, fully resolved description out.

    name: hard-maze          # optional
    seed: 1
    budget: 30000
    task: hard_maze          # a section is a kind, or a mapping with `kind` and parameters
    searcher: {kind: novelty_search, population: 100}

Unknown keys, wrong types and wrong ranges are all reported at once, each with its path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from qdx.assembly.islands import Given, of_island
from qdx.assembly.sections import (
    CampaignSection,
    CheckpointSection,
    IslandsSection,
    SteadySection,
    as_file_name,
)
from qdx.assembly.tables import SEARCHERS, brought, did_you_mean, resolve, row
from qdx.assembly.values import read_values
from qdx.assembly.written import assign, parse_override, read_yaml
from qdx.core.errors import ConfigError
from qdx.core.types import Json

SECTIONS = ("task", "policy", "encoding", "observer", "descriptor", "searcher", "executor")
DEFAULTS = {
    "encoding": "direct",
    "observer": "final",
    "descriptor": "identity",
    "executor": "local",
}  # policy: the task's
STEADY = "steady_batch"  # what the parameters of a searcher have that may be steady
SAFE_ON_RESUME = (
    *("budget", "budget_steps", "executor", "checkpoint", "max_failed_fraction"),
    *("islands.wait_s", "islands.folder"),
)


@dataclass(frozen=True)
class Section:
    """A part by kind, with its parameters."""

    kind: str
    parameters: Any

    def resolved(self) -> Json:
        """As written into config.yaml, nothing left implicit."""
        return {"kind": self.kind, **_plain(asdict(self.parameters))}


@dataclass(frozen=True)
class Config:
    """A campaign, described completely."""

    campaign: CampaignSection
    checkpoint: CheckpointSection
    steady: SteadySection
    islands: IslandsSection | None
    task: Section
    policy: Section
    encoding: Section
    observer: Section
    descriptor: Section
    searcher: Section
    executor: Section
    archives: dict[str, Section]

    def resolved(self) -> Json:
        """Every key with its value; of what most runs have not, only where they have it."""
        campaign = _plain(asdict(self.campaign))
        sections = {name: getattr(self, name).resolved() for name in SECTIONS}
        steady = {"steady": _plain(asdict(self.steady))}
        if campaign["mode"] == "generational":
            steady = {}
            del campaign["mode"]
        islands = {} if self.islands is None else {"islands": _plain(asdict(self.islands))}
        if campaign["budget_steps"] is None:
            del campaign["budget_steps"]
        if sections["encoding"] == {"kind": "direct"}:
            del sections["encoding"]
        return {
            **campaign,
            **steady,
            **islands,
            **sections,
            "archives": {name: section.resolved() for name, section in self.archives.items()},
            "checkpoint": _plain(asdict(self.checkpoint)),
        }

    def text(self) -> str:
        """The resolved config as YAML."""
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True)

    def hash(self) -> str:
        """SHA-256 of the resolved config."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def load(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Config:
    """A config from a file or a mapping, with `key=value` overrides.

    Raises:
        ConfigError: Whatever is wrong, a line each.
    """
    raw = dict(source) if isinstance(source, Mapping) else read_yaml(Path(source))
    name = "" if isinstance(source, Mapping) else as_file_name(Path(source).stem)
    given = [parse_override(override) for override in overrides]
    for key, value in given:
        assign(raw, key, value)
    return check(raw, name, given)


def check(raw: Json, name: str = "", given: Given = ()) -> Config:
    """A config from a mapping, in which the keys that were given stand already.

    Raises:
        ConfigError: Whatever is wrong, a line each.
    """
    problems: list[str] = []
    raw = of_island(raw, name, problems, given)
    known = [f.name for f in fields(CampaignSection)] + [*SECTIONS, "archives"]
    known += ["checkpoint", "steady", "islands"]
    for key in raw:
        if key not in known:
            problems.append(f"{key}: unknown key.{did_you_mean(key, known)}")
    top = {k: v for k, v in raw.items() if k in {f.name for f in fields(CampaignSection)}}
    campaign = read_values(CampaignSection, top, "", problems)
    checkpoint = read_values(CheckpointSection, raw.get("checkpoint") or {}, "checkpoint", problems)
    steady = read_values(SteadySection, raw.get("steady") or {}, "steady", problems)
    shared = raw.get("islands")
    islands = None if shared is None else read_values(IslandsSection, shared, "islands", problems)
    searcher = _section("searcher", "searcher", raw.get("searcher"), problems)
    own = brought(raw.get("searcher"))
    task = _section("task", "task", raw.get("task"), problems)
    filled = {**DEFAULTS, **raw, "policy": _policy(raw.get("policy"), task)}
    filled |= {s: _with_own(raw.get(s), default) for s, default in own.items()}
    parts = {"task": task, "searcher": searcher}
    parts |= {s: _section(s, s, filled.get(s), problems) for s in SECTIONS if s not in parts}
    archives = _archives(raw.get("archives") or {}, searcher, problems)
    _check_mode(campaign, searcher, "steady" in raw, problems)
    _check_islands(campaign, searcher, islands, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    assert campaign is not None  # for the type checker: no problems, so it was read
    if not campaign.name:
        default = name or as_file_name(f"{task.kind}-{searcher.kind}")
        campaign = CampaignSection(**{**asdict(campaign), "name": default})
    own_sections = {"checkpoint": checkpoint, "steady": steady, "islands": islands}
    return Config(campaign=campaign, archives=archives, **own_sections, **parts)


def changed(old: Any, new: Any, path: str = "") -> list[str]:
    """Dotted keys whose values differ between two resolved configs."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [path]
    keys = sorted(old.keys() | new.keys())
    return [
        key
        for k in keys
        for key in changed(old.get(k), new.get(k), f"{path}.{k}" if path else str(k))
    ]


def _archives(raw: Any, searcher: Section | None, problems: list[str]) -> dict[str, Section]:
    """The archives a searcher works with: its own defaults, by name, where not given."""
    if searcher is None or not isinstance(raw, Mapping):
        if not isinstance(raw, Mapping):
            problems.append(f"archives: expected a mapping of names, got {raw!r}.")
        return {}
    defaults = searcher.parameters.archives
    for name in raw:
        if name not in defaults:
            wants = ", ".join(defaults)
            problems.append(f"archives.{name}: unknown name; {searcher.kind} works with: {wants}.")
    sections = {
        name: _section("archive", f"archives.{name}", _with_kind(raw.get(name), kind), problems)
        for name, kind in defaults.items()
    }
    given = {name: section for name, section in sections.items() if section is not None}
    _check_kinds(given, searcher, problems)
    return given


def _check_kinds(archives: dict[str, Section], searcher: Section, problems: list[str]) -> None:
    """Archives of a kind with which the searcher is not what its name says."""
    defaults = searcher.parameters.archives
    for name, kinds in getattr(searcher.parameters, "archive_kinds", {}).items():
        if name in archives and archives[name].kind not in kinds:
            wanted = "one of " * (len(kinds) > 1) + ", ".join(kinds)
            problems.append(
                f"archives.{name}: expected {wanted} for {searcher.kind} with its parameters, got "
                f"{archives[name].kind!r}. Leave the kind out to have {defaults[name]}."
            )


def _check_mode(campaign: Any, searcher: Any, has_section: bool, problems: list[str]) -> None:
    """Whether the searcher can do without generations, where the config asks for that."""
    if campaign is None or searcher is None:  # a problem already
        return
    if campaign.mode == "generational":
        if has_section:
            problems.append("steady: expected only with mode: steady. Set that, or leave it out.")
    elif not hasattr(searcher.parameters, STEADY):
        problems.append(
            f"mode: expected generational, for {searcher.kind} looks at a generation as a whole, "
            f"got 'steady'. Leave it out, or use one of {', '.join(_free())}."
        )


def _check_islands(campaign: Any, searcher: Any, islands: Any, problems: list[str]) -> None:
    """Whether the searcher can take others in, and the island is one of them."""
    if campaign is None or searcher is None or islands is None:
        return
    if not hasattr(searcher.parameters, STEADY):
        problems.append(
            f"islands: expected a searcher that judges by the archive alone, got {searcher.kind}. "
            f"Use one of {', '.join(_free())}."
        )
    if campaign.island >= islands.n:
        problems.append(
            f"island: expected less than the {islands.n} islands, got {campaign.island}."
        )


def _free() -> list[str]:
    """Searchers that need no generation, and can take others in."""
    return [n for n, r in sorted(SEARCHERS.items()) if hasattr(resolve(r.parameters), STEADY)]


def _policy(raw: Any, task: Section | None) -> Any:
    """A policy section whose kind is the task's own where it names none."""
    if isinstance(raw, str) or (isinstance(raw, Mapping) and "kind" in raw):
        return raw
    if task is None:  # it is a problem already; do not add another
        return "mlp"
    facts = getattr(task.parameters, "facts", None)  # of a family's task only once it is built
    return _with_kind(raw, facts.policy if facts else "mlp")


def _with_kind(raw: Any, kind: str) -> Any:
    """A section whose kind is a given one where it names none."""
    return {"kind": kind, **raw} if isinstance(raw, Mapping) else raw or kind


def _with_own(raw: Any, default: str | Json) -> Any:
    """A section that starts from a searcher's own default for as long as the kind is the same."""
    if isinstance(default, str):
        return _with_kind(raw, default)
    raw = {"kind": raw} if isinstance(raw, str) else raw
    own = default["kind"]
    if raw and not (isinstance(raw, Mapping) and raw.get("kind", own) == own):
        return raw
    return {**default, **(raw or {})}


def _section(table: str, path: str, raw: Any, problems: list[str]) -> Any:
    """One section, or None and a problem."""
    if raw is None:
        problems.append(f"{path}: missing. Name a kind; `qdx tasks` and `qdx searchers` list them.")
        return None
    raw = {"kind": raw} if isinstance(raw, str) else raw
    if not isinstance(raw, Mapping) or not isinstance(raw.get("kind", ""), str):
        problems.append(f"{path}: expected a kind or a mapping with `kind`, got {raw!r}.")
        return None
    kind = raw.get("kind") or DEFAULTS.get(table)
    if kind is None:
        problems.append(f"{path}.kind: missing. Name a kind.")
        return None
    try:
        schema = resolve(row(table, kind, path).parameters)
    except ConfigError as error:
        problems.append(str(error))
        return None
    values = {k: v for k, v in raw.items() if k != "kind"}
    parameters = read_values(schema, values, path, problems)
    return None if parameters is None else Section(kind, parameters)


def _plain(value: Any) -> Any:
    """Tuples as lists, so that YAML gives back what was written."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value

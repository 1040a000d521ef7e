"""What a user wrote, before anything is checked: a YAML file, and `key=value` overrides."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from qdx.core.errors import ConfigError
from qdx.core.types import Json


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error rather than a riddle."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for i, key in enumerate(keys) if key in keys[:i]]
        if twice:
            raise yaml.YAMLError(f"the key {twice[0]!r} is given twice")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Json:
    """The mapping in a YAML file.

    Raises:
        ConfigError: No such file, or it holds no mapping.
    """
    try:
        raw = yaml.load(path.read_text(), UniqueKeys)
    except OSError as error:
        near = difflib.get_close_matches(path.name, [p.name for p in _beside(path)], n=1)
        hint = f" Did you mean {path.with_name(near[0])}?" if near else ""
        raise ConfigError(
            f"config: expected a YAML file, got {path}: {error.strerror or error}.{hint}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"config: {path} is not valid YAML: {reason}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"config: expected a mapping of keys in {path}, got {raw!r}.")
    return raw


def _beside(path: Path) -> list[Path]:
    """The YAML files in the folder of a path."""
    return sorted(path.parent.glob("*.yaml"))


def parse_override(text: str) -> tuple[list[str], Any]:
    """`a.b=value` → path and YAML value.

    Raises:
        ConfigError: No `=`, or an empty key.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"override: expected key=value, got {text!r}.")
    try:
        return key.split("."), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"override: the value in {text!r} is not valid YAML.") from error


def assign(raw: Json, path: Sequence[str], value: Any) -> None:
    """Set a nested key; a section that is only a kind becomes a mapping."""
    *parents, last = path
    for key in parents:
        inner = raw.get(key)
        if isinstance(inner, str):
            inner = {"kind": inner}
        raw[key] = dict(inner) if isinstance(inner, Mapping) else {}
        raw = raw[key]
    raw[last] = value

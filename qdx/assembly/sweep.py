"""Grids of configs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from qdx.assembly.config import Config, check
from qdx.assembly.sections import as_file_name
from qdx.assembly.written import assign, parse_override, read_yaml
from qdx.core.errors import ConfigError


class GridPoint(NamedTuple):
    """One config of a sweep; its label names file and run directory."""

    label: str
    config: Config


def grid(path: Path, keys: Sequence[str]) -> list[GridPoint]:
    """Every combination of the listed values, the last key fastest.

    The campaign's name takes the values of every key that varies, the seed excepted, so that
    `qdx compare` puts seeds together.

    Raises:
        ConfigError: A key without values, or a combination that is no valid config.
    """
    axes = [_axis(key) for key in keys]
    points = []
    for values in itertools.product(*(values for _, values in axes)):
        raw = read_yaml(path)
        for (key, _), value in zip(axes, values, strict=True):
            assign(raw, key, value)
        told = [
            str(value)
            for (key, choices), value in zip(axes, values, strict=True)
            if key != ["seed"] and len(choices) > 1
        ]
        raw["name"] = "-".join(
            [str(raw.get("name") or as_file_name(path.stem)), *map(as_file_name, told)]
        )
        given = [(key, value) for (key, _), value in zip(axes, values, strict=True)]
        config = check(raw, given=given)
        points.append(GridPoint(f"{config.campaign.name}-{config.campaign.seed}", config))
    if len({point.label for point in points}) < len(points):
        raise ConfigError("sweep: two configs of the grid are the same. Remove repeated values.")
    return points


def write(folder: Path, points: Sequence[GridPoint]) -> list[Path]:
    """The configs as files, numbered as `--task` counts them.

    Raises:
        ConfigError: The folder holds another sweep.
    """
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    files = [folder / "configs" / f"{i:04d}-{p.label}.yaml" for i, p in enumerate(points)]
    others = set((folder / "configs").iterdir()) - set(files)
    if others:
        raise ConfigError(
            f"sweep: {folder} holds another sweep ({min(others).name}, …). Give this one its own "
            "folder with --out."
        )
    for file, point in zip(files, points, strict=True):
        file.write_text(point.config.text())
    return files


def _axis(text: str) -> tuple[list[str], list[object]]:
    key, value = parse_override(text)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ConfigError(f"sweep: expected at least one value in {text!r}.")
    return key, values

"""`qdx sweep`: a grid of configs, and one of them run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from qdx.cli import running


def sweep(
    config: Annotated[Path, typer.Argument(help="A YAML file.")],
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=[A,B]]...", help="Values to cross.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep.")] = None,
    task: Annotated[int | None, typer.Option(help="Run this one of the grid.")] = None,
) -> None:
    """Write the grid of resolved configs; --task N runs one, or resumes it if it has begun."""
    from qdx.assembly.sweep import grid, write
    from qdx.core.errors import ConfigError

    folder = out or Path("sweeps") / config.stem
    points = grid(config, keys or [])
    files = write(folder, points)
    if task is None:
        for i, (file, point) in enumerate(zip(files, points, strict=True)):
            print(f"{i:<6}{file}  {point.label}")
        command = shlex.join(["qdx", "sweep", str(config), *(keys or []), "--out", str(folder)])
        print(f"run one with: {command} --task N")
        return
    if not 0 <= task < len(points):
        raise ConfigError(f"--task: expected 0 to {len(points) - 1}, got {task}.")
    directory = folder / points[task].label
    if (directory / "config.yaml").exists():
        running.resume(directory)
    else:
        running.run(files[task], out=directory)

"""`qdx inspect`, `verify`, `replay`, `compare` and `export`: commands that only read a run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from qdx.cli import printing

if TYPE_CHECKING:
    from qdx.assembly.stored import StoredRun

Directory = Annotated[Path, typer.Argument(help="A run directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


class Format(StrEnum):
    """Where an export goes."""

    PARQUET = "parquet"
    RIBS = "ribs"
    TORCH = "torch"


def inspect(directory: Directory, json: AsJson = False) -> None:
    """What a run is and has found; also draws its picture."""
    from qdx.assembly.stored import StoredRun

    run = StoredRun.open(directory)
    if json:
        printing.as_json(run.summary())
        return
    printing.summary(run.summary())
    printing.picture(run)


def verify(directory: Directory, json: AsJson = False) -> None:
    """Check every checksum and invariant; exit code 3 when something is damaged."""
    from qdx.assembly.invariants import broken
    from qdx.assembly.stored import StoredRun
    from qdx.storage import verify as check

    report = check(directory)
    unsound = broken(StoredRun.open(directory)) if report.good is not None else []
    damaged = [*report.damaged, *unsound]
    if json:
        printing.as_json({"sound": not damaged, **vars(report), "damaged": damaged})
    else:
        for sentence in damaged:
            print(f"damaged       {sentence}")
        for sentence in report.notes:
            print(f"note          {sentence}")
        survives = "nothing" if report.good is None else f"commit {report.good}"
        print(f"{'sound' if not damaged else 'survives':<14}{survives} in {directory}")
    if damaged:
        raise typer.Exit(3)


def replay(
    directory: Directory,
    id_: Annotated[int | None, typer.Argument(metavar="[ID]", help="An individual.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The fittest archived individual.")] = False,
    device: Annotated[str, typer.Option(help="Where to run it; the run's own by default.")] = "",
    video: Annotated[Path | None, typer.Option(help="Also a film: .mp4 or .gif.")] = None,
    json: AsJson = False,
) -> None:
    """Run one individual again: does the outcome match the stored one? Draws its trajectory."""
    from qdx.assembly.parts import build_task
    from qdx.assembly.replay import frames
    from qdx.assembly.replay import replay as run_again
    from qdx.assembly.stored import StoredRun
    from qdx.core.errors import ConfigError
    from qdx.report.picture import save
    from qdx.report.replay import save_film, save_video, trajectory_picture

    if best == (id_ is not None):
        raise ConfigError("replay: expected an ID or --best, one of the two.")
    run = StoredRun.open(directory)
    chosen = run.best() if id_ is None else id_
    again = run_again(run, chosen, device=device)
    fitness = float(again.outcome.fitness[0])
    title = f"{run.config.task.kind}, individual {chosen}, reward {fitness:.3f}"
    task = build_task(run.config)
    files, problem = [], ""
    try:
        steps = np.arange(len(again.path))
        figure = trajectory_picture(task, again.path, title, steps=steps, limbs=again.limbs)
        files = save(figure, run.path / "media" / f"{chosen}")
    except ConfigError as error:  # a task whose measures are not two
        problem = str(error)
    if video is not None:
        seen = frames(run, chosen, device=device)
        if seen is None:
            files.append(save_video(task, again.path, video, limbs=again.limbs))
        else:
            files.append(save_film(seen, video))
    stored = float(again.stored.outcomes.fitness[0])
    if json:
        facts = {"id": chosen, "match": again.match, "note": again.note}
        rewards = {"fitness": fitness, "stored_fitness": stored}
        printing.as_json({**facts, **rewards, "files": [str(f) for f in files]})
        return
    print(f"{'individual':<14}{chosen}: reward {fitness:.6f}, stored {stored:.6f}")
    print(f"{'match':<14}{again.match}{f' ({again.note})' if again.note else ''}")
    if problem:
        print(f"{'no picture':<14}{problem}")
    for file in files:
        print(f"{'picture':<14}{file}")


def compare(
    directories: Annotated[list[Path], typer.Argument(help="Run directories.")],
    out: Annotated[Path, typer.Option(help="Where the curves go, without a suffix.")] = Path(
        "comparison"
    ),
    over_time: Annotated[
        bool,
        typer.Option(
            "--time-coverage", help="Also coverage over the episode; runs all archived again."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Runs side by side: a table, and curves with their spread over seeds."""
    from qdx.report import time_coverage
    from qdx.report.compare import curves, readable, records, table
    from qdx.report.picture import save

    runs = _opened(directories)
    rows = table(runs)
    base = out.with_suffix("") if out.suffix in (".png", ".svg") else out
    files = save(curves(runs), base)
    measured = time_coverage.measure(runs) if over_time else []
    if measured:
        rows = rows.join(time_coverage.columns(measured))
        files += save(time_coverage.picture(measured), base.with_name(f"{base.name}-time"))
    if json:
        more = {"time_coverage": time_coverage.records(measured)} if measured else {}
        printing.as_json({"rows": records(rows), "files": [str(f) for f in files], **more})
        return
    print(readable(rows).to_string(index=False))
    for file in files:
        print(f"{'picture':<14}{file}")


def export(
    directory: Directory,
    format_: Annotated[Format, typer.Option("--format", help="Where to.")],
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
    id_: Annotated[int | None, typer.Option("--id", help="torch: whose policy.")] = None,
) -> None:
    """Archived individuals to pandas/DuckDB or pyribs, or the best policy to a torch state dict."""
    from qdx.assembly.stored import StoredRun
    from qdx.report.export import to_npz, to_parquet, to_torch

    run = StoredRun.open(directory)
    suffix = {Format.PARQUET: "parquet", Format.RIBS: "npz", Format.TORCH: "pt"}[format_]
    file = out or run.path / "media" / f"export.{suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if format_ is Format.PARQUET:
        to_parquet(run, file)
    elif format_ is Format.RIBS:
        to_npz(run, file)
    else:
        to_torch(run, file, run.best() if id_ is None else id_)
    print(f"{'written':<14}{file}")


def _opened(directories: list[Path]) -> list[StoredRun]:
    """The runs to compare, each once; folders that are none are passed over with a warning."""
    from qdx.assembly.stored import StoredRun

    paths = list(dict.fromkeys(d.resolve() for d in directories))
    given = [p for p in paths if (p / "config.yaml").exists() or not p.is_dir()]
    for path in paths:
        if given and path not in given:
            printing.warn(f"passed over: {path} is no run directory.")
    runs = [StoredRun.open(p) for p in given or paths]
    if len({run.snapshot.meta.get("evaluations", 0) // 1000 for run in runs}) > 1:
        printing.warn("the runs differ in length; a mean over them mixes early and late.")
    return runs

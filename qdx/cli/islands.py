"""`qdx islands` and `qdx gather`."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from qdx.cli import printing
from qdx.cli.running import Overrides


def islands(
    config: Annotated[Path, typer.Argument(help="A YAML file with a section islands.")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Folder of all their runs.")] = None,
) -> None:
    """Run all islands of a config on this machine, or resume them; then gather their archives."""
    from qdx.assembly.config import load
    from qdx.campaign.gather import gather
    from qdx.core.errors import ConfigError

    given = overrides or []
    resolved = load(config, given)
    if resolved.islands is None:
        raise ConfigError("islands: missing. Say how they exchange; docs/asynchronous.md has it.")
    root = out or Path("archives") / resolved.campaign.name
    root.mkdir(parents=True, exist_ok=True)
    commands = [_command(config, given, root, island) for island in range(resolved.islands.n)]
    codes = _run(commands, root)
    for island, code in enumerate(codes):
        if code:
            printing.warn(f"island {island} ended with exit code {code}; see {root / _log(island)}")
    if any(codes):
        print("go on with the same command")
        raise typer.Exit(next((code for code in codes if code > 0), 5))
    shared = root / "shared"
    if not shared.exists():
        gather(root / "exchange", shared)
    printing.result(shared)


def gather(
    folder: Annotated[Path, typer.Argument(help="Where islands publish.")],
    out: Annotated[Path, typer.Option(help="Run directory of the shared archive.")],
) -> None:
    """Make one run of what islands published."""
    from qdx.campaign.gather import gather as make

    printing.result(make(folder, out))


def _command(config: Path, overrides: list[str], root: Path, island: int) -> list[str]:
    """What runs an island, or goes on with it."""
    run = root / f"{island}"
    if any(run.glob("manifest-*")):
        return ["resume", str(run), *overrides]
    own = [f"island={island}", f"islands.folder={root / 'exchange'}"]
    return ["run", str(config), *overrides, *own, "--out", str(run)]


def _log(island: int) -> str:
    return f"island-{island}.log"


def _run(commands: list[list[str]], root: Path) -> list[int]:
    """The exit codes of islands, each a process; signals are passed on to all of them."""
    processes: list[subprocess.Popen[bytes]] = []

    def on_signal(number: int, frame: Any) -> None:
        for process in processes:
            process.send_signal(signal.SIGTERM)

    before = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        for island, command in enumerate(commands):
            with (root / _log(island)).open("ab") as log:
                start = [sys.executable, "-m", "qdx", *command]
                processes.append(
                    subprocess.Popen(start, stdout=log, stderr=log, start_new_session=True)
                )
            print(f"island {island}: qdx {' '.join(command)}", flush=True)
        return [process.wait() for process in processes]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

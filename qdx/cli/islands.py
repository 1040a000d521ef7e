"""`qdx islands` and `qdx gather`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qdx.cli import printing
from qdx.cli.running import Overrides
from qdx.cli.signals import STOPPING, on_stop
from qdx.core.errors import ConfigError, InterruptedRun, MachineError

if TYPE_CHECKING:
    from qdx.assembly.config import Config

LOOK_S = 0.1  # how often to look whether an island has ended
STOPPED = InterruptedRun.exit_code


def islands(
    config: Annotated[Path, typer.Argument(help="A YAML file with a section islands.")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Folder of all their runs.")] = None,
) -> None:
    """Run all islands of a config on this machine, or resume them; then gather their archives."""
    from qdx.campaign.gather import gather

    given = overrides or []
    configs = _configs(config, given)
    root = out or Path("archives") / configs[0].campaign.name
    root.mkdir(parents=True, exist_ok=True)
    commands = [_command(config, given, root, island) for island in range(len(configs))]
    codes = _run(commands, root)
    for island, code in enumerate(codes):
        if code == STOPPED:
            printing.warn(f"island {island} was stopped")
        elif code:
            printing.warn(f"island {island} ended with exit code {code}; see {root / _log(island)}")
    if any(codes):
        print("go on with the same command")
        failed = [code for code in codes if code not in (0, STOPPED)]
        raise typer.Exit(max(failed[0], 0) or MachineError.exit_code if failed else STOPPED)
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


def _configs(config: Path, given: list[str]) -> list[Config]:
    """The configs of all islands, before any of them begins.

    Raises:
        ConfigError: What is wrong on any of them, or they are no islands of one archipelago.
    """
    from qdx.assembly.config import load
    from qdx.campaign.exchange import refuse_unlike

    first = load(config, [*given, "island=0"])
    if first.islands is None:
        raise ConfigError("islands: missing. Say how they exchange; docs/asynchronous.md has it.")
    configs, problems = [first], []
    for island in range(1, first.islands.n):
        try:
            configs.append(load(config, [*given, f"island={island}"]))
            own = configs[-1].resolved()
            refuse_unlike(first.resolved(), own, "on island 0", f"on island {island}")
        except ConfigError as error:
            problems += [f"island {island}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ConfigError("\n".join(problems))
    return configs


def _command(config: Path, overrides: list[str], root: Path, island: int) -> list[str]:
    """What runs an island, or goes on with it."""
    run = root / f"{island}"
    if any(run.glob("manifest-*")):
        return ["resume", str(run), *overrides]
    own = [f"island={island}", f"islands.folder={root / 'exchange'}"]
    return ["run", str(config), *overrides, *own, "--out", str(run)]


def _log(island: int) -> str:
    return f"island-{island}.log"


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A process of its own session, so that Ctrl-C reaches it only through this one."""
    start = [sys.executable, "-m", "qdx", *command]
    with log.open("ab") as out:
        return subprocess.Popen(start, stdout=out, stderr=out, start_new_session=True)


def _run(commands: list[list[str]], root: Path) -> list[int]:
    """The exit codes of islands, each a process; a signal stops all, and so does one that fails."""
    processes: list[subprocess.Popen[bytes]] = []
    asked = 0  # times to stop; who is asked twice does not commit first

    def stop() -> None:
        nonlocal asked
        asked += 1

    with on_stop(stop):
        try:
            for island, command in enumerate(commands):
                if asked:
                    break
                processes.append(_start(command, root / _log(island)))
                print(f"island {island}: qdx {' '.join(command)}", flush=True)
            sent = 0
            while None in (codes := [process.poll() for process in processes]):
                if not asked and any(codes):
                    asked = 1
                if sent < asked:
                    sent += 1
                    _stop(processes)
                time.sleep(LOOK_S)
        except BaseException:
            _stop(processes)
            raise
    ends = [process.wait() for process in processes]
    if sent:  # also those that a signal reached before they could take it
        ends = [STOPPED if -code in STOPPING else code for code in ends]
    return ends + [STOPPED] * (len(commands) - len(ends))


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask all that run to commit and end."""
    for process in processes:
        process.send_signal(signal.SIGTERM)

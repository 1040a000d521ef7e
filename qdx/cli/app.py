"""The `qdx` command: errors end as one clear line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from qdx import __version__
from qdx.cli import islands, listing, reading, running, sweeping
from qdx.core.errors import QdxError

app = typer.Typer(
    name="qdx",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Print it.")] = False) -> None:
    """Quality-diversity exploration campaigns: run, resume, inspect, compare."""
    if version:
        print(f"qdx {__version__}")
        raise typer.Exit


for command in (
    running.run,
    running.resume,
    reading.inspect,
    reading.verify,
    reading.replay,
    reading.compare,
    reading.export,
    sweeping.sweep,
    islands.islands,
    islands.gather,
    listing.tasks,
    listing.searchers,
):
    app.command()(command)


def main() -> None:
    """Entry point; exit codes are those of the README."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run a command line and give its exit code."""
    try:
        app(arguments)
    except SystemExit as done:  # how typer ends, usage errors included
        return int(done.code or 0)
    except QdxError as error:
        for line in str(error).splitlines():
            print(f"qdx: {line}", file=sys.stderr)
        return error.exit_code
    except MemoryError:
        print("qdx: out of memory. The last commit stands.", file=sys.stderr)
        return 5
    except BrokenPipeError:  # the reader of our output has gone, as in `qdx tasks | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"qdx: {error.filename or 'the system'}: {error.strerror or error}.", file=sys.stderr)
        return 5
    return 0

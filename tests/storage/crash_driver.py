"""Run the scenario in child processes that SIGKILL themselves at a given file operation.

    crash_driver.py FOLDER STRIDE OFFSET

For each kill point n of the chosen ones, `FOLDER/n` is left as it was when a first process died at
its n-th operation and a second one, that went on, at one of its own. One JSON line each says what
the last process to commit had been told.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage_scenario import campaign

from qdx.storage import compaction

OPERATIONS = ["open", "write", "pwrite", "fsync", "replace", "rename", "link", "unlink"]
OPERATIONS += ["ftruncate", "mkdir"]


def arm(deadly: int) -> None:
    """Die at the operation with this number; a write counts twice, before and in the middle."""
    count = 0

    def die_if_due() -> bool:
        nonlocal count
        count += 1
        return count == deadly

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if die_if_due():
                os.kill(os.getpid(), signal.SIGKILL)
            if name in ("write", "pwrite") and die_if_due():
                real(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in OPERATIONS:
        setattr(os, name, wrap(name, getattr(os, name)))


def child(root: Path, deadly: int) -> tuple[int, bool]:
    """The last commit a process was told of, -1 for none, and whether it was killed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        report = os.write  # not counted
        arm(deadly)

        def tell(commit: int) -> None:
            report(writer, bytes([commit]))

        campaign(root, tell)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read()
    killed = os.waitpid(pid, 0)[1] == signal.SIGKILL
    return (told[-1] if told else -1), killed


def main(folder: Path, stride: int, offset: int) -> None:
    compaction.FAN = 3
    deadly, killed = 1 + offset, True
    while killed:
        root = folder / str(deadly)
        first, killed = child(root, deadly)
        second, _ = child(root, 1 + deadly * 7 % 60)
        sys.stdout.write(json.dumps({"root": str(root), "told": max(first, second)}) + "\n")
        deadly += stride


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

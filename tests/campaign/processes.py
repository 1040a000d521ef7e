"""Schedulers, workers and campaigns as processes of their own, which tests may kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


def spawn(module: str, *arguments: object, folder: Path, log: str) -> subprocess.Popen[bytes]:
    """A Python module in a session of its own; what it says goes into a file."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    }
    with (folder / log).open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )


class DaskProcesses:
    """A scheduler and its workers, each a process; also what `executor.cluster` makes.

    Attributes:
        scheduler_address: Where it listens, on 127.0.0.1.
    """

    def __init__(self, folder: str, workers: int = 2, nanny: bool = False) -> None:
        self.folder = Path(folder)
        with (self.folder / "starts").open("a") as file:
            file.write("started\n")
        n = len((self.folder / "starts").read_text().split())
        self.file = self.folder / f"scheduler-{n}.json"
        scheduler = spawn(
            "distributed.cli.dask_scheduler",
            *("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--no-jupyter"),
            *("--scheduler-file", self.file),
            folder=self.folder,
            log="scheduler.log",
        )
        self.processes = [scheduler]
        self.scheduler_address = str(self._told()["address"])
        for i in range(workers):
            self.add_worker(f"w{i}", nanny=nanny)
        (self.folder / "victims").write_text(str(scheduler.pid))

    def add_worker(self, name: str, *, nanny: bool = False) -> subprocess.Popen[bytes]:
        worker = spawn(
            "distributed.cli.dask_worker",
            *("--scheduler-file", self.file, "--name", name, "--nthreads", 1),
            *("--nanny" if nanny else "--no-nanny", "--no-dashboard", "--memory-limit", 0),
            *("--local-directory", self.folder, "--death-timeout", 20, "--host", "127.0.0.1"),
            folder=self.folder,
            log="workers.log",
        )
        self.processes.append(worker)
        return worker

    def close(self, timeout: float | None = None) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)

    def _told(self) -> Any:
        for _ in waiting():
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return json.loads(self.file.read_text())
            assert self.processes[0].poll() is None
        raise AssertionError("unreachable")


def waiting() -> Iterator[None]:
    """Looks a test takes until something has happened; it fails when that takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    raise AssertionError("waited too long")


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:4]
    except OSError:
        return False


def installed(site: Path, group: str, name: str, value: str) -> None:
    """An installed package that offers one entry point."""
    told = site / f"offering_{name}-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: offering-{name}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")

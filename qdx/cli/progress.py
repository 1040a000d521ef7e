"""Progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from qdx.core.types import Record

LINE_EVERY_S = 5.0


@final
class ProgressReport:
    """Evaluations, evaluations/s, coverage, best, failed, time left."""

    def __init__(self, budget: int, done: int, slots: Callable[[], int]) -> None:
        """A campaign of which `done` evaluations are there already, and what can run its shards."""
        self._slots = slots
        self._budget, self._start_count, self._start = budget, done, time.monotonic()
        self._console = Console(stderr=True)
        self._last_line = self._start
        self._done, self._told = done, ""
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[status]}"),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=budget, completed=done, status="")

    def __enter__(self) -> ProgressReport:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, record: Record) -> None:
        """Show a generation."""
        self._done, self._told = record.evaluations, self._status(record)
        self.waiting(0)

    def waiting(self, n: int) -> None:
        """Show that n genomes of a generation under way are evaluated."""
        done, said = self._done + n, self._told if self._slots() else "waiting for workers"
        if self._bar:
            self._bar.update(self._task, completed=done, status=said)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            told = ", ".join(filter(None, [f"{done}/{self._budget} evaluations", said]))
            print(told, flush=True)

    def _status(self, record: Record) -> str:
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = (record.evaluations - self._start_count) / elapsed
        left = max(self._budget - record.evaluations, 0) / max(rate, 1e-9)
        best = record.metrics["best_fitness"]
        shown = "none" if best is None else f"{best:.3f}"
        return (
            f"{rate:.0f}/s, coverage {record.metrics['coverage']:.3f}, best {shown}, "
            f"failed {record.metrics['failed']}, {left:.0f} s left"
        )

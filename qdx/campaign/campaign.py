"""A campaign: the parts, the run directory, and the moments at which one goes into the other."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.assembly.config import STEADY, Config, load
from qdx.assembly.environment import differences, environment
from qdx.assembly.parts import Parts, build
from qdx.assembly.stored import StoredRun, with_overrides
from qdx.campaign import learning, loop, steady
from qdx.campaign.exchange import Exchange, prepare
from qdx.campaign.rhythm import Rhythm
from qdx.campaign.stopwatch import Stopwatch
from qdx.campaign.window import Window, refuse_failures
from qdx.core.errors import InterruptedRun, RolloutError
from qdx.core.records import joined
from qdx.core.types import Evaluations, Json, Outcomes, Record, State, Verdict
from qdx.storage import Delta, RunDirectory, Snapshot


@final
class Campaign:
    """One search, from its config to its run directory.

        with Campaign(config) as campaign:
            while not campaign.is_finished():
                record = campaign.step()

    A killed campaign goes on from its last commit with `Campaign.resume(path)`.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | Config,
        out: str | Path | None = None,
        *,
        overrides: Sequence[str] = (),
    ) -> None:
        """Begin a campaign in a new directory.

        Args:
            config: A YAML file, a mapping, or a config already loaded.
            out: The run directory; archives/<name>-<seed> where not given.
            overrides: `key=value` on top of the config.

        Raises:
            ConfigError: The config is wrong or the directory is in use.
        """
        resolved = config if isinstance(config, Config) else load(config, overrides)
        parts = build(resolved)
        c = resolved.campaign
        path = Path(out) if out is not None else Path("archives") / f"{c.name}-{c.seed}"
        prepare(resolved.islands, c.island)
        self._begin(parts, RunDirectory.create(path, resolved.text()), overrides=[])
        self.exchange.begin(resolved.text())
        self._open_events()

    @classmethod
    def resume(cls, path: str | Path, overrides: Sequence[str] = ()) -> Campaign:
        """Go on from the last commit.

        Raises:
            ConfigError: No run there, or an override changes what the run is.
            LockedRunError: Another process runs it.
            DamagedRunError: No commit verifies.
        """
        stored = StoredRun.open(path)  # refuses before the lock is taken
        config, kept = with_overrides(stored, overrides)
        parts = build(config)
        directory, snapshot = RunDirectory.open(path)
        campaign = cls.__new__(cls)
        campaign._begin(parts, directory, overrides=kept)
        try:
            campaign._restore(snapshot)
            campaign.exchange.go_on(config.text())
            campaign._open_events()
            if overrides:  # remembered even if this process dies before its next commit
                campaign.commit("running")
        except BaseException:
            campaign.close()
            raise
        campaign.skipped += snapshot.skipped
        began = snapshot.meta.get("environment")
        campaign.moved = differences(began, environment(config, parts.task)) if began else []
        return campaign

    def _begin(self, parts: Parts, directory: RunDirectory, *, overrides: list[str]) -> None:
        self.config = parts.config
        self.task = parts.task
        self.path = directory.path
        self.skipped: list[str] = []
        self.moved: list[str] = []
        self.told_again = 0  # events after the last commit that a resume took from the log
        self._stopwatch = watch = Stopwatch()
        self.searcher = watch.wrap("searcher", parts.searcher)
        self.executor = watch.wrap("executor", parts.executor)
        self.descriptor = watch.wrap("descriptor", parts.descriptor)
        self.records = watch.wrap("records", parts.records)
        self.archives = {n: watch.wrap(f"archive.{n}", a) for n, a in parts.archives.items()}
        self.tally = watch.wrap("tally", parts.tally)
        self.rollout = parts.rollout
        self._directory = watch.wrap("directory", directory)
        shared, island = parts.config.islands, parts.config.campaign.island
        self.exchange = Exchange(shared, island)
        self._is_steady = parts.config.campaign.mode == "steady"
        self._loop: Any = steady if self._is_steady else loop
        self._own_parts = ["steady"] * self._is_steady + ["exchange"] * (shared is not None)
        batch = getattr(parts.config.searcher.parameters, STEADY, 0)
        self.steady = steady.Steady(parts.config.steady, batch, list(self.archives))
        self.redescribe = parts.descriptor.describe  # so that time is not counted twice
        self._overrides = overrides
        self._is_stopping = False
        self._on_record: Callable[[Record], None] = lambda record: None
        self.on_waiting: Callable[[int], None] = lambda n: None
        self._rhythm = Rhythm(parts.config.checkpoint)

    def __enter__(self) -> Campaign:
        """The campaign itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close, whatever happened."""
        self.close()

    def run(self, on_record: Callable[[Record], None] | None = None) -> None:
        """Run to the end of the budget.

        A campaign that stops early commits what it has first, unless the machine failed.

        Args:
            on_record: Called with each generation's record.

        Raises:
            InterruptedRun: `stop` was called.
            RolloutError: Too many episodes failed.
            MachineError: The disk did not take a commit; the last one stands.
        """
        self._on_record = on_record or self._on_record
        try:
            self._loop.run(self)
        except InterruptedRun as error:
            self._is_stopping = False
            self.commit("interrupted")
            raise InterruptedRun(self._where("interrupted")) from error
        except RolloutError as error:
            self.commit("failed")
            raise RolloutError(f"{error} {self._where('stopped')}") from error

    def step(self) -> Record:
        """One generation, or as many results, journalled, and committed when due."""
        record: Record = self._loop.generation(self)
        self.journal(record)
        if self.is_finished():
            self.commit("finished")
        elif self.is_commit_due():
            self.commit("running")
        return record

    def stop(self) -> None:
        """Ask a running campaign to commit and end; safe from a signal handler."""
        self._is_stopping = True

    def close(self) -> None:
        """Let workers and directory go; what was not committed is forgotten."""
        try:
            self.executor.close()
        finally:
            if self._is_steady:
                self.steady.log.close()
            self._directory.close()

    def is_finished(self) -> bool:
        """Whether the budget of episodes, or that of steps, is spent."""
        c = self.config.campaign
        if c.budget_steps is not None and self.tally.steps >= c.budget_steps:
            return True
        return bool(self.tally.evaluations >= c.budget)

    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopping

    def is_commit_due(self) -> bool:
        """Whether enough has happened since the last commit; the first generation is committed."""
        return self._rhythm.is_due(self.tally.generation)

    def refuse_failures(self, outcomes: Outcomes) -> None:
        """Stop when more of a generation failed than the config tolerates.

        Raises:
            RolloutError: Says how many and why.
        """
        refuse_failures(outcomes, self.config.campaign.max_failed_fraction)

    def learn(self, lesson: Int64[Array, " L"]) -> Json:
        """Move the behaviour space and give everything that is held its new descriptor.

        Returns:
            What the training came to and how far the space moved; empty where it did not.
        """
        return learning.learn(self, lesson)

    def record(
        self, evaluations: Evaluations, verdicts: Mapping[str, Verdict], lesson: Json
    ) -> Record:
        """The journal line of a generation."""
        window = Window.of(list(self.archives))
        window.add(evaluations, verdicts)
        return self.line(window, lesson)

    def line(self, window: Window, lesson: Json | None = None) -> Record:
        """The journal line of what has come since the last one."""
        metrics = self.tally.metrics()
        archives = {n: a.report() | window.verdicts[n] for n, a in self.archives.items()}
        return Record(
            generation=metrics.pop("generation"),
            evaluations=metrics.pop("evaluations"),
            metrics=metrics,
            archives=archives,
            searcher=self.searcher.report(),
            failures=window.failures,
            space=self.records.space,
            lesson=lesson or {},
        )

    def journal(self, record: Record, *, is_new: bool = True) -> None:
        """Append a record and, unless it came without episodes, its timings."""
        self._directory.append({k: v for k, v in vars(record).items() if k != "lesson" or v})
        if not is_new:
            return
        befell = self.executor.report()
        line = {"generation": record.generation, "at": time.time(), **self._stopwatch.lap()}
        self._directory.time(line | ({"shards": befell} if befell else {}))
        self._on_record(record)

    def commit(self, status: str) -> None:
        """Make everything so far durable, or nothing; only what is new is written."""
        if status == "finished":
            self.exchange.end(self)
        deltas = {name: Delta(*changes) for name, changes in self.records.changes().items()}
        for name, archive in self.archives.items():
            members = archive.changes()
            deltas[f"archives/{name}"] = Delta({"id": members.added}, members.removed)
        self._directory.commit(self._states(), deltas, self._meta(status))
        for part in (self.records, *self.archives.values()):
            part.committed()
        if self._is_steady:
            self.steady.committed(self._directory.metas[0].get("events", 0))
        self._rhythm.committed(self.tally.generation)

    def _states(self) -> dict[str, State]:
        return {
            "searcher": self.searcher.state(),
            "descriptor": self.descriptor.state(),
            "tally": self.tally.state(),
            "records": self.records.state(),
            **{name: getattr(self, name).state() for name in self._own_parts},
            **{f"archives/{name}": a.state() for name, a in self.archives.items()},
        }

    def _restore(self, snapshot: Snapshot) -> None:
        if not snapshot.commit:
            return
        self.records.load(joined(snapshot.tables))
        if "descriptions" not in snapshot.tables:  # of format 1
            self.records.rewrite()
        self.records.restore(snapshot.states["records"])
        for name, archive in self.archives.items():
            archive.load(snapshot.tables[f"archives/{name}"]["id"])
            archive.restore(snapshot.states[f"archives/{name}"])
        for part in ("searcher", "descriptor", "tally", *self._own_parts):
            getattr(self, part).restore(snapshot.states[part])
        self._rhythm.committed(self.tally.generation)

    def _open_events(self) -> None:
        """Go on from the event log, in a steady campaign."""
        if self._is_steady:
            log = self._directory.events(self.steady.told)
            self.skipped += log.damage
            self.steady.log = self._stopwatch.wrap("events", log)
            self.told_again = steady.tell_again(self)

    def _meta(self, status: str) -> Json:
        return {
            "status": status,
            "generation": self.tally.generation,
            "evaluations": self.tally.evaluations,
            **({"events": self.steady.told} if self._is_steady else {}),
            "overrides": self._overrides,
            "environment": environment(self.config, self.task),
        }

    def _where(self, what: str) -> str:
        return (
            f"{self.path}: {what} after {self.tally.evaluations} evaluations, which are safe. "
            f"Go on with: qdx resume {shlex.quote(str(self.path))}"
        )

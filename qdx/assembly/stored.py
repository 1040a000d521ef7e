"""A run as it lies on disk: its config, its commit, and what both say. Never locks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import yaml
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.assembly.config import SAFE_ON_RESUME, Config, changed, check, load
from qdx.assembly.parts import build_task
from qdx.core.errors import ConfigError
from qdx.core.records import Records, joined
from qdx.core.types import Evaluations, Genomes, Json
from qdx.metrics.coverage import cell_index, uniformity
from qdx.metrics.phases import PHASES, phases
from qdx.metrics.spaces import correlation
from qdx.metrics.tally import Tally
from qdx.storage import Snapshot, count_beyond, is_held, read, read_config, read_timings

TRUTH_SAMPLE = 300  # archived individuals whose distances are compared with the true ones


@final
@dataclass(frozen=True)
class StoredRun:
    """One commit of a run.

    Attributes:
        path: The run directory.
        config: As the run goes on with, overrides of a resume included.
        created: The resolved config it was created with.
        snapshot: The newest commit that verifies.
    """

    path: Path
    config: Config
    created: Json
    snapshot: Snapshot

    @classmethod
    def open(cls, path: str | Path) -> StoredRun:
        """Read a run.

        Raises:
            ConfigError: No run there, or one of a newer format.
            DamagedRunError: No commit verifies.
        """
        snapshot = read(path)
        created = yaml.safe_load(read_config(path))
        overrides = snapshot.meta.get("overrides", [])
        return cls(Path(path), load(created, overrides), created, snapshot)

    def archive_ids(self, name: str | None = None) -> Int64[Array, " N"]:
        """Ids of the members of an archive, or of all archives, ascending."""
        names = self.archive_names() if name is None else [name]
        tables = [self.snapshot.tables.get(f"archives/{n}", {}).get("id") for n in names]
        found = [ids for ids in tables if ids is not None]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def archive_names(self) -> list[str]:
        """Names of the archives, sorted."""
        return sorted(self.config.archives)

    def evaluations(self, ids: Int64[Array, " R"]) -> Evaluations:
        """Everything that is stored of some ids.

        Raises:
            ConfigError: An id that the run does not hold.
        """
        store = self._store
        missing = np.setdiff1d(ids, store.ids())
        if len(missing) or not len(ids):
            raise ConfigError(
                f"id: expected an individual that {self.path} still holds, got "
                f"{missing[0] if len(missing) else 'none'}. `qdx export` lists them."
            )
        return store.evaluations(ids)

    @cached_property
    def _store(self) -> Records:
        """The rows of the commit, read once."""
        store = Records()
        store.load(joined(self.snapshot.tables))
        store.space = self.space
        return store

    @property
    def space(self) -> int:
        """Version of the behaviour space."""
        state = self.snapshot.states.get("records")
        return int(state.json["space"]) if state else 0

    def best(self) -> int:
        """Id of the fittest archived individual, the oldest of equals.

        A searcher that knows better, from more episodes than one, names its elite in its state.

        Raises:
            ConfigError: The archives are empty.
        """
        ids = self.archive_ids()
        if not len(ids):
            raise ConfigError(f"{self.path}: the archives are empty; there is no best yet.")
        elite = self.snapshot.states["searcher"].json.get("elite", -1)
        if elite in ids:
            return int(elite)
        fitness = self.evaluations(ids).outcomes.fitness
        return int(ids[np.argmax(fitness)])

    def tally(self) -> Tally:
        """The running count at the commit."""
        tally = Tally(build_task(self.config).facts)
        if "tally" in self.snapshot.states:
            tally.restore(self.snapshot.states["tally"])
        return tally

    def status(self) -> str:
        """running, finished, interrupted, failed; stopped where nobody runs it any more."""
        said = str(self.snapshot.meta.get("status", "running"))
        return "stopped" if said == "running" and not is_held(self.path) else said

    def summary(self) -> Json:
        """What `qdx inspect --json` prints."""
        meta = self.snapshot.meta
        return {
            "name": self.config.campaign.name,
            "path": str(self.path),
            "task": self.config.task.kind,
            "searcher": self.config.searcher.kind,
            "mode": self.config.campaign.mode,
            "seed": self.config.campaign.seed,
            "status": self.status(),
            "budget": self.config.campaign.budget,
            **self._found(),
            **self._archived(),
            **self._events(),
            "space_version": self.space,
            "device": meta.get("environment", {}).get("device"),
            "versions": meta.get("environment", {}).get("versions", {}),
            "commit": self.snapshot.commit,
            "skipped": self.snapshot.skipped,
            "digest": self.digest(),
            "state_digest": self.state_digest(),
        }

    def _found(self) -> Json:
        """What all evaluations have shown, and how fast."""
        tally, task = self.tally(), build_task(self.config)
        metrics, ceiling = tally.metrics(), task.ceiling()
        best, rewarded = metrics.pop("best_by_area"), metrics.pop("rewarded")
        goals = [goal.name for goal in task.facts.goals]
        wall_s = sum(self.seconds_by_generation().values())
        return {
            **metrics,
            "coverage_ceiling": ceiling.coverage if ceiling else None,
            "uniformity": uniformity(tally.state().arrays["visits"]),
            "best_by_area": dict(zip(goals, best, strict=True)),
            "rewarded": dict(zip(goals, rewarded, strict=True)),
            "wall_s": round(wall_s, 3),
            "evaluations_per_s": round(metrics["evaluations"] / wall_s, 1) if wall_s else None,
        }

    def _archived(self) -> Json:
        """What is kept."""
        facts, ids = build_task(self.config).facts, self.archive_ids()
        covered, resembles = 0, None
        if len(ids):
            truth = self.evaluations(ids).outcomes.truth
            some = ids[np.unique(np.linspace(0, len(ids) - 1, TRUTH_SAMPLE).astype(int))]
            e = self.evaluations(some)
            resembles = correlation(e.described.descriptors, e.outcomes.truth)
            cells = cell_index(truth, facts.bounds, facts.bins)
            covered = len(np.unique(cells[cells >= 0]))
        last = self.snapshot.journal[-1] if self.snapshot.journal else {"archives": {}}
        rewarding = "rewarding" in self.config.archives
        return {
            "archive_size": len(ids),
            "archives": last["archives"],
            "rewarding_size": len(self.archive_ids("rewarding")) if rewarding else 0,
            "coverage_archive": covered / int(np.prod(facts.bins)),
            "truth_correlation": resembles,
        }

    def _events(self) -> Json:
        """What the event log holds, of a steady run: told at the commit, and beyond it."""
        if self.config.campaign.mode == "generational":
            return {}
        told = self.snapshot.meta.get("events", 0)
        return {"events": {"told": told, "beyond": count_beyond(self.path, told)}}

    def seconds_by_generation(self) -> dict[int, float]:
        """Wall seconds of each committed generation, its last run where it was repeated."""
        end = self.snapshot.meta.get("generation", 0)
        return {
            line["generation"]: line["wall"]
            for line in read_timings(self.path)
            if line["generation"] <= end
        }

    def seconds_by_phase(self) -> dict[str, float]:
        """Seconds of the committed generations by `metrics.phases.PHASES`; the last run counts."""
        end = self.snapshot.meta.get("generation", 0)
        lines = {n["generation"]: n for n in read_timings(self.path) if n["generation"] <= end}
        split = [phases(line) for line in lines.values()]
        return {phase: sum(seconds[phase] for seconds in split) for phase in PHASES}

    def digest(self) -> str:
        """SHA-256 of the archives: ids, genes (seed chains), descriptors, fitness in id order."""
        sha = hashlib.sha256()
        for name in self.archive_names():
            sha.update(name.encode())
            ids = self.archive_ids(name)
            if len(ids):
                e = self.evaluations(ids)
                columns = (ids, e.genomes.genes, e.described.descriptors, e.outcomes.fitness)
                for array in (*columns, *_chains(e.genomes)):
                    _feed(sha, array)
        return sha.hexdigest()

    def state_digest(self) -> str:
        """SHA-256 of every part's state, all held rows, the archives' order and the journal."""
        sha = hashlib.sha256()
        for part, state in sorted(self.snapshot.states.items()):
            sha.update(f"{part}{json.dumps(state.json, sort_keys=True)}".encode())
            for name, array in sorted(state.arrays.items()):
                sha.update(name.encode())
                _feed(sha, array)
        for table, columns in sorted(self.snapshot.tables.items()):
            order = slice(None) if table.startswith("archives/") else np.argsort(columns["id"])
            for name, array in sorted(columns.items()):
                sha.update(f"{table}/{name}".encode())
                _feed(sha, array[order])
        sha.update(json.dumps(self.snapshot.journal, sort_keys=True).encode())
        return sha.hexdigest()


def _chains(genomes: Genomes) -> list[Array]:
    """What stands for the genes of seed chains; nothing for direct genomes."""
    tree = genomes.lineage
    if genomes.seeds is None or genomes.sigmas is None or tree is None:
        return []
    own = [genomes.parents, genomes.seeds, genomes.sigmas]
    return [*own, tree.ids, tree.parents, tree.seeds, tree.sigmas]


def with_overrides(stored: StoredRun, overrides: Sequence[str]) -> tuple[Config, list[str]]:
    """The config a resume goes on with, and all overrides since the run was created.

    Raises:
        ConfigError: An override changes what the run is.
    """
    kept = [*stored.snapshot.meta.get("overrides", []), *overrides]
    config = load(stored.created, kept)
    now: Mapping[str, object] = config.resolved()
    before = check(stored.created).resolved()
    spent = stored.snapshot.meta.get("evaluations", 0)
    if config.campaign.budget < min(spent, stored.config.campaign.budget):
        raise ConfigError(
            f"budget: expected at least the {spent} evaluations this run has made, got "
            f"{config.campaign.budget}."
        )
    if config.campaign.budget_steps is not None and before.get("budget_steps") is None and spent:
        raise ConfigError(
            "budget_steps: cannot be set in a run that has begun without it, for its steps were "
            "not counted. Use budget."
        )
    unsafe = [k for k in changed(before, dict(now)) if not {k, k.split(".")[0]} & {*SAFE_ON_RESUME}]
    if unsafe:
        raise ConfigError(
            f"{', '.join(unsafe)}: cannot change in a run that has begun; only "
            f"{', '.join(SAFE_ON_RESUME)} can. Start a new run instead."
        )
    return config, kept


def _feed(sha: hashlib._Hash, array: Array) -> None:
    """An array with its shape, in a byte order of its own."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    sha.update(f"{little.dtype.str}{little.shape}".encode())
    sha.update(little.tobytes())

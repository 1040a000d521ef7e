"""Config → the parts of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qdx.assembly.config import Config
from qdx.assembly.tables import resolve, row
from qdx.core.protocols import Archive, Descriptor, Executor, Observer, Rollout, Searcher, Task
from qdx.core.records import Records
from qdx.encodings.direct import Direct
from qdx.metrics.tally import Tally
from qdx.searchers.setting import Setting

ISLAND_BITS = 40  # an island's ids start at island << 40


@dataclass(frozen=True)
class Parts:
    """Everything a campaign works with, freshly built."""

    config: Config
    task: Task
    policy: Any
    observer: Observer
    rollout: Rollout
    executor: Executor
    descriptor: Descriptor
    records: Records
    archives: dict[str, Archive]
    searcher: Searcher
    tally: Tally


def build(config: Config) -> Parts:
    """The parts a config names; nothing runs yet.

    Raises:
        ConfigError: Parts that do not fit together.
    """
    device = getattr(config.executor.parameters, "device", "cpu")
    resolve("qdx.rollout.device:check_device")(device)
    task, policy, observer = build_task(config), build_policy(config), config.observer.parameters
    facts = task.facts
    n_samples = len(observer.steps(facts.horizon))
    dimension = n_samples * len(facts.measures)
    descriptor = resolve(row("descriptor", config.descriptor.kind).build)(
        config.descriptor.parameters, observation=config.observer.kind, dimension=dimension
    )
    records = Records()
    archives: dict[str, Any] = {
        name: _archive(
            section,
            records,
            bounds=facts.bounds * n_samples,
            device=device,
            seed=config.campaign.seed,
        )
        for name, section in config.archives.items()
    }
    setting = Setting(
        seed=config.campaign.seed,
        encoding=Direct(policy.n_genes, start=policy.initial),
        records=records,
        archives=archives,
        budget=config.campaign.budget,
        first_id=config.campaign.island << ISLAND_BITS,
    )
    searcher = resolve(row("searcher", config.searcher.kind).build)
    return Parts(
        config=config,
        task=task,
        policy=policy,
        observer=observer,
        rollout=build_rollout(config, observer),
        executor=build_executor(config),
        descriptor=descriptor,
        records=records,
        archives=archives,
        searcher=searcher(config.searcher.parameters, setting),
        tally=Tally(facts),
    )


def build_task(config: Config) -> Task:
    """The task alone, for pictures and lists."""
    task: Task = config.task.parameters
    return task


def build_policy(config: Config) -> Any:
    """The policy, fitted to the task."""
    build_it = resolve(row("policy", config.policy.kind).build)
    return build_it(config.policy.parameters, config.task.parameters.facts)


def build_rollout(config: Config, observer: Observer, device: str = "") -> Rollout:
    """Task x policy x an observer, on the executor's device unless told otherwise.

    Raises:
        ConfigError: This machine has no such device.
    """
    fused = resolve("qdx.rollout.fused:FusedRollout")
    device = device or getattr(config.executor.parameters, "device", "cpu")
    resolve("qdx.rollout.device:check_device")(device)
    rollout: Rollout = fused(
        config.task.parameters, build_policy(config), observer, device, config.campaign.seed
    )
    return rollout


def build_executor(config: Config) -> Executor:
    """Where rollouts run."""
    executor: Executor = resolve(row("executor", config.executor.kind).build)(
        config.executor.parameters
    )
    return executor


def _archive(section: Any, records: Records, *, bounds: Any, device: str, seed: int) -> Archive:
    """Cell archives need bounds; unstructured ones the dimension and where to search."""
    make = resolve(row("archive", section.kind).build)
    own = {"dimension": len(bounds), "device": device}
    shape = own if section.kind == "novelty" else {"bounds": bounds}
    archive: Archive = make(section.parameters, records, seed=seed, **shape)
    return archive

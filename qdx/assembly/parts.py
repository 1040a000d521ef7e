"""Config → the parts of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qdx.assembly.config import Config
from qdx.assembly.tables import resolve, row
from qdx.core.protocols import Archive, Descriptor, Executor, Observer, Rollout, Searcher, Task
from qdx.core.records import Records
from qdx.descriptors.setting import DescriptorSetting
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
    descriptor = build_descriptor(config)
    bounds = descriptor.bounds()
    records = Records()
    archives: dict[str, Any] = {
        name: _archive(section, records, bounds=bounds, device=device, seed=config.campaign.seed)
        for name, section in config.archives.items()
    }
    setting = Setting(
        seed=config.campaign.seed,
        encoding=Direct(policy.n_genes),
        records=records,
        archives=archives,
        budget=config.campaign.budget,
        first_id=config.campaign.island << ISLAND_BITS,
        has_surprise=descriptor.has_surprise,
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
    """The policy; what the config leaves open is the task's own."""
    facts = config.task.parameters.facts
    given = config.policy.parameters
    hidden, layers = facts.hidden
    return resolve(row("policy", config.policy.kind).build)(
        n_in=len(facts.observation),
        n_out=len(facts.action),
        hidden=given.hidden or hidden,
        layers=given.layers or layers,
    )


def build_descriptor(config: Config) -> Descriptor:
    """The descriptor, fitted to the task, the observer and the executor's device.

    Raises:
        ConfigError: It cannot work on what the observer leaves.
    """
    task, observer = config.task.parameters, config.observer.parameters
    device = getattr(config.executor.parameters, "device", "cpu")
    size = getattr(observer, "size", 0)  # of frames
    draw = resolve("qdx.rollout.drawing:Drawing")(task, size, device) if size else None
    setting = DescriptorSetting(
        observation=config.observer.kind,
        bounds=observer.bounds(task.facts),
        n_samples=len(observer.steps(task.facts.horizon)),
        n_genes=build_policy(config).n_genes,
        seed=config.campaign.seed,
        device=device,
        frame_size=size,
        draw=draw,
    )
    descriptor: Descriptor = resolve(row("descriptor", config.descriptor.kind).build)(
        config.descriptor.parameters, setting
    )
    return descriptor


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

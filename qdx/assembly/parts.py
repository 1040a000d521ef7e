"""Config → the parts of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy import ndarray as Array

from qdx.assembly.config import Config
from qdx.assembly.tables import resolve, row
from qdx.core.errors import ConfigError
from qdx.core.protocols import Archive, Descriptor, Executor, Observer, Rollout, Searcher, Task
from qdx.core.records import Records
from qdx.core.task_facts import TaskFacts
from qdx.core.types import Genomes
from qdx.descriptors.setting import DescriptorSetting
from qdx.encodings.direct import Direct
from qdx.metrics.tally import Tally
from qdx.searchers.setting import Setting
from qdx.tasks.stepped import SteppedTask

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
    task, observer = build_task(config), config.observer.parameters
    facts, device = task.facts, home_device(config)
    policy = _policy(config, facts)
    rollout = _rollout(config, task, observer, _device(config))
    descriptor = _descriptor(config, task, policy)
    bounds = descriptor.bounds()
    records = Records()
    archives: dict[str, Any] = {
        name: _archive(name, config, records, bounds=bounds, device=device)
        for name in config.archives
    }
    setting = Setting(
        seed=config.campaign.seed,
        encoding=Direct(policy.n_genes, start=policy.initial),
        records=records,
        archives=archives,
        budget=config.campaign.budget,
        first_id=config.campaign.island << ISLAND_BITS,
        has_surprise=descriptor.has_surprise,
        chains=_chains(config, task, policy),
    )
    searcher = resolve(row("searcher", config.searcher.kind).build)
    return Parts(
        config=config,
        task=task,
        policy=policy,
        observer=observer,
        rollout=rollout,
        executor=build_executor(config),
        descriptor=descriptor,
        records=records,
        archives=archives,
        searcher=searcher(config.searcher.parameters, setting),
        tally=Tally(facts, counts_steps=config.campaign.budget_steps is not None),
    )


def build_task(config: Config) -> Task:
    """The task alone, for pictures and lists.

    Raises:
        ConfigError: A Gymnasium environment that does not exist or does not fit.
    """
    section, build_one = config.task, row("task", config.task.kind).build
    task: Task = (
        resolve(build_one)(section.parameters, section.kind) if build_one else section.parameters
    )
    return task


def build_policy(config: Config) -> Any:
    """The policy, fitted to the task."""
    return _policy(config, build_task(config).facts)


def parameters(config: Config, genomes: Genomes) -> Array:
    """The parameters of policies, (B, G) float32: the genes, or what seed chains decode to."""
    task = build_task(config)
    chains = _chains(config, task, _policy(config, task.facts))
    if chains is None:
        return genomes.genes
    decoded: Array = resolve("qdx.encodings.seed_chain:dense")(chains, genomes)
    return decoded


def build_descriptor(config: Config) -> Descriptor:
    """The descriptor, fitted to the task, the observer and the executor's device.

    Raises:
        ConfigError: It cannot work on what the observer leaves.
    """
    task = build_task(config)
    return _descriptor(config, task, _policy(config, task.facts))


def build_rollout(config: Config, observer: Observer, device: str = "") -> Rollout:
    """Task x policy x an observer, on the executor's device unless told otherwise.

    Raises:
        ConfigError: This machine has no such device, or a package that the task needs is missing.
    """
    return _rollout(config, build_task(config), observer, device or home_device(config))


def build_executor(config: Config) -> Executor:
    """Where rollouts run."""
    executor: Executor = resolve(row("executor", config.executor.kind).build)(
        config.executor.parameters
    )
    return executor


def build_reader_executor(config: Config) -> Executor:
    """Where a stored run is replayed: here, also when it ran on a cluster."""
    if config.executor.kind == "local":
        return build_executor(config)
    local: Executor = resolve("qdx.executors.local:Local")(
        resolve("qdx.executors.local:LocalParameters")()
    )
    return local


def _device(config: Config) -> str:
    """Where rollouts run."""
    return str(getattr(config.executor.parameters, "device", "cpu"))


def home_device(config: Config) -> str:
    """Where archives and learning run: beside the campaign, whose machine may have no GPU."""
    return _device(config) if config.executor.kind == "local" else "cpu"


def _policy(config: Config, facts: TaskFacts) -> Any:
    build_it = resolve(row("policy", config.policy.kind).build)
    return build_it(config.policy.parameters, facts)


def _chains(config: Config, task: Task, policy: Any) -> Any:
    """The encoding of seed chains; None with genes.

    Raises:
        ConfigError: The searcher works on the other kind of genome, or the policy has no gradients.
    """
    own = getattr(config.searcher.parameters, "defaults", {}).get("encoding", "direct")
    if config.encoding.kind != own:
        raise ConfigError(
            f"encoding.kind: expected {own}, which {config.searcher.kind} works with, got "
            f"{config.encoding.kind!r}. Leave it out."
        )
    if own == "direct":
        return None
    parameters: Any = config.encoding.parameters
    sensitivity = None
    if parameters.mutation == "safe":
        build_it = resolve("qdx.rollout.output_gradients:build")
        sensitivity = build_it(task, policy, parameters.states, config.campaign.seed)
    return resolve(row("encoding", own).build)(parameters, policy, sensitivity)


def _descriptor(config: Config, task: Task, policy: Any) -> Descriptor:
    observer, device = config.observer.parameters, home_device(config)
    size = getattr(observer, "size", 0)  # of frames
    draws = size and not task.facts.renders
    setting = DescriptorSetting(
        observation=config.observer.kind,
        bounds=observer.bounds(task.facts),
        n_samples=len(observer.steps(task.facts.horizon)),
        n_genes=policy.n_genes,
        seed=config.campaign.seed,
        device=device,
        frame_size=size,
        draw=resolve("qdx.rollout.drawing:Drawing")(task, size, device) if draws else None,
    )
    descriptor: Descriptor = resolve(row("descriptor", config.descriptor.kind).build)(
        config.descriptor.parameters, setting
    )
    return descriptor


def _rollout(config: Config, task: Task, observer: Observer, device: str) -> Rollout:
    """Of genes, or of seed chains that are decoded first."""
    policy = _policy(config, task.facts)
    chains = _chains(config, task, policy)
    if hasattr(policy, "sight"):  # a network
        _open(config, task, observer, device)
        networks: Rollout = resolve("qdx.rollout.networks:NetworkRollout")(
            task, policy, observer, chains, device, config.campaign.seed
        )
        return networks
    direct = _direct_rollout(config, task, policy, observer, device)
    if chains is None:
        return direct
    decoded: Rollout = resolve("qdx.rollout.decoded:DecodedRollout")(chains, direct)
    return decoded


def _direct_rollout(
    config: Config, task: Task, policy: Any, observer: Observer, device: str
) -> Rollout:
    """Of genes: fused where the task is a kernel, stepped where it is worlds of its own."""
    seed = config.campaign.seed
    if hasattr(task, "slots"):
        raise ConfigError(
            f"policy.kind: expected a network, such as dqn_small, for {config.task.kind}, got "
            f"{config.policy.kind!r}."
        )
    if not isinstance(task, SteppedTask):
        _open(config, task, observer, device)
        fused: Rollout = resolve("qdx.rollout.fused:FusedRollout")(
            task, policy, observer, device, seed
        )
        return fused
    if config.policy.kind != "mlp":
        raise ConfigError(
            f"policy.kind: expected mlp or a network, for {config.task.kind} is stepped outside a "
            f"kernel, got {config.policy.kind!r}."
        )
    if device != "cpu":
        raise ConfigError(
            f"executor.device: expected cpu, for {config.task.kind} is stepped there, got "
            f"{device!r}."
        )
    _open(config, task, observer, device)
    stepped: Rollout = resolve("qdx.rollout.stepped:SteppedRollout")(task, policy, observer, seed)
    return stepped


def _open(config: Config, task: Task, observer: Observer, device: str) -> None:
    """See that this machine can run the task.

    Raises:
        ConfigError: It cannot, or the task has nothing for the observer.
    """
    if config.executor.kind == "local":  # elsewhere the workers look for it
        resolve("qdx.rollout.device:check_device")(device)
    if isinstance(task, SteppedTask):
        observer.bounds(task.facts)  # says what the task has not, such as frames
        task.open(0, frame_size=getattr(observer, "size", 0)).close()  # what is missing here
    elif hasattr(task, "slots"):  # it steps all its worlds at once
        observer.bounds(task.facts)
        task.slots(0).close()


def _archive(name: str, config: Config, records: Records, *, bounds: Any, device: str) -> Archive:
    """Cell archives need bounds; an unstructured one the dimension and where to search.

    Raises:
        ConfigError: Parameters that do not fit the descriptor.
    """
    section, seed = config.archives[name], config.campaign.seed
    make = resolve(row("archive", section.kind).build)
    shapes: dict[str, Any] = {
        "novelty": {"dimension": len(bounds), "device": device},
        "dominated_novelty": {},
    }
    shape = shapes.get(section.kind, {"bounds": bounds})
    try:
        archive: Archive = make(section.parameters, records, seed=seed, **shape)
    except ConfigError as error:
        raise ConfigError(f"archives.{name}.{error}") from error
    return archive

"""Where a Dask scheduler is found or started, with one worker per core or per GPU."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster, Worker
from distributed.comm.addressing import get_address_host_port

from qdx.core.errors import ConfigError
from qdx.executors.machine import LOCALHOST, TIMEOUT_S, gpus_for, visible_gpus
from qdx.executors.parameters import DaskParameters
from qdx.executors.worker import ONE_THREAD

GROUP = "qdx.clusters"


def make_cluster(p: DaskParameters) -> tuple[Any, str]:
    """A cluster of our own, None where it is another's, and the address of its scheduler.

    Raises:
        ConfigError: No such cluster is installed.
        Exception: It is not there, or does not start.
    """
    if p.address:
        return None, p.address
    if p.scheduler_file:
        return None, address_in(Path(p.scheduler_file))
    cluster = installed_cluster(p.cluster)(**p.options) if p.cluster else local_cluster(p)
    return cluster, cluster.scheduler_address


def address_in(file: Path) -> str:
    """The address a scheduler wrote down; it may be about to.

    Raises:
        OSError: The file is not there, or not yet whole.
    """
    try:
        return str(json.loads(file.read_text())["address"])
    except FileNotFoundError as error:
        raise OSError(f"executor.scheduler_file: {file} is not there") from error
    except (ValueError, LookupError, TypeError) as error:
        raise OSError(f"executor.scheduler_file: {file} holds no scheduler's address") from error


def check_address(address: str) -> None:
    """Raises ConfigError for what cannot be a scheduler's address; other transports may differ."""
    if address.partition("://")[0] not in ("tcp", "tls") and "://" in address:
        return
    try:
        get_address_host_port(address)
    except Exception as error:
        raise ConfigError(
            f"executor.address: expected a scheduler's, such as tcp://host:8786, got {address!r} "
            f"({error})."
        ) from error


def hush() -> None:
    """Keep Dask's log and its tracebacks from the terminal: what matters the dispatcher says.

    Unless Dask's own configuration has a section `logging`.
    """
    if "logging" not in dask.config.config:
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def connect(address: str) -> Any:
    """A client that is nobody's default, quiet and in a hurry."""
    options = {"timeout": TIMEOUT_S, "set_as_default": False, "name": "qdx"}
    return Client(address, **options)  # type: ignore[no-untyped-call]


def shards_ask(p: DaskParameters) -> dict[str, float]:
    """Resources a shard asks for; a cluster of GPUs on this machine gives one to each worker."""
    is_ours = not (p.address or p.scheduler_file or p.cluster)
    own = {"GPU": 1.0} if p.device == "cuda" and is_ours else {}
    return {**own, **p.resources}


def installed_cluster(name: str) -> Any:
    """What makes a cluster: a callable that an installed package offers under this name.

    Raises:
        ConfigError: No package does.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none installed"
        raise ConfigError(
            f"executor.cluster: expected a cluster of an installed package ({known}), got "
            f"{name!r}. Packages offer clusters through the entry points {GROUP!r}."
        )
    return points[name].load()


def local_cluster(p: DaskParameters) -> Any:
    """A scheduler in this process and its workers, on 127.0.0.1, each with a nanny."""
    inside = not p.processes
    where = {"protocol": "inproc://"} if inside else {"host": LOCALHOST, "protocol": "tcp://"}
    scheduler = {**where, "port": 0, "dashboard": False, "dashboard_address": f"{LOCALHOST}:0"}
    # The dispatcher counts losses itself, so the scheduler reports each one.
    scheduler |= {"allowed_failures": 0}
    # A nanny is never given up: by default it goes when its worker is away, for the second time
    # perhaps, just 15 s after a first death, and the cluster stays smaller for good.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 days"})
    return SpecCluster(  # type: ignore[no-untyped-call]
        scheduler={"cls": Scheduler, "options": scheduler},
        workers=worker_specs(p, where),
        silence_logs=logging.ERROR,
        shutdown_on_close=True,
    )


def worker_specs(p: DaskParameters, where: Mapping[str, str]) -> dict[str, Any]:
    """One process of one thread per worker; with a GPU each, which it alone sees.

    Raises:
        ConfigError: `device: cuda` without a GPU, or with fewer than `workers`.
    """
    options: dict[str, Any] = {**where, "nthreads": 1, "memory_limit": 0}
    options |= {
        "silence_logs": logging.ERROR,
        "dashboard": False,
        "dashboard_address": f"{LOCALHOST}:0",
    }
    if p.device == "cuda":
        gpus = gpus_for(p.workers, visible_gpus(os.environ))
        return {
            f"gpu{gpu}": {
                "cls": Nanny,
                "options": {
                    **options,
                    "env": {**ONE_THREAD, "CUDA_VISIBLE_DEVICES": gpu},
                    "resources": {"GPU": 1.0},
                },
            }
            for gpu in gpus
        }
    n = p.workers or os.cpu_count() or 1
    if p.processes:
        return {
            f"cpu{i}": {"cls": Nanny, "options": {**options, "env": ONE_THREAD}} for i in range(n)
        }
    return {f"thread{i}": {"cls": Worker, "options": options} for i in range(n)}

"""What a config may say of the executors on a cluster; light, so that listing imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt


@dataclass(frozen=True)
class ClusterParameters:
    """What Dask and Ray have in common.

    Attributes:
        workers: Workers of a cluster on this machine, one process of one thread each; 0 for one
            per core, or with `device: cuda` one per GPU.
        shard: Genomes per shard; 0 for a sixteenth of the batch, between 16 and 1000. Never derived
            from the number of workers.
        in_flight: Shards under way at once for each thread of a worker; the others wait here.
        device: Where a worker runs episodes: cpu or cuda, of which it sees one.
        timeout_s: Seconds a shard may run; a worker that needs longer is taken to hang, and ended.
        workers_timeout_s: Seconds without a single worker that end the campaign (exit code 4); also
            the seconds that opening the cluster may take.
        deaths: So many workers lost to a shard, and its genomes are run one at a time; so many lost
            to a genome alone, and it is marked failed.
        tries: Times a shard that raises or comes back as garbage is run before the campaign ends;
            also times in a row a lost cluster is built anew, or connected to.
        resources: What a shard asks for on a worker, such as GPU: 1.
    """

    workers: Annotated[int, Ge(0)] = 0
    shard: Annotated[int, Ge(0)] = 0
    in_flight: Annotated[int, Ge(1)] = 3
    device: Literal["cpu", "cuda"] = "cpu"
    timeout_s: Annotated[float, Gt(0)] = 600.0
    workers_timeout_s: Annotated[float, Gt(0)] = 300.0
    deaths: Annotated[int, Ge(1)] = 3
    tries: Annotated[int, Ge(1)] = 3
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DaskParameters(ClusterParameters):
    """A Dask cluster: on this machine, or one of `address`, `scheduler_file` and `cluster`.

    Attributes:
        processes: Whether workers of a cluster on this machine are processes; threads else.
        address: Of a running scheduler, such as tcp://host:8786.
        scheduler_file: JSON file that a running scheduler wrote.
        cluster: A cluster of an installed package, by its name in the entry points `qdx.clusters`.
        options: What that cluster is made with.
        priority: Of this campaign's shards on a shared scheduler; higher ones run first.
    """

    processes: bool = True
    address: str = ""
    scheduler_file: str = ""
    cluster: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True)
class RayParameters(ClusterParameters):
    """A Ray cluster: on this machine, or at `address`.

    Attributes:
        address: Of a running cluster, such as host:6379, or auto for the one of this machine.
    """

    address: str = ""

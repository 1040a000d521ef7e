"""The tables: every name a config may say, and the class it stands for.

Resolved on use, so listing imports nothing. A new searcher is one row here. Packages add tasks
through the entry-point group `qdx.tasks` (name = "module:Class").
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from qdx.core.errors import ConfigError


class Row(NamedTuple):
    """One name.

    Attributes:
        parameters: "module:Class" of the dataclass a config section is read into.
        build: "module:callable" that makes the part from it; empty where the dataclass is the part.
    """

    parameters: str
    build: str = ""


TASKS = {
    "hard_maze": Row("qdx.tasks.hard_maze:HardMaze"),
    "billiard": Row("qdx.tasks.billiard:Billiard"),
    "curling": Row("qdx.tasks.curling:Curling"),
    "redundant_arm": Row("qdx.tasks.redundant_arm:RedundantArm"),
    "collect_ball": Row("qdx.tasks.collect_ball:CollectBall"),
    "point": Row("qdx.tasks.point:Point"),
    "sensor_maze": Row("qdx.tasks.sensor_maze:SensorMaze"),
    "image_maze": Row("qdx.tasks.image_maze:ImageMaze"),
    "atari": Row("qdx.tasks.atari:Atari"),
    "ant_maze": Row("qdx.tasks.ant_maze:AntMaze"),
}
TASK_FAMILIES = {  # tasks are named family:<Id>, and built from the parameters and that name
    "gymnasium": Row(
        "qdx.tasks.gymnasium_parameters:GymnasiumParameters", "qdx.tasks.gymnasium_build:build"
    ),
}
OBSERVERS = {
    "final": Row("qdx.observers.sampling:Final"),
    "checkpoints": Row("qdx.observers.sampling:Checkpoints"),
    "path": Row("qdx.observers.sampling:Path"),
    "signature": Row("qdx.observers.signature:Signature"),
    "frames": Row("qdx.observers.frames:Frames"),
}
POLICIES = {
    "mlp": Row("qdx.policies.mlp:MlpParameters", "qdx.policies.mlp:build"),
    "dqn_large": Row("qdx.policies.network:DqnParameters", "qdx.policies.network:dqn_large"),
    "dqn_small": Row("qdx.policies.network:DqnParameters", "qdx.policies.network:dqn_small"),
    "humanoid_mlp": Row(
        "qdx.policies.network:HumanoidMlpParameters", "qdx.policies.network:humanoid_mlp"
    ),
    "dmp": Row("qdx.policies.dmp:DmpParameters", "qdx.policies.dmp:build"),
}
ENCODINGS = {
    "direct": Row("qdx.encodings.parameters:DirectParameters", "qdx.encodings.direct:Direct"),
    "seed_chain": Row(
        "qdx.encodings.parameters:SeedChainParameters", "qdx.encodings.seed_chain:build"
    ),
}
DESCRIPTORS = {
    "identity": Row(
        "qdx.descriptors.parameters:IdentityParameters", "qdx.descriptors.identity:identity"
    ),
    "autoencoder": Row(
        "qdx.descriptors.parameters:AutoencoderParameters",
        "qdx.descriptors.autoencoder:Autoencoder",
    ),
    "genome": Row(
        "qdx.descriptors.parameters:GenomeParameters", "qdx.descriptors.baselines:genome"
    ),
    "random": Row(
        "qdx.descriptors.parameters:RandomParameters", "qdx.descriptors.baselines:random"
    ),
    "pixels": Row(
        "qdx.descriptors.parameters:PixelsParameters", "qdx.descriptors.baselines:pixels"
    ),
}
ARCHIVES = {
    "novelty": Row("qdx.archives.parameters:NoveltyParameters", "qdx.archives.novelty:Novelty"),
    "dominated_novelty": Row(
        "qdx.archives.parameters:DominatedNoveltyParameters",
        "qdx.archives.dominated_novelty:DominatedNovelty",
    ),
    "grid": Row("qdx.archives.parameters:GridParameters", "qdx.archives.cells:grid"),
    "cvt": Row("qdx.archives.parameters:CvtParameters", "qdx.archives.cells:cvt"),
    "soft_grid": Row("qdx.archives.parameters:SoftGridParameters", "qdx.archives.cells:grid"),
    "soft_cvt": Row("qdx.archives.parameters:SoftCvtParameters", "qdx.archives.cells:cvt"),
}
SEARCHERS = {
    "novelty_search": Row(
        "qdx.searchers.novelty_search:NoveltySearchParameters",
        "qdx.searchers.novelty_search:NoveltySearch",
    ),
    "map_elites": Row(
        "qdx.searchers.map_elites:MapElitesParameters", "qdx.searchers.map_elites:MapElites"
    ),
    "nsga2": Row("qdx.searchers.nsga2:Nsga2Parameters", "qdx.searchers.nsga2:nsga2"),
    "nslc": Row("qdx.searchers.nslc:NslcParameters", "qdx.searchers.nslc:nslc"),
    "serene": Row("qdx.searchers.serene:SereneParameters", "qdx.searchers.serene:Serene"),
    "dns": Row("qdx.searchers.dns:DnsParameters", "qdx.searchers.dns:dns"),
    "cma_es": Row("qdx.searchers.cma_es:CmaEsParameters", "qdx.searchers.cma_es:CmaEs"),
    "cma_me": Row("qdx.searchers.cma_me:CmaMeParameters", "qdx.searchers.cma_me:CmaMe"),
    "cma_mae": Row("qdx.searchers.cma_mae:CmaMaeParameters", "qdx.searchers.cma_mae:cma_mae"),
    "surprise_search": Row(
        "qdx.searchers.surprise_search:SurpriseSearchParameters",
        "qdx.searchers.surprise_search:surprise_search",
    ),
    "taxons": Row("qdx.searchers.taxons:TaxonsParameters", "qdx.searchers.taxons:Taxons"),
    "stax": Row("qdx.searchers.stax:StaxParameters", "qdx.searchers.stax:stax"),
    "deep_ga": Row("qdx.searchers.deep_ga:DeepGaParameters", "qdx.searchers.deep_ga:DeepGa"),
    "random_search": Row(
        "qdx.searchers.random_search:RandomSearchParameters",
        "qdx.searchers.random_search:RandomSearch",
    ),
}
EXECUTORS = {
    "local": Row("qdx.executors.local:LocalParameters", "qdx.executors.local:Local"),
    "dask": Row("qdx.executors.parameters:DaskParameters", "qdx.executors.on_dask:on_dask"),
    "ray": Row("qdx.executors.parameters:RayParameters", "qdx.executors.on_ray:on_ray"),
}

TABLES: dict[str, dict[str, Row]] = {
    "task": TASKS,
    "observer": OBSERVERS,
    "policy": POLICIES,
    "encoding": ENCODINGS,
    "descriptor": DESCRIPTORS,
    "archive": ARCHIVES,
    "searcher": SEARCHERS,
    "executor": EXECUTORS,
}


def row(table: str, name: str, path: str = "") -> Row:
    """A row by the name a user wrote, at a path of the config.

    Raises:
        ConfigError: No such name; the nearest one is suggested.
    """
    rows, more = TABLES[table], []
    if table == "task":
        family, _, id_ = name.partition(":")
        if id_ and family in TASK_FAMILIES:
            return TASK_FAMILIES[family]
        rows, more = rows | installed_tasks(), [f"{family}:<Id>" for family in TASK_FAMILIES]
    if name not in rows:
        raise ConfigError(
            f"{path or table}: expected one of {', '.join([*sorted(rows), *more])}, got {name!r}."
            f"{did_you_mean(name, rows)}"
        )
    return rows[name]


def installed_tasks() -> dict[str, Row]:
    """Tasks that installed packages bring."""
    return {point.name: Row(point.value) for point in entry_points(group="qdx.tasks")}


def resolve(path: str) -> Any:
    """The object a "module:name" stands for.

    Raises:
        ConfigError: An installed package names something that is not there.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # an installed package may raise anything
        raise ConfigError(
            f"{path}: cannot be loaded ({error}). Mend or remove its package."
        ) from error


def brought(searcher: Any) -> dict[str, Any]:
    """The sections a searcher brings, from its section, whatever is wrong with its parameters."""
    kind = searcher.get("kind") if isinstance(searcher, Mapping) else searcher
    try:
        parameters = resolve(row("searcher", str(kind)).parameters)
    except (ConfigError, TypeError):  # no such searcher, which is reported elsewhere
        return {}
    return dict(getattr(parameters, "defaults", {}))


def did_you_mean(name: str, known: Any) -> str:
    """A sentence with the nearest known name, or nothing."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""

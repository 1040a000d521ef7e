"""Out of qdx: to pandas and DuckDB (parquet), to a pyribs archive (npz), to a torch state dict."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from qdx.assembly.parts import build_policy, build_task, parameters
from qdx.assembly.stored import StoredRun
from qdx.assembly.tables import resolve
from qdx.core.errors import ConfigError
from qdx.core.types import Genomes


def elites(run: StoredRun) -> pd.DataFrame:
    """One row per archived individual, by id; genes as one array a row."""
    ids = run.archive_ids()
    if not len(ids):
        return pd.DataFrame({"id": ids})
    e = run.evaluations(ids)
    facts = build_task(run.config).facts
    names = {i: goal.name for i, goal in enumerate(facts.goals)}
    member = {name: np.isin(ids, run.archive_ids(name)) for name in run.archive_names()}
    truth = {name: e.outcomes.truth[:, i] for i, name in enumerate(facts.measures)}
    descriptor = {f"descriptor_{i}": column for i, column in enumerate(e.described.descriptors.T)}
    return pd.DataFrame(
        {
            "id": ids,
            "parent": e.genomes.parents,
            "fitness": e.outcomes.fitness,
            "area": [names.get(int(a), "") for a in e.outcomes.reward_area],
            "length": e.outcomes.length,
            **truth,
            **descriptor,
            **{f"in_{name}": mask for name, mask in member.items()},
            **_genomes(e.genomes),
        }
    )


def _genomes(genomes: Genomes) -> dict[str, Any]:
    """Genes, or what stands for them in a seed chain; ancestors come with `to_npz`."""
    if genomes.seeds is None:
        return {"genes": list(genomes.genes)}
    return {"seed": genomes.seeds, "sigma": genomes.sigmas}


def metrics(run: StoredRun) -> pd.DataFrame:
    """One row per generation, from the journal."""
    goals = build_task(run.config).facts.goals
    rows = []
    for line in run.snapshot.journal:
        flat = {"generation": line["generation"], "evaluations": line["evaluations"]}
        flat |= {k: v for k, v in line["metrics"].items() if not isinstance(v, list)}
        for name, counts in line["archives"].items():
            flat |= {f"{name}_{k}": v for k, v in counts.items()}
        for goal, best in zip(goals, line["metrics"]["best_by_area"], strict=True):
            flat[f"best {goal.name}"] = best
        rows.append(flat)
    return pd.DataFrame(rows)


def to_parquet(run: StoredRun, file: Path) -> Path:
    """All archived individuals as a parquet table.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        importlib.import_module("pyarrow")
    except ImportError as error:
        raise ConfigError(
            "export: parquet needs pyarrow. Install it with: pip install 'qdx[parquet]'"
        ) from error
    elites(run).to_parquet(file, index=False)
    return file


def to_npz(run: StoredRun, file: Path) -> Path:
    """What pyribs calls solution, objective and measures, and the grid they belong to, as arrays.

    `dims` and `ranges` are those of a grid over the descriptors, so that a `GridArchive` is rebuilt
    in four lines (docs/run-directory.md); `truth_dims` and `truth_ranges` those of the coverage
    grid.
    """
    e = run.evaluations(run.archive_ids())
    facts = build_task(run.config).facts
    cells = run.config.archives.get("cells")
    bins = getattr(cells.parameters, "bins", facts.bins[0]) if cells else facts.bins[0]
    samples = len(run.config.observer.parameters.steps(facts.horizon))
    ranges = getattr(cells.parameters, "bounds", None) if cells else None
    with file.open("wb") as stream:
        np.savez_compressed(
            stream,
            id=e.genomes.ids,
            **_solutions(e.genomes),
            objective=e.outcomes.fitness,
            measures=e.described.descriptors,
            truth=e.outcomes.truth,
            dims=np.full(e.described.descriptors.shape[1], bins),
            ranges=np.array(ranges or facts.bounds * samples),
            truth_dims=np.array(facts.bins),
            truth_ranges=np.array(facts.bounds),
        )
    return file


def _solutions(genomes: Genomes) -> dict[str, Any]:
    """`solution`: the genes, or (parent, seed) of seed chains, beside their sigmas and the tree."""
    tree = genomes.lineage
    if genomes.seeds is None or tree is None:
        return {"solution": genomes.genes}
    nodes = {f"tree_{name}": value for name, value in vars(tree).items()}
    pairs = np.stack([genomes.parents.astype(np.uint64), genomes.seeds], axis=1)
    return {"solution": pairs, "sigma": genomes.sigmas, **nodes}


def policy(run: StoredRun, id_: int) -> Any:
    """The controller of an individual as a torch module: (observation, step) → action."""
    shape = build_policy(run.config)
    genomes = run.evaluations(np.array([id_])).genomes
    return resolve(shape.torch_module).load(shape, parameters(run.config, genomes)[0])


def to_torch(run: StoredRun, file: Path, id_: int) -> Path:
    """The controller of an individual as a torch state dict."""
    importlib.import_module("torch").save(policy(run, id_).state_dict(), file)
    return file

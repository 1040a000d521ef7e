"""A lineage of 300 mutations has the same weights wherever the run directory is read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdx.assembly.parts import build, parameters
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.protocols import Rollout
from qdx.core.types import Genomes, Outcomes
from qdx.encodings.seed_chain import SeedChain, dense
from qdx.executors.clusters import make_cluster
from qdx.executors.parameters import DaskParameters

pytestmark = pytest.mark.slow  # 300 generations and more

ROOT = Path(__file__).parents[2]
LENGTH = 300
MUTATIONS = ("plain", "safe")


@dataclass(frozen=True)
class Rising:
    """Episodes that are worth their id: every child is better than its parent."""

    inner: Rollout

    def __call__(self, genomes: Genomes) -> Outcomes:
        return replace(self.inner(genomes), fitness=genomes.ids.astype(np.float32))


def config(mutation: str) -> dict[str, Any]:
    return {
        "budget": LENGTH + 1,
        "seed": 2,
        "task": "point",
        "encoding": {"noise": "philox", "mutation": mutation, "states": 3},
        "searcher": {"kind": "deep_ga", "population": 1, "parents": 1, "candidates": 0},
        "checkpoint": {"generations": 70, "seconds": 1000},
    }


def run_on(campaign: Campaign, generations: int = LENGTH + 1) -> None:
    campaign.rollout = Rising(campaign.rollout)
    for _ in range(generations):
        if not campaign.is_finished():
            campaign.step()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths = {}
    for mutation in MUTATIONS:
        paths[mutation] = tmp_path_factory.mktemp(mutation) / "run"
        with Campaign(config(mutation), paths[mutation]) as campaign:
            run_on(campaign)
            campaign.commit("finished")
    return paths


def last(path: Path) -> tuple[SeedChain, Genomes]:
    """The encoding of a run and its youngest individual, from the stored tree."""
    run = StoredRun.open(path)
    return build(run.config).searcher._chains, run.evaluations(np.array([LENGTH])).genomes


def weights(path: Path) -> bytes:
    return dense(*last(path)).tobytes()


def by_hand(path: Path) -> bytes:
    """One mutation after the other, from the stored columns, without the decoder."""
    (chains, genomes), run = last(path), StoredRun.open(path)
    tree, noise = genomes.lineage, np.empty((1, chains.policy.n_genes), np.float32)
    assert len(tree) == LENGTH
    assert tree.parents.tolist() == [-1, *range(LENGTH - 1)]
    chains.noise.fill(int(tree.seeds[0]), 0, noise[0])
    theta = chains.policy.initial(noise)[0].copy()  # the noise is written over
    for seed, sigma in zip(
        [*tree.seeds[1:], genomes.seeds[0]], [*tree.sigmas[1:], genomes.sigmas[0]], strict=True
    ):
        chains.noise.fill(int(seed), 0, noise[0])
        move = sigma * noise[0]
        if chains.sensitivity is not None:
            move = np.clip(move / chains.sensitivity.of(theta), -10, 10)
        theta = theta + move
    assert np.array_equal(parameters(run.config, genomes)[0], theta)
    return theta.tobytes()


SCRIPT = """
import sys
from tests.campaign.test_long_lineages import *
print(weights(Path(sys.argv[1])).hex())
"""


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_stored_tree_is_the_lineage_that_the_formula_decodes(
    runs: dict[str, Path], mutation: str
) -> None:
    assert weights(runs[mutation]) == by_hand(runs[mutation])
    assert weights(runs["plain"]) != weights(runs["safe"])


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_fresh_process_decodes_the_same_weights(runs: dict[str, Path], mutation: str) -> None:
    command = [sys.executable, "-c", SCRIPT, str(runs[mutation])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == weights(runs[mutation]).hex()


def test_a_resumed_campaign_goes_on_to_the_same_weights(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    with Campaign(config("safe"), tmp_path / "run") as campaign:
        run_on(campaign, 200)  # the last commit is that of generation 141
    with Campaign.resume(tmp_path / "run") as campaign:
        assert campaign.tally.generation < 200
        run_on(campaign)
        campaign.commit("finished")
    assert weights(tmp_path / "run") == weights(runs["safe"])
    digests = [StoredRun.open(p).state_digest() for p in (tmp_path / "run", runs["safe"])]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_worker_decodes_the_same_weights(runs: dict[str, Path], mutation: str) -> None:
    from dask.distributed import Client  # noqa: PLC0415

    cluster, address = make_cluster(DaskParameters(workers=1))
    try:
        with Client(address) as client:
            encoding, genomes = last(runs[mutation])  # the lineage travels, no weights do
            there = client.submit(dense, encoding, genomes, pure=False).result(60)
    finally:
        cluster.close()
    assert there.tobytes() == weights(runs[mutation])

"""A campaign of seed chains: what is stored decodes to what was evaluated, and budgets of steps."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qdx.assembly.parts import build
from qdx.assembly.replay import replay
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import ConfigError
from qdx.encodings.seed_chain import dense
from qdx.report.export import policy

ROOT = Path(__file__).parents[2]
CONFIG = {
    "budget": 4000,
    "seed": 3,
    "task": "point",
    "encoding": {"noise": "philox"},
    "searcher": {"kind": "deep_ga", "population": 40, "parents": 4, "candidates": 0, "sigma": 0.05},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("chains") / "run"
    with Campaign(CONFIG, path) as campaign:
        campaign.run()
    return StoredRun.open(path)


def theta(run, id_):
    chains = build(run.config).searcher._chains
    return dense(chains, run.evaluations(np.array([id_])).genomes)[0]


SCRIPT = """
import sys
from tests.campaign.test_seed_chains import *
run = StoredRun.open(sys.argv[1])
print(theta(run, run.best()).tobytes().hex())
"""


def test_the_elite_decodes_to_the_same_weights_in_a_fresh_process(run):
    command = [sys.executable, "-c", SCRIPT, str(run.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == theta(run, run.best()).tobytes().hex()


def test_the_elite_is_what_the_searcher_names_and_replays_to_the_same_bits(run):
    assert run.best() == run.snapshot.states["searcher"].json["elite"]
    assert replay(run, run.best()).match == "same bits"


def test_a_long_run_stores_the_chains_of_what_it_holds_and_nobody_else(run):
    lineage = run.evaluations(run.archive_ids()).genomes.lineage
    stored = set(run.snapshot.tables["records"]["id"].tolist())
    state = run.snapshot.states["searcher"].arrays
    held = set(run.archive_ids().tolist()) | set(state["parents"].tolist())
    assert stored >= set(lineage.ids.tolist()) | held
    parents = dict(zip(*(run.snapshot.tables["records"][c] for c in ("id", "parent")), strict=True))
    named = set(parents.values()) - {-1}
    assert stored == held | named  # whoever is not held is somebody's parent


def test_the_exported_policy_has_the_decoded_weights(run):
    there = dict(policy(run, run.best()).named_parameters())
    flat = np.sort(np.concatenate([p.detach().numpy().ravel() for p in there.values()]))
    assert np.array_equal(flat, np.sort(theta(run, run.best())))


def test_a_budget_of_steps_ends_a_campaign(tmp_path):
    config = {**CONFIG, "budget_steps": 4500}
    with Campaign(config, tmp_path / "run") as campaign:
        lengths = []
        while not campaign.is_finished():
            campaign.step()
            lengths.append(campaign.tally.steps)
    assert lengths[-1] >= 4500 > lengths[-2]
    run = StoredRun.open(tmp_path / "run")
    assert run.summary()["steps"] == lengths[-1]
    with Campaign.resume(tmp_path / "run", ["budget_steps=7000"]) as campaign:
        campaign.run()
    assert StoredRun.open(tmp_path / "run").summary()["steps"] >= 7000


def test_a_budget_of_steps_cannot_be_set_afterwards(run):
    with pytest.raises(ConfigError, match="budget_steps: cannot be set"):
        Campaign.resume(run.path, ["budget_steps=9000"])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"encoding": "direct"}, r"encoding\.kind: expected seed_chain.*deep_ga"),
        ({"searcher": "map_elites"}, r"encoding\.kind: expected direct.*map_elites"),
        ({"encoding": {"noise": "perlin"}}, r"encoding\.noise: expected 'table' or 'philox'"),
        ({"searcher": {"kind": "deep_ga", "candidates": 1}}, r"searcher\.candidates"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, raw, expected):
    encoding = {"encoding": {"kind": "seed_chain", "noise": "philox"}}
    with pytest.raises(ConfigError, match=expected):
        Campaign({**CONFIG, **encoding, **raw}, tmp_path / "run")


def test_configs_of_genes_are_written_as_before(tmp_path):
    config = {"budget": 10, "task": "point", "searcher": "random_search"}
    with Campaign(config, tmp_path / "run"):
        text = (tmp_path / "run" / "config.yaml").read_text()
    assert "encoding" not in text
    assert "budget_steps" not in text

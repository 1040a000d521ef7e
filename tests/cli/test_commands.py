"""The commands, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import qdx
from qdx.assembly.tables import TABLES
from qdx.cli.app import call

CONFIG = "budget: 1300\ntask: point\nsearcher: {kind: %s}\nseed: 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs, ran by the command."""
    folder = tmp_path_factory.mktemp("commands")
    for searcher in ("novelty_search", "map_elites"):
        (folder / f"{searcher}.yaml").write_text(CONFIG % searcher)
        config, out = folder / f"{searcher}.yaml", folder / searcher
        assert call(["run", str(config), "--out", str(out)]) == 0
    return folder


def as_json(capsys, *arguments):
    assert call([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


CONTRACT = [
    "name",
    "task",
    "searcher",
    "seed",
    "status",
    "generation",
    "evaluations",
    "budget",
    "archive_size",
    "rewarding_size",
    "coverage",
    "coverage_all",
    "coverage_archive",
    "coverage_ceiling",
    "qd_score",
    "best_fitness",
    "best_by_area",
    "failed",
    "wall_s",
    "evaluations_per_s",
    "space_version",
    "device",
    "versions",
    "digest",
    "state_digest",
]


def test_inspect_says_all_that_is_promised(folder, capsys):
    summary = as_json(capsys, "inspect", folder / "novelty_search")
    assert set(CONTRACT) <= set(summary)
    assert summary["status"] == "finished"
    assert summary["evaluations"] == 1300
    assert 0 < summary["coverage_archive"] <= summary["coverage"] <= summary["coverage_ceiling"]


def test_inspect_draws_the_picture(folder, capsys):
    assert call(["inspect", str(folder / "map_elites")]) == 0
    shown = capsys.readouterr().out
    for suffix in ("png", "svg"):
        file = folder / "map_elites" / "media" / f"run.{suffix}"
        assert file.stat().st_size > 5000
        assert str(file) in shown


def test_verify_finds_a_finished_run_sound(folder, capsys):
    report = as_json(capsys, "verify", folder / "novelty_search")
    assert report["sound"]
    assert not report["damaged"]


def test_replay_gives_the_same_bits_and_a_picture(folder, capsys):
    again = as_json(capsys, "replay", folder / "map_elites", "--best")
    assert again["match"] == "same bits"
    assert again["fitness"] == again["stored_fitness"]
    assert len(again["files"]) == 2


def test_replay_takes_an_id(folder, capsys):
    id_ = int(qdx.open(folder / "novelty_search").elites["id"][3])
    again = as_json(capsys, "replay", folder / "novelty_search", id_)
    assert (again["id"], again["match"]) == (id_, "same bits")


def test_compare_tabulates_and_draws(folder, capsys):
    runs = [folder / "novelty_search", folder / "map_elites"]
    shown = as_json(capsys, "compare", *runs, "--out", folder / "curves")
    assert len(shown["rows"]) == 2
    assert (folder / "curves.png").stat().st_size > 5000


def test_compare_runs_archives_again_for_their_time_coverage(folder, capsys):
    runs = [folder / "novelty_search", folder / "map_elites"]
    shown = as_json(capsys, "compare", *runs, "--time-coverage", "--out", folder / "both.svg")
    assert [len(m["coverage"]["2"]) for m in shown["time_coverage"]] == [50, 50]
    assert all(0 < row["first half"] < row["time coverage"] < 1 for row in shown["rows"])
    names = ["both.png", "both.svg", "both-time.png", "both-time.svg"]
    assert [Path(file).name for file in shown["files"]] == names
    assert (folder / "both-time.png").stat().st_size > 5000


def test_export_to_parquet_holds_the_archive(folder):
    file = folder / "elites.parquet"
    run = folder / "novelty_search"
    assert call(["export", str(run), "--format", "parquet", "--out", str(file)]) == 0
    frame = pd.read_parquet(file)
    archive = qdx.open(run).archive
    np.testing.assert_array_equal(frame["id"], archive.genomes.ids)
    np.testing.assert_array_equal(np.stack(frame["genes"]), archive.genomes.genes)


def test_export_to_torch_is_the_policy_of_the_best(folder):
    file = folder / "best.pt"
    run = folder / "map_elites"
    assert call(["export", str(run), "--format", "torch", "--out", str(file)]) == 0
    best = qdx.open(run).best()
    weights = torch.load(file, weights_only=True)
    np.testing.assert_array_equal(weights["weights.0"].numpy().ravel(), best.genes[:10])


def test_the_exported_policy_plays_as_the_stored_individual(folder):
    """The torch module, stepped by hand on the point task, ends where the episode ended."""
    best = qdx.open(folder / "map_elites").best()
    policy, position = best.policy(), torch.zeros(2)
    for _ in range(50):
        with torch.no_grad():
            position = torch.clamp(position + 0.05 * policy(position), -1, 1)
    np.testing.assert_allclose(position.numpy(), best.evaluation.outcomes.truth[0], atol=1e-4)


def test_an_open_loop_policy_is_exported_with_its_names(folder):
    config = {"task": "billiard", "searcher": "random_search", "budget": 20, "seed": 1}
    run, file = folder / "billiard", folder / "open_loop.pt"
    best = qdx.run(config, run).best()
    assert call(["export", str(run), "--format", "torch", "--out", str(file)]) == 0
    state = torch.load(file, weights_only=True)
    assert {name: tuple(values.shape) for name, values in state.items()} == {
        "weights": (2, 6),
        "scales": (2,),
        "action_length": (),
    }
    np.testing.assert_array_equal(state["weights"][1].numpy(), best.genes[7:13])
    with torch.no_grad():
        first = best.policy()(torch.zeros(6), 0).numpy()  # cos(0) = 1: the sums of the weights
    sums = [best.genes[:6].sum(), best.genes[7:13].sum()]
    np.testing.assert_allclose(first, np.clip(sums, -1, 1), atol=1e-5)


def test_sweep_writes_the_grid_and_runs_one(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    grid = ["sweep", "map_elites.yaml", "searcher.sigma=[0.05,0.5]", "seed=[1,2,3]", "budget=400"]
    assert call([*grid, "--out", "sweep"]) == 0
    assert len(list((folder / "sweep" / "configs").glob("*.yaml"))) == 6
    assert call([*grid, "--out", "sweep", "--task", "4"]) == 0
    runs = [p for p in (folder / "sweep").iterdir() if p.name != "configs"]
    assert len(runs) == 1
    config = qdx.open(runs[0]).stored.config
    assert (config.searcher.parameters.sigma, config.campaign.seed) == (0.5, 2)
    assert call([*grid, "--out", "sweep", "--task", "4"]) == 0  # goes on, here with nothing to do


@pytest.mark.parametrize("command", ["tasks", "searchers"])
def test_lists_have_every_row(capsys, command):
    listed = as_json(capsys, command)
    assert set(TABLES[command.removesuffix("s")]) <= set(listed)
    assert call([command]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in listed)


def test_python_runs_what_the_command_runs(folder, tmp_path):
    run = qdx.run(folder / "novelty_search.yaml", tmp_path / "run")
    assert run.summary["digest"] == qdx.open(folder / "novelty_search").summary["digest"]
    assert len(run.metrics) == run.summary["generation"]
    assert run.metrics["coverage"].is_monotonic_increasing


HEAVY = (
    *("torch", "warp", "dask", "distributed", "ray", "ribs", "matplotlib"),
    *("gymnasium", "mujoco"),
)


@pytest.mark.parametrize("code", ["import qdx", "from qdx.cli.app import call; call(['--help'])"])
def test_importing_and_help_stay_light(code):
    probe = f"{code}; import sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_tasks_are_listed_without_gymnasium_or_mujoco(capsys):
    listed = as_json(capsys, "tasks")["gymnasium:<Id>"]
    assert "gymnasium:CartPole-v1" in listed["summary"]
    assert {"descriptor", "bounds", "horizon", "kwargs"} <= set(listed["parameters"])
    assert call(["tasks"]) == 0
    printed = capsys.readouterr().out.split("gymnasium:<Id>")[1]
    assert all(f" {name}" in printed for name in listed["parameters"])
    assert " bins (50): Cells of the coverage grid" in printed
    probe = "from qdx.cli.app import call; call(['tasks']); import sys; "
    probe += "print([m for m in ('gymnasium', 'mujoco') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_searchers_are_listed_without_torch_or_ribs():
    probe = "from qdx.cli.app import call; call(['searchers']); import sys; "
    probe += "print([m for m in ('torch', 'warp', 'ribs') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"

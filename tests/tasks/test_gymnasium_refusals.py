"""Which Gymnasium environments are found, which are refused, and what is said of those."""

import json
import os
import pathlib
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from qdx.assembly.parts import build_task
from qdx.cli.app import call
from qdx.core.errors import ConfigError
from tests.tasks.scripted import HOPPER, Scripted, config, evaluated

ROOT = pathlib.Path(__file__).parents[2]
WRONG = {
    "unknown": ("gymnasium:CartPool-v1", r"Did you mean 'gymnasium:CartPole-v1'\?"),
    "no version": ("gymnasium:CartPole", "expected gymnasium:<Id> of a registered environment"),
    "module": ("gymnasium:os.path:CartPole-v1", "A config imports no module"),
    "family alone": ("gymnasium", "task: expected one of .*gymnasium:<Id>, got 'gymnasium'"),
    "no id": ("gymnasium:", "gymnasium:<Id>, got 'gymnasium:'"),
    "no horizon": ("gymnasium:Blackjack-v1", "task.horizon: missing; Blackjack-v1 has no time"),
    "tuple": (
        {"kind": "gymnasium:Blackjack-v1", "horizon": 5},
        "expected observations in a Box or Discrete space, got Tuple",
    ),
    "unbounded": (
        {"kind": "gymnasium:Ant-v5"},
        r"task.bounds: missing; observation 0 has no bounds of its own.*\[0, 1\]",
    ),
    "unbounded name": (
        {"kind": "gymnasium:Ant-v5", "descriptor": ["x_position"]},
        "task.bounds: missing; x_position has no bounds",
    ),
    "index": (
        {"kind": "gymnasium:CartPole-v1", "descriptor": [0, 4]},
        r"task.descriptor.1: expected an index of the 4 observed numbers, 0 to 3, got 4",
    ),
    "negative index": ({"kind": "gymnasium:CartPole-v1", "descriptor": [-1]}, "0 to 3, got -1"),
    "name": (
        {**HOPPER, "descriptor": ["x_positon"], "bounds": [[0, 1]]},
        r"task.descriptor.0: .*here: x_position, z_distance_from_origin\), got 'x_positon'",
    ),
    "twice": ({"kind": "gymnasium:CartPole-v1", "descriptor": [2, 2]}, "expected each entry once"),
    "bounds": (
        {"kind": "gymnasium:CartPole-v1", "bounds": [[0, 1]]},
        "task.bounds: expected 2 pairs",
    ),
    "order": (
        {"kind": "gymnasium:CartPole-v1", "bounds": [[0, 1], [1, 0]]},
        r"task.bounds.1: expected low < high, got \[1.0, 0.0\]",
    ),
    "kwargs": (
        {"kind": "gymnasium:CartPole-v1", "kwargs": {"gravity": 3}},
        "cannot be made .*unexpected keyword argument 'gravity'",
    ),
    "limit": (
        {"kind": "gymnasium:CartPole-v1", "kwargs": {"max_episode_steps": 3}},
        "task.kwargs.max_episode_steps: unknown key. Use task.horizon.",
    ),
    "goal": (
        {
            "kind": "gymnasium:CartPole-v1",
            "goals": [{"name": "a", "centre": [0], "radius": 1}],
        },
        "task.goals.0.centre: expected 2 numbers",
    ),
    "goal key": (
        {
            "kind": "gymnasium:CartPole-v1",
            "goals": [{"name": "a", "center": [0, 0], "radius": 1}],
        },
        r"task.goals.0.centre: missing.*\n?task.goals.0.center: unknown key.$",
    ),
    "cells": (
        {
            "kind": "gymnasium:CartPole-v1",
            "descriptor": [0, 1, 2, 3],
            "bounds": [[0, 1]] * 4,
            "bins": 100,
        },
        "task.bins: expected at most 10,000,000 cells in all, got 100 to the power of 4",
    ),
    "parameter": ({"kind": "gymnasium:CartPole-v1", "bind": 3}, "task.bind: unknown key"),
    "seed": (
        {"kind": "gymnasium:CartPole-v1", "episode_seed": "random"},
        "task.episode_seed: expected 'same', 'per_genome' or 'per_trial'",
    ),
}


@pytest.mark.parametrize("section", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(section):
    given, message = section
    with pytest.raises(ConfigError, match=message):
        build_task(config(given))


@pytest.mark.parametrize("name", ["unknown", "module", "unbounded", "kwargs", "tuple"])
def test_a_wrong_environment_is_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    raw = {"budget": 5, "searcher": "random_search", "task": WRONG[name][0]}
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    assert call(["run", "c.yaml", "--out", "run"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"act": spaces.MultiBinary(3)}, "expected actions in a Discrete space or a Box of floats"),
        ({"act": spaces.Box(0, 5, (2,), np.int64)}, "a Box of floats"),
        ({"act": spaces.Box(-np.inf, np.inf, (1,), np.float32)}, "expected actions with bounds"),
        ({"act": spaces.Box(0, np.inf, (1,), np.float32)}, "expected actions with bounds"),
        ({"sight": spaces.Dict(a=spaces.Discrete(2))}, "observations in a Box or Discrete space"),
        ({"broken": "reset"}, "cannot be used .*cannot begin"),
    ],
)
def test_environments_that_do_not_fit_are_refused(scripted, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        build_task(config({"kind": scripted(limit=5, **kwargs)}))


@pytest.mark.parametrize(
    "error", [ImportError("no brax"), gymnasium.error.DependencyNotInstalled("no brax")]
)
def test_a_missing_package_is_named(scripted, error):
    def entry(**kwargs):
        raise error

    kind = scripted(limit=5)
    gymnasium.registry["Scripted-v0"].entry_point = entry
    with pytest.raises(ConfigError, match=r"not installed \(.*no brax\).*qdx\[mujoco\]"):
        build_task(config(kind))


def test_a_name_in_info_must_be_a_number_from_the_reset_on(scripted):
    kind = scripted(limit=5, info={"speed": 1.5, "who": "me", "where": np.zeros(2)})
    section = {"kind": kind, "descriptor": ["speed"], "bounds": [[0, 2]]}
    assert (evaluated(section)[2].truth == 1.5).all()
    for name in ("who", "where", "late"):
        with pytest.raises(ConfigError, match=r"here: speed\)"):
            build_task(config({**section, "descriptor": [name]}))


def test_a_module_prefix_is_never_imported(tmp_path, monkeypatch):
    (tmp_path / "trap_for_configs.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="A config imports no module"):
        build_task(config("gymnasium:trap_for_configs:CartPole-v1"))
    assert "trap_for_configs" not in sys.modules


PACKAGE = """
import gymnasium
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

def plain():
    gymnasium.register("Borrowed-v3", CartPoleEnv, max_episode_steps=9)

def named():
    gymnasium.register("Lent-v0", CartPoleEnv, max_episode_steps=8)

def broken():
    raise RuntimeError("not today")
"""
POINTS = """[gymnasium.envs]
a_farm = borrowing:broken
__root__ = borrowing:plain
farm = borrowing:named
"""
ASK = """
import numpy, qdx
for task in ("gymnasium:Borrowed-v3", "gymnasium:farm/Lent-v0", "gymnasium:Lent-v0"):
    try:
        genes = numpy.zeros((1, qdx.n_genes(task)), numpy.float32)
        print(qdx.evaluate(task, genes).length)
    except Exception as error:
        print(error)
"""


@pytest.mark.slow
def test_installed_packages_may_bring_environments(tmp_path):
    (tmp_path / "borrowing.py").write_text(PACKAGE)
    facts = tmp_path / "borrowing-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: borrowing\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third = done.stdout.strip().splitlines()
    assert (first, second) == ("[9]", "[8]")
    assert "Did you mean" in third
    assert third.endswith("not register theirs: borrowing:broken (RuntimeError: not today).")


def test_the_package_that_brings_an_environment_is_recorded(scripted):
    assert build_task(config("gymnasium:CartPole-v1")).libraries[:2] == ("gymnasium", "mujoco")
    kind = scripted(limit=5)
    gymnasium.registry["Scripted-v0"].entry_point = lambda: Scripted()
    gymnasium.registry["Scripted-v0"].entry_point.__module__ = "hypothesis.somewhere"
    assert "hypothesis" in build_task(config(kind)).libraries

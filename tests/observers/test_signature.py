"""The signature observer: the path it makes of an episode, and what it keeps of that path."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qdx
from qdx.assembly.config import load
from qdx.assembly.environment import environment
from qdx.assembly.parts import build, build_task
from qdx.core.errors import ConfigError
from qdx.core.task_facts import TaskFacts
from qdx.observers import signature as room
from qdx.observers.signature import Signature, root_normalised
from qdx.signatures import guarded_esig
from qdx.signatures.basis import level_sizes
from tests.conformance.observer import ObserverConformance, facts_of

FAST = ["pysiglib"] if find_spec("pysiglib") else []
KINDS = {
    "defaults": Signature(),
    "the thesis's": Signature(depth=2, time=False, normalise=False),
    "windows": Signature(depth=2, windows=7, samples=45),
    "log": Signature(depth=4, log=True, basepoint=True),
    **{f"by {b}": Signature(depth=4, backend=b, windows=3) for b in ["torch", *FAST]},
}
CONFIG = {"budget": 40, "task": "point", "searcher": "novelty_search"}


class TestSignature(ObserverConformance):
    name = "signature"

    @pytest.fixture(params=KINDS)
    def observer(self, request: pytest.FixtureRequest) -> Signature:
        return KINDS[request.param]

    def test_spans_the_episode(self, observer: Any, horizon: int) -> None:
        steps = observer.steps(horizon)
        assert steps[[0, -1]].tolist() == [0, horizon]
        assert len(steps) == min(observer.samples, horizon) + 1

    def test_a_failed_row_is_nan(
        self, observer: Any, samples: Any, lengths: Any, facts: TaskFacts
    ) -> None:
        samples[2, 0, 0] = np.inf
        found = observer.observations(samples, lengths, facts)["signature"]
        assert np.isnan(found).all(axis=1).tolist() == [False, False, True, *[False] * 4]
        assert np.isfinite(np.delete(found, 2, axis=0)).all()


FACTS = facts_of(200)
LENGTHS = np.array([200, 1, 57, 133], np.int32)
EPISODES = np.random.default_rng(3).normal(size=(4, 201, 3)).cumsum(axis=1) / 14
PLAIN = Signature(depth=3, normalise=False, backend="torch", samples=20)


def observed(observer: Signature) -> Any:
    """What is left of the four episodes."""
    at = np.minimum(observer.steps(200), LENGTHS[:, None])
    samples = np.take_along_axis(EPISODES, at[..., None], axis=1).astype(np.float32)
    return observer.observations(samples, LENGTHS, FACTS)["signature"]


def path_of(row: int, *, every: int = 10, time: bool = True) -> Any:
    """The path of an episode by hand: only its live steps, scaled by the bounds, with its clock."""
    steps = [*range(0, LENGTHS[row], every), LENGTHS[row]]
    low, width = np.array([0.0, -1.0, -3.0]), np.array([1.0, 2.0, 5.0])
    points = (EPISODES[row, steps].astype(np.float32) - low) / width
    return np.column_stack([points, np.array(steps) / 200]) if time else points


def by_hand(path: Any, *, log: bool = False) -> Any:
    return guarded_esig.signatures(np.array([path]), 3, log)[0]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("time", [False, True])
def test_is_the_signature_of_the_live_path_in_units_of_the_bounds(time: bool, log: bool) -> None:
    found = observed(replace(PLAIN, time=time, log=log))
    expected = [by_hand(path_of(row, time=time), log=log) for row in range(4)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_time_ends_at_one_only_for_a_full_episode() -> None:
    np.testing.assert_allclose(observed(PLAIN)[:, 3], LENGTHS / 200, rtol=1e-6)


def test_a_basepoint_comes_from_the_lower_corner() -> None:
    expected = [by_hand(np.vstack([np.zeros(4), path_of(row)])) for row in range(4)]
    np.testing.assert_allclose(observed(replace(PLAIN, basepoint=True)), expected, atol=1e-6)


@pytest.mark.parametrize("windows", [2, 3, 20])
def test_windows_are_the_signatures_of_the_parts(windows: int) -> None:
    found = observed(replace(PLAIN, windows=windows)).reshape(4, windows, -1)
    whole = path_of(0)
    for w in range(windows):
        part = whole[20 * w // windows : 20 * (w + 1) // windows + 1]
        np.testing.assert_allclose(found[0, w], by_hand(part), atol=1e-6)
    assert not found[1, 1:].any()  # nothing moves after the end, not even time


def test_an_episode_shorter_than_the_samples_is_sampled_at_every_step() -> None:
    assert Signature(samples=100).steps(7).tolist() == list(range(8))


@given(st.floats(0.01, 100), st.integers(0, 99))
def test_normalised_levels_all_grow_like_the_path(scale: float, seed: int) -> None:
    path = np.random.default_rng(seed).normal(size=(1, 9, 3)).cumsum(axis=1)
    sizes = level_sizes(3, 4)
    small, large = (
        root_normalised(qdx.signature(p, 4, time=False), sizes) for p in (path, path * scale)
    )
    np.testing.assert_allclose(large, scale * small, rtol=1e-9, atol=1e-9 * scale)


def test_a_normalised_level_is_the_root_of_its_size_in_its_direction() -> None:
    signature = np.random.default_rng(0).normal(size=(2, 14))
    found = root_normalised(signature, (2, 4, 8))
    for k, (start, end) in enumerate([(0, 2), (2, 6), (6, 14)], 1):
        level, made = signature[:, start:end], found[:, start:end]
        norm = np.linalg.norm(level, axis=1)
        np.testing.assert_allclose(
            np.linalg.norm(made, axis=1), (factorial(k) * norm) ** (1 / k), rtol=1e-12
        )
        cosine = (made * level).sum(axis=1) / np.linalg.norm(made, axis=1) / norm
        np.testing.assert_allclose(cosine, 1.0, rtol=1e-12)


def test_who_never_moves_is_at_the_origin() -> None:
    still = np.ones((1, 21, 3), np.float32)
    found = replace(PLAIN, time=False, normalise=True).observations(
        still, np.array([200], np.int32), FACTS
    )
    assert not found["signature"].any()


# --- in a config


def test_auto_is_settled_when_a_config_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    config = load({**CONFIG, "observer": "signature"})
    assert config.resolved()["observer"]["backend"] == "torch"
    monkeypatch.setattr(room, "find_spec", lambda name: object())
    assert load(config.resolved()).observer == config.observer
    fresh = load({**CONFIG, "observer": "signature"})
    assert fresh.resolved()["observer"]["backend"] == "pysiglib"


def test_a_run_whose_backend_is_not_here_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdx.signatures.transform.find_spec", lambda name: None)
    config = load({**CONFIG, "observer": {"kind": "signature", "backend": "pysiglib"}})
    with pytest.raises(ConfigError, match=r"observer\.backend: pysiglib is not installed here"):
        build(config)


@pytest.mark.parametrize("backend", ["torch", "pysiglib", "esig"])
def test_a_manifest_records_the_library_that_computes(backend: str) -> None:
    config = load({**CONFIG, "observer": {"kind": "signature", "backend": backend}})
    versions = environment(config, build_task(config))["versions"]
    assert ("pysiglib" in versions) == (backend == "pysiglib" and bool(FAST))
    assert ("roughpy" in versions) == (backend == "esig")
    assert "torch" in versions


def test_more_windows_than_steps_are_refused() -> None:
    config = load({**CONFIG, "observer": {"kind": "signature", "windows": 51}})
    with pytest.raises(ConfigError, match=r"observer\.windows: expected at most 50, .* got 51"):
        build(config)


@pytest.mark.parametrize("kind", ["grid", "cvt"])
def test_cells_need_bounds_of_their_own(kind: str) -> None:
    cells = {"kind": kind, "cells": 9, "samples": 50} if kind == "cvt" else {"kind": kind}
    observer = {"kind": "signature", "depth": 1, "time": False}
    config = {**CONFIG, "searcher": "map_elites", "observer": observer}
    with pytest.raises(ConfigError, match=r"archives\.cells\.bounds: expected finite low < high"):
        build(load({**config, "archives": {"cells": cells}}))
    bounds = [[-2.0, 2.0], [-2.0, 2.0]]
    build(load({**config, "archives": {"cells": {**cells, "bounds": bounds}}})).executor.close()


def test_reading_a_config_imports_no_torch() -> None:
    code = (
        "import sys; from qdx.assembly.config import load;"
        f"load({ {**CONFIG, 'observer': 'signature'} });"
        "print('torch' in sys.modules, 'pysiglib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("backend", ["torch", *FAST])
def test_shards_of_any_size_leave_the_same_bits(backend: str) -> None:
    observer = {"kind": "signature", "depth": 4, "windows": 2, "backend": backend}
    rng = np.random.default_rng(0)
    genes = rng.standard_normal((40, qdx.n_genes("hard_maze")), np.float32)
    whole = qdx.evaluate("hard_maze", genes, observer=observer).observations["signature"]
    for size in (1, 3, 17):
        parts = [
            qdx.evaluate("hard_maze", genes[i : i + size], observer=observer)
            for i in range(0, 40, size)
        ]
        joined = np.concatenate([part.observations["signature"] for part in parts])
        assert joined.tobytes() == whole.tobytes()

"""Grids of configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from qdx.assembly.config import load
from qdx.assembly.sweep import grid, write
from qdx.core.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text("budget: 10\ntask: point\nsearcher: map_elites\n")
    return path


def test_every_combination_appears_once_the_last_key_fastest(file: Path) -> None:
    points = grid(file, ["searcher.sigma=[0.1, 0.2]", "seed=[1, 2, 3]"])
    found = [(p.config.searcher.parameters.sigma, p.config.campaign.seed) for p in points]
    assert found == [(s, seed) for s in (0.1, 0.2) for seed in (1, 2, 3)]


def test_seeds_share_a_name_and_other_values_do_not(file: Path) -> None:
    points = grid(file, ["searcher.sigma=[0.1, 0.2]", "seed=[1, 2]"])
    names = [p.config.campaign.name for p in points]
    assert names == ["base-0.1", "base-0.1", "base-0.2", "base-0.2"]


def test_labels_are_unique(file: Path) -> None:
    points = grid(file, ["searcher.sigma=[0.1, 0.2]", "seed=[1, 2]"])
    assert len({p.label for p in points}) == 4


def test_a_single_value_needs_no_list(file: Path) -> None:
    assert [p.config.campaign.seed for p in grid(file, ["seed=7"])] == [7]


@pytest.mark.parametrize("key", ["seed=[]", "seed=[1, 1]", "seed=[1, -1]", "seed", "sead=[1]"])
def test_grids_that_are_none_are_refused(file: Path, key: str) -> None:
    with pytest.raises(ConfigError):
        grid(file, [key])


def test_written_configs_are_read_again(file: Path, tmp_path: Path) -> None:
    points = grid(file, ["seed=[1, 2]"])
    files = write(tmp_path / "sweep", points)
    assert [load(f) for f in files] == [p.config for p in points]
    assert [f.name[:4] for f in files] == ["0000", "0001"]

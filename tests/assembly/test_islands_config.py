"""What islands may say of themselves, and what stands above it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qdx.assembly.config import load
from qdx.assembly.sweep import grid
from qdx.core.errors import ConfigError
from tests.campaign.islands import config


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"island": 3}, "island: expected less than the 3 islands, got 3"),
        ({"searcher": "novelty_search"}, "islands: expected a searcher that judges by the archive"),
        ({"islands": {"each": 3}}, "islands.each: expected a list of what is each island's own"),
        ({"islands": {"n": 2}}, "islands.folder: missing"),
        ({"islands": {"each": [{}, {"islands": {}}]}}, "expected islands beside each, for all"),
        ({"islands": {"each": [{"island": 4}]}}, "got it in the section of island 0"),
    ],
)
def test_a_wrong_config_is_named(keys: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load({**config(tmp_path, 0), **keys})
    assert said in str(error.value)


@pytest.mark.parametrize("island", range(3))
def test_the_command_line_stands_above_what_is_an_islands_own(island: int, tmp_path: Path) -> None:
    key = "population" if island == 1 else "batch"  # of its own searcher, or the one of all
    given = [f"island={island}", "seed=77", f"searcher.{key}=20", "budget=300"]
    loaded = load(config(tmp_path, 0), given)
    campaign = loaded.campaign
    assert (campaign.seed, campaign.budget, campaign.island) == (77, 300, island)
    assert loaded.searcher.kind == ("cma_me" if island == 1 else "map_elites")
    assert getattr(loaded.searcher.parameters, key) == 20


def test_the_command_line_may_say_what_is_each_islands_own(tmp_path: Path) -> None:
    given = ["islands.each=[{}, {seed: 5, searcher: cma_me}]", "island=1"]
    loaded = load(config(tmp_path, 0), given)
    assert (loaded.campaign.seed, loaded.searcher.kind) == (5, "cma_me")
    loaded = load(config(tmp_path, 0), [*given, "searcher={kind: map_elites, batch: 7}"])
    assert (loaded.campaign.seed, loaded.searcher.kind) == (5, "map_elites")


def test_a_sweep_stands_above_what_is_an_islands_own(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps(config(tmp_path, 0)))
    points = grid(tmp_path / "c.yaml", ["seed=[7,8]"])
    assert [point.config.campaign.seed for point in points] == [7, 8]

"""Tiny real runs, one of each kind a figure has to cope with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign

Runs = Callable[..., StoredRun]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A run by its config, made once."""
    root, made = tmp_path_factory.mktemp("runs"), dict[str, Path]()

    def get(**config: Any) -> StoredRun:
        defaults = {"task": "hard_maze", "searcher": "novelty_search", "seed": 1, "budget": 400}
        key = repr(sorted(config.items()))
        if key not in made:
            with Campaign(defaults | config, root / str(len(made))) as campaign:
                campaign.run()
            made[key] = root / str(len(made))
        return StoredRun.open(made[key])

    return get

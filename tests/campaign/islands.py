"""Three small islands, of other seeds and searchers, and what tests ask of their runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from qdx.assembly.invariants import broken
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.storage import verify

CMA_ME = {"kind": "cma_me", "emitters": 4, "population": 25, "emitters_per_batch": 2}
EACH: list[dict[str, Any]] = [
    {"seed": 1},
    {"seed": 2, "searcher": CMA_ME},
    {"seed": 3, "mode": "steady", "steady": {"shard": 10}},
]


def config(folder: Path, island: int, *, n: int = 3, **more: Any) -> dict[str, Any]:
    each = EACH if n == 3 else [{"seed": 1}, {"seed": 2}][:n]
    islands = {"folder": str(folder / "exchange"), "exchange": 2, "wait_s": 60, "each": each}
    return {
        "budget": 500,
        "task": "point",
        "searcher": {"kind": "map_elites", "initial": 50, "batch": 50},
        "archives": {"cells": {"kind": "grid", "bins": 12}},
        "island": island,
        "islands": islands,
        "checkpoint": {"generations": 3, "seconds": 1000},
        "executor": {"kind": "local", "threads": 1},
        **more,
    }


def digests(path: Path) -> tuple[str, str, str]:
    run = StoredRun.open(path)
    assert broken(run) == []
    assert verify(path).damaged == []
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def sail(*campaigns: Campaign) -> None:
    """Campaigns to their ends, each in a thread."""
    threads = [threading.Thread(target=campaign.run) for campaign in campaigns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    for campaign in campaigns:
        campaign.close()


def of_island(ids: Any) -> Any:
    return np.unique(np.asarray(ids) >> 40)

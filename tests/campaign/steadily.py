"""Steady campaigns for tests: such as die at an event, or are fed a log."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdx.assembly.invariants import broken
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.executors.local import Local
from qdx.storage import Event, verify
from qdx.storage.events import read_events

SEARCHERS: dict[str, Any] = {
    "map_elites": "map_elites",
    "random_search": "random_search",
    "dns": "dns",
    "cma_me": {"kind": "cma_me", "emitters": 5},
    "cma_mae": {"kind": "cma_mae", "emitters": 5, "population": 8, "emitters_per_batch": 2},
}
ONE_SLOT = {"kind": "local", "threads": 1}


def config(searcher: Any = "map_elites", **more: Any) -> dict[str, Any]:
    return {
        "budget": 400,
        "seed": 4,
        "task": "point",
        "searcher": searcher,
        "mode": "steady",
        "steady": {"shard": 6, "keep_events": True},
        "checkpoint": {"generations": 2, "seconds": 1000},
        "executor": ONE_SLOT,
        **more,
    }


def digests(path: Path) -> tuple[str, str, str]:
    run = StoredRun.open(path)
    assert broken(run) == []
    assert verify(path).damaged == []
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def run_whole(raw: dict[str, Any], path: Path) -> tuple[str, str, str]:
    with Campaign(raw, path) as campaign:
        campaign.run()
    return digests(path)


def events(path: Path) -> list[Event]:
    """All events in the log of a run."""
    return list(read_events(path))


class Killed(Exception):
    """Stands for the end of the process."""


@dataclass
class Mortal:
    """An event log whose process dies at an event, before or after that is on the disk."""

    log: Any
    at: int
    is_written: bool

    def append(self, event: Event) -> None:
        if event.number < self.at or self.is_written:
            self.log.append(event)
        if event.number == self.at:
            raise Killed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


def killed(raw: dict[str, Any], path: Path, at: int, *, is_written: bool = True) -> int:
    """A campaign that dies at an event; how many events are on the disk."""
    with Campaign(raw, path) as campaign:
        campaign.steady.log = Mortal(campaign.steady.log, at, is_written)
        with pytest.raises(Killed):
            campaign.run()
    return at if is_written else at - 1


def no_episode(*_: Any) -> int:
    raise AssertionError("an episode was run")


def fed(raw: dict[str, Any], log: Path, path: Path, monkeypatch: Any) -> tuple[str, str, str]:
    """The digests of a campaign that is told a log, and runs no episode."""
    Campaign(raw, path).close()
    if (log / "events").exists():
        shutil.copytree(log / "events", path / "events")
    with monkeypatch.context() as patch:
        patch.setattr(Local, "submit", no_episode)
        with Campaign.resume(path) as campaign:
            if campaign.is_finished():
                campaign.run()
            campaign.commit("running")
    return digests(path)


def told(path: Path) -> np.ndarray:
    """The ids of all events, which must be as many as were counted."""
    ids = np.concatenate([event.ids for event in events(path)])
    assert len(ids) == StoredRun.open(path).tally().evaluations
    return ids


def check_whole(path: Path, budget: int) -> None:
    """Every individual that was asked for was told once, and none is missing."""
    ids, under_way = told(path), StoredRun.open(path).snapshot.states["steady"].arrays["sizes"]
    assert len(under_way) == 0
    assert np.array_equal(np.sort(ids), np.arange(len(ids)))
    assert budget <= len(ids) < budget + 8

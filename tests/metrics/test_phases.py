"""Where the time went."""

from __future__ import annotations

import pytest

from qdx.metrics.phases import PHASES, phases


def test_phases_add_up_to_the_generation() -> None:
    line = {
        "generation": 3,
        "at": 1.7e9,
        "wall": 10.0,
        "executor.submit": 0.5,
        "executor.collect": 2.5,
        "descriptor.describe": 1.0,
        "descriptor.learn": 2.0,
        "records.redescribe": 1.0,
        "records.add": 0.25,
        "archive.novelty.redescribe": 0.25,
        "archive.novelty.add": 0.5,
        "searcher.redescribe": 0.25,
        "searcher.tell": 0.75,
        "directory.commit": 0.5,
        "directory.append": 0.125,
    }
    seconds = phases(line)
    assert seconds == {
        "rollout": 3.0,
        "description": 1.0,
        "training": 2.0,
        "redescription": 1.5,
        "selection": 1.25,
        "commit": 0.5,
        "rest": 0.75,
    }
    assert tuple(seconds) == PHASES
    assert sum(seconds.values()) == pytest.approx(10.0)

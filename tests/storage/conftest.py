"""Fixtures of the storage tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from storage_scenario import campaign

from qdx.storage import RunDirectory, compaction


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    """A run before its first commit."""
    with RunDirectory.create(tmp_path / "run", "name: test\n") as created:
        yield created


@pytest.fixture
def small_fan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge after every third commit, so that few commits show every kind of merge."""
    monkeypatch.setattr(compaction, "FAN", 3)


@pytest.fixture
def finished(tmp_path: Path, small_fan: None) -> Path:
    """A closed run of the whole scenario."""
    campaign(tmp_path / "run")
    return tmp_path / "run"

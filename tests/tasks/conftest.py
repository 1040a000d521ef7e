"""Fixtures of several modules of tests."""

import gymnasium
import pytest

from tests.tasks.scripted import Scripted


@pytest.fixture
def scripted():
    """Registers a `Scripted-v0` made with some arguments."""
    ids = []

    def register(limit=None, **kwargs):
        gymnasium.register("Scripted-v0", Scripted, max_episode_steps=limit, kwargs=kwargs)
        ids.append("Scripted-v0")
        return "gymnasium:Scripted-v0"

    yield register
    for id_ in ids:
        gymnasium.registry.pop(id_, None)

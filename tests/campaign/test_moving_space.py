"""A behaviour space that moves while the campaign runs, and is killed and resumed."""

import numpy as np
import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.types import Described, State


class Shrinking:
    """A toy learned descriptor: every lesson scales the space by a factor of the lesson."""

    def __init__(self):
        self.version, self.scale = 0, np.float32(1)

    def dimension(self):
        return 2

    def describe(self, observations, failed):
        points = observations["final"] * self.scale
        return Described(np.where(failed[:, None], np.float32(np.nan), points), None, self.version)

    def learn(self, observations):
        self.version += 1
        self.scale *= np.float32(0.9 + 0.1 * np.abs(observations["final"]).mean())
        return {"scale": float(self.scale)}

    def state(self):
        return State({"scale": np.array([self.scale])}, {"version": self.version})

    def restore(self, state):
        self.version, self.scale = state.json["version"], state.arrays["scale"][0]


def teach(campaign, every=3):
    """Give a campaign the toy descriptor, and a lesson every third generation."""
    descriptor, searcher = Shrinking(), campaign.searcher

    class Taught:
        def lesson(self):
            due = campaign.tally.generation % every == every - 1
            return campaign.records.ids() if due else None

        def __getattr__(self, name):
            return getattr(searcher, name)

    campaign.descriptor, campaign.searcher = descriptor, Taught()
    campaign.redescribe = descriptor.describe  # timed apart, so bound when the campaign is made
    return descriptor


def config(searcher):
    return {
        "budget": 1500,
        "seed": 2,
        "task": "point",
        "searcher": searcher,
        "checkpoint": {"generations": 2, "seconds": 1000},
    }


def finish(campaign):
    while not campaign.is_finished():
        campaign.step()


@pytest.mark.parametrize("searcher", ["novelty_search", "map_elites", "serene"])
@pytest.mark.parametrize(
    "generations",
    [4, pytest.param(2, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)],
)
def test_a_campaign_with_a_moving_space_resumes_to_the_same_digests(
    tmp_path, searcher, generations
):
    with Campaign(config(searcher), tmp_path / "calm") as campaign:
        teach(campaign)
        finish(campaign)
    with Campaign(config(searcher), tmp_path / "cut") as campaign:
        teach(campaign)
        for _ in range(generations):
            campaign.step()
    state = StoredRun.open(tmp_path / "cut").snapshot.states["descriptor"]
    with Campaign.resume(tmp_path / "cut") as campaign:
        teach(campaign).restore(state)
        finish(campaign)
    calm, cut = StoredRun.open(tmp_path / "calm"), StoredRun.open(tmp_path / "cut")
    assert calm.space > 1
    assert (cut.digest(), cut.state_digest()) == (calm.digest(), calm.state_digest())


def test_the_journal_names_the_space_at_the_end_of_a_generation(tmp_path):
    with Campaign(config("novelty_search"), tmp_path / "run") as campaign:
        descriptor = teach(campaign)
        for _ in range(6):
            assert campaign.step().space == descriptor.version
    assert descriptor.version == 2

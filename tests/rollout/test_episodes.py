"""Seeds of episodes: the same for all, or one for each genome wherever it is evaluated."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import warp as wp

from qdx.core.types import Genomes, Purpose
from qdx.observers.sampling import Path
from qdx.policies.mlp import Mlp
from qdx.rollout.episodes import DIVERGED, SEEDS, Ends, episode_seeds, outcomes
from qdx.rollout.fused import FusedRollout
from qdx.tasks import point

SAME = point.FACTS
EACH = replace(point.FACTS, episode_seed="per_genome")


def genomes(ids, trial=0):
    n = len(ids)
    rng = np.random.default_rng(0)
    genes = rng.standard_normal((n, 48)).astype(np.float32)
    return Genomes(
        np.array(ids), genes, np.full(n, -1), np.zeros(n, np.int32), np.full(n, trial, np.int32)
    )


@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1, 2**60 + 3])
def test_the_same_seed_is_the_campaigns(seed):
    assert episode_seeds(SAME, seed, genomes([4, 9])).tolist() == [seed % SEEDS] * 2


def test_a_genomes_seed_follows_from_its_id_alone():
    all_ = episode_seeds(EACH, 1, genomes(range(50)))
    assert len(set(all_.tolist())) == 50
    assert episode_seeds(EACH, 1, genomes([30, 2])).tolist() == all_[[30, 2]].tolist()


def test_another_trial_or_campaign_is_another_seed():
    first = episode_seeds(EACH, 1, genomes([3]))
    assert first != episode_seeds(EACH, 1, genomes([3], trial=1))
    assert first != episode_seeds(EACH, 2, genomes([3]))


def test_validation_episodes_are_common_to_all_genomes_and_fresh_in_every_trial():
    def validation(ids, trial):
        batch = genomes(ids, trial)
        return replace(batch, purpose=np.full(len(ids), Purpose.VALIDATION, np.int32))

    first, second = (episode_seeds(EACH, 1, validation([3, 8], trial)) for trial in (4, 5))
    assert first[0] == first[1] != second[0] == second[1]
    by_trial = replace(point.FACTS, episode_seed="per_trial")
    assert episode_seeds(by_trial, 1, genomes([3, 8], 4)).tolist() == first.tolist()
    assert len(set(episode_seeds(EACH, 1, genomes([3, 8], 4)).tolist())) == 2


@pytest.mark.parametrize("facts", [SAME, EACH])
def test_seeds_fit_a_kernels_integer(facts):
    seeds = episode_seeds(facts, 2**62, genomes([0, 2**52]))
    assert ((seeds >= 0) & (seeds < 2**31)).all()


@wp.func
def scattered(world: point.Square, seed: wp.int32) -> point.PointState:
    """A start that tells the seed."""
    state = point.PointState()
    state.position = wp.vec2(float(seed % 1000) / 1000.0, 0.0)
    state.area = wp.int32(-1)
    return state


@dataclass(frozen=True)
class Scattered(point.Point):
    """A point whose start follows from the seed."""

    facts = EACH
    reset = staticmethod(scattered)


@pytest.mark.parametrize("size", [1, 2, 5, 7])
def test_fused_episodes_are_reset_with_the_seed_of_their_genome(size):
    batch = genomes([8, 3, 2**45, 11, 0, 6, 7])
    pieces, finish = FusedRollout(Scattered(), Mlp(2, 2), Path(stride=50), seed=4).divide(
        batch, size
    )
    for piece in pieces:
        piece()
    starts = finish().observations["path"][:, 0, 0]
    expected = episode_seeds(EACH, 4, batch) % 1000 / 1000
    np.testing.assert_allclose(starts, expected, atol=1e-6)
    assert len(set(starts.tolist())) > 1


class TooLarge:
    """Keeps a power of the measures that float32 may not hold."""

    def observations(self, samples, lengths, facts):
        with np.errstate(over="ignore"):
            return {"powers": samples**4}


def test_what_an_observer_cannot_hold_is_a_failure_and_no_point():
    """Nobody can be told how far it is from others."""
    samples = np.array([[[1.0, 2.0]], [[1e20, 0.0]]], np.float32)
    ends = Ends(
        samples, samples[:, 0], np.ones(2, np.float32), np.zeros(2, np.int32), np.ones(2, np.int32)
    )
    told = outcomes(ends, TooLarge(), SAME, np.array(["", ""]))
    assert told.failed.tolist() == [False, True]
    assert told.reason.tolist() == ["", DIVERGED]
    assert told.reward_area.tolist() == [0, -1]

"""Point against the NumPy reference."""

import numpy as np

from qdx.api import evaluate
from tests.reference import point as reference


def genes(n=400):
    """Half of them drawn like the papers', half steered hard, so that some meet the boxes."""
    rng = np.random.default_rng(2)
    drawn = rng.standard_normal((n, 48)) * rng.choice([1.0, 3.0], (n, 1))
    return np.clip(drawn, -5, 5).astype(np.float32)


def test_every_path_is_the_references():
    outcomes = evaluate("point", genes(), observer={"kind": "path", "stride": 1})
    there = reference.rollout(genes())["trajectory"]
    np.testing.assert_allclose(outcomes.observations["path"][:, 1:], there, atol=2e-5)


def test_rewards_and_areas_are_the_references():
    outcomes, there = evaluate("point", genes(4000)), reference.rollout(genes(4000))
    assert len(set(there["reward_area"])) >= 3
    same = (outcomes.reward_area == there["reward_area"]) & (outcomes.fitness == there["fitness"])
    assert same.mean() > 0.998  # a path within rounding of a box's edge may count a step or not

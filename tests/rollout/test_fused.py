"""Fused rollouts: bits that do not depend on neighbours, and failures that are values."""

from dataclasses import dataclass

import numpy as np
import pytest
import warp as wp

from qdx.api import evaluate, n_genes
from qdx.core.errors import ConfigError, ShapeError
from qdx.core.types import Genomes
from qdx.observers.sampling import Final, Path
from qdx.policies.mlp import Mlp
from qdx.rollout.fused import FusedRollout
from qdx.tasks import point
from qdx.tasks.fused import Reward
from qdx.tasks.hard_maze import HardMaze
from tests.conformance.making import equal


def genes(task, n=30):
    rng = np.random.default_rng(0)
    return np.clip(rng.standard_normal((n, n_genes(task))), -5, 5).astype(np.float32)


@pytest.mark.parametrize("task", ["hard_maze", "point"])
@pytest.mark.parametrize("rows", [[0], [7], [3, 7], [7, 3], list(range(29, -1, -1))])
def test_a_row_has_the_same_bits_whatever_stands_around_it(task, rows):
    whole = evaluate(task, genes(task))
    part = evaluate(task, genes(task)[rows])
    np.testing.assert_array_equal(part.truth, whole.truth[rows])
    np.testing.assert_array_equal(part.fitness, whole.fitness[rows])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30, 64])
def test_pieces_in_any_order_give_what_the_whole_batch_gives(size):
    z = np.zeros(30, np.int32)
    batch = Genomes(np.arange(30), genes("hard_maze"), np.full(30, -1), z, z)
    batch.genes[4, 0] = np.nan
    rollout = FusedRollout(HardMaze(), Mlp(5, 2), Path(stride=400))
    pieces, finish = rollout.divide(batch, size)
    assert len(pieces) == -(-30 // size)
    for piece in reversed(pieces):
        piece()
    assert equal(finish(), rollout(batch))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_genome_that_is_not_finite_fails_alone(bad):
    spoilt = genes("hard_maze", 5)
    spoilt[2, 10] = bad
    outcomes = evaluate("hard_maze", spoilt)
    sound = evaluate("hard_maze", genes("hard_maze", 5))
    assert outcomes.failed.tolist() == [False, False, True, False, False]
    assert np.isnan(outcomes.fitness[2])
    assert outcomes.reason[2] == "genes are not finite"
    np.testing.assert_array_equal(outcomes.truth[3], sound.truth[3])


def test_weights_that_overflow_saturate():
    wild = genes("hard_maze", 3)
    wild[1, :25] = np.float32(3e38) * np.where(np.arange(25) % 2, 1, -1)  # inf - inf
    outcomes = evaluate("hard_maze", wild)
    assert not outcomes.failed.any()
    assert np.isfinite(outcomes.truth).all()


@wp.func
def burst(world: point.Square, state: point.PointState) -> Reward:
    """Not a number for whoever ends on the right."""
    reward = Reward()
    if state.position[0] > 0.0:
        reward.fitness = wp.sqrt(-1.0 - state.position[0])
    return reward


@dataclass(frozen=True)
class BurstingPoint(point.Point):
    finish = staticmethod(burst)


def test_an_episode_that_ends_in_nan_fails_with_a_reason():
    n = 30
    zeros = np.zeros(n, np.int32)
    batch = Genomes(np.arange(n), genes("point", n), np.full(n, -1), zeros, zeros)
    outcomes = FusedRollout(BurstingPoint(), Mlp(2, 2), Final())(batch)
    right = evaluate("point", genes("point", n)).truth[:, 0] > 0
    assert 0 < right.sum() < n
    np.testing.assert_array_equal(outcomes.failed, right)
    assert set(outcomes.reason[right]) == {"the episode ended in numbers that are not finite"}


def test_an_empty_batch_is_evaluated():
    outcomes = evaluate("point", genes("point")[:0])
    assert len(outcomes) == 0
    assert outcomes.truth.shape == (0, 2)


def test_genes_of_the_wrong_length_are_refused():
    with pytest.raises(ShapeError, match=r"expected \(B, 63\)"):
        evaluate("hard_maze", genes("point"))


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="expected one of cpu"):
        evaluate("point", genes("point"), device="cuda:7")


def test_checkpoints_end_with_the_final_state():
    outcomes = evaluate("hard_maze", genes("hard_maze"), observer={"kind": "checkpoints"})
    points = outcomes.observations["checkpoints"]
    assert points.shape == (30, 5, 2)
    np.testing.assert_array_equal(points[:, -1], outcomes.truth)


def test_checkpoints_are_points_of_the_path():
    path = evaluate("hard_maze", genes("hard_maze"), observer={"kind": "path", "stride": 1})
    points = evaluate("hard_maze", genes("hard_maze"), observer={"kind": "checkpoints"})
    at = [400, 800, 1200, 1600, 2000]
    np.testing.assert_array_equal(
        points.observations["checkpoints"], path.observations["path"][:, at]
    )

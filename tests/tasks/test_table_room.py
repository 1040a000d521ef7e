"""Reachable cells and pictures of the tables, against geometry written out here."""

import numpy as np
import pytest

from qdx.api import evaluate
from qdx.assembly.config import load
from qdx.assembly.parts import build_policy, build_rollout
from qdx.core.types import Genomes
from qdx.encodings.direct import Direct
from qdx.observers.sampling import Path
from qdx.rollout.fused import FusedRollout
from qdx.tasks import table_room
from qdx.tasks.billiard import Billiard
from qdx.tasks.curling import Curling
from qdx.tasks.posed import Posed

TASKS = [Curling(), Billiard()]
NEAREST = {"curling": 0.145, "billiard": 0.195}  # m; of the ball's centre to a wall or a link
EDGES = np.linspace(-1.35, 1.35, 51)


def batch(task, n=100):
    """Random genomes of the task's own policy, and the policy."""
    named = {"task": task.facts.name, "searcher": "random_search", "budget": 1}
    policy = build_policy(load(named))
    encoding = Direct(policy.n_genes, start=policy.initial)
    genes = encoding.initial(n, np.random.default_rng(2))
    zeros = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros), policy


def links(pivot, elbow):
    """((centre, direction) of both links, corners (4, 2) of the outer one), table frame."""
    along = [np.array([-np.sin(a), np.cos(a)]) for a in (pivot, pivot + elbow)]
    joint = np.array([0, -1.5]) + along[0]
    centres = [np.array([0, -1.5]) + along[0] / 2, joint + 0.4 * along[1]]
    across = np.array([along[1][1], -along[1][0]])
    signs = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    corners = [centres[1] + 0.05 * i * across + 0.5 * j * along[1] for i, j in signs]
    return list(zip(centres, along, strict=True)), np.array(corners)


def gap(points, link):
    """Distance of points (..., 2) from a link's box."""
    centre, along = link
    d = points - centre
    across = np.abs(d @ np.array([along[1], -along[0]])) - 0.05
    ahead = np.abs(d @ along) - 0.5
    return np.hypot(np.maximum(across, 0), np.maximum(ahead, 0))


@pytest.mark.parametrize("task", TASKS)
def test_each_cell_of_the_ceiling_has_a_place_that_an_admissible_arm_leaves_free(task):
    nearest = NEAREST[task.facts.name]
    ticks = np.unique(np.r_[np.linspace(-1.35, 1.35, 301), nearest - 1.45, 1.45 - nearest])
    points = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1)
    inside = (np.abs(points) <= 1.45 - nearest).all(axis=-1)
    free = np.zeros_like(inside)
    for pivot in np.linspace(-0.4 * np.pi, 0.4 * np.pi, 5):
        for elbow in np.linspace(-0.9 * np.pi, 0.9 * np.pi, 7):
            both, corners = links(pivot, elbow)
            if np.abs(corners).max() < 1.445:
                free |= inside & (np.min([gap(points, link) for link in both], axis=0) >= nearest)
    at = np.clip(np.searchsorted(EDGES, points[free], side="right") - 1, 0, 49)
    cells = len(np.unique(at, axis=0))
    assert task.ceiling().coverage == pytest.approx(cells / 2500)


@pytest.mark.parametrize("task", TASKS)
def test_balls_come_as_near_to_the_walls_as_the_ceiling_says(task):
    genomes, _ = batch(task, 300)
    named = {"task": task.facts.name, "searcher": "random_search", "budget": 1}
    rollout = build_rollout(load(named), Path(stride=1))
    farthest = np.abs(rollout(genomes).observations["path"]).max()
    assert 0.99 < farthest / (1.45 - NEAREST[task.facts.name]) < 1.002


def test_resting_balls_stay_out_of_curlings_outer_cells():
    genomes, _ = batch(Curling(), 300)
    path = evaluate("curling", genomes.genes, observer={"kind": "path", "stride": 1})
    ball = path.observations["path"]
    rests = np.abs(ball[:, -1] - ball[:, -30]).max(axis=1) < 1e-5
    assert rests.sum() > 100
    assert np.abs(ball[rests, -1]).max() < 1.296
    assert "at rest is 0.155 m away, 0.922" in Curling().ceiling().method


def test_the_picture_has_the_walls_where_box2d_has_them():
    scenery = Curling().scenery()
    assert scenery.view == ((-1.55, 1.55), (-1.55, 1.55))
    places = (np.arange(62) + 0.5) * 3.1 / 62 - 1.55
    x, y = np.meshgrid(places, places)
    assert (scenery.walls == (np.maximum(np.abs(x), np.abs(y)) > 1.45)).all()


@pytest.mark.parametrize("task", TASKS)
def test_an_arm_is_drawn_joint_by_joint_from_its_base(task):
    genomes, policy = batch(task, 20)
    limbs = FusedRollout(Posed(task), policy, Path(stride=20))(genomes).observations["path"]
    limbs = limbs.reshape(20, -1, 3, 2)
    np.testing.assert_allclose(limbs[:, 0], np.tile(task.scenery().limbs, (20, 1, 1)), atol=1e-6)
    np.testing.assert_array_equal(limbs[:, :, 0], np.broadcast_to([0, -1.5], limbs[:, :, 0].shape))
    lengths = np.linalg.norm(np.diff(limbs, axis=2), axis=3)
    np.testing.assert_allclose(lengths, np.broadcast_to([1.0, 0.9], lengths.shape), atol=0.02)
    assert np.abs(limbs[:, :, 2]).max() < 1.5
    assert table_room.ARM[0] == (0.0, -1.5)

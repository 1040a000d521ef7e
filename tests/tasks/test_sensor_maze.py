"""The maze of Deep GA against plain Python, step by step, and its reward."""

import math

import numpy as np
import pytest
import torch

from qdx.api import evaluate, n_genes
from qdx.rollout.fused_slots import FusedSlots
from qdx.tasks.image_maze import ImageMaze, background
from qdx.tasks.maze_geometry import GOAL, centres, gaps
from qdx.tasks.sensor_maze import SensorMaze
from tests.reference import sensor_maze as reference


def actions_of(n, steps, seed=0):
    """Policies that hold their actions for a while, as real ones do; beyond [-0.5, 0.5] too."""
    held = np.random.default_rng(seed).uniform(-0.8, 0.8, (n, steps // 10, 2))
    held[:, :, 1] = np.abs(held[:, :, 1]) + 0.1
    return np.repeat(held, 10, axis=1).astype(np.float32)


def driven(actions):
    n, steps, _ = actions.shape
    slots, rows = FusedSlots(SensorMaze(), n, "cpu", "sketch"), np.arange(n)
    slots.begin(rows, np.zeros(n, int))
    poses, sights = [slots.sample(rows)], [slots.observe(rows).numpy().copy()]
    for t in range(steps):
        slots.step(rows, torch.from_numpy(actions[:, t].copy()))
        poses.append(slots.sample(rows))
        sights.append(slots.observe(rows).numpy().copy())
    return np.stack(poses, 1), np.stack(sights, 1), slots.finish(rows)


@pytest.fixture(scope="module")
def both():
    actions = actions_of(12, 200)
    return driven(actions), [reference.drive(row.tolist()) for row in actions]


def test_the_robot_goes_where_the_reference_goes(both):
    (poses, _, _), tracks = both
    for pose, track in zip(poses, tracks, strict=True):
        expected = np.array([step[:3] for step in track])
        np.testing.assert_allclose(pose[:, :2], expected[:, :2], atol=2e-2)
        turned = (pose[:, 2] - expected[:, 2] + 180) % 360 - 180
        assert np.abs(turned).max() < 1e-2
    moved = np.linalg.norm(np.diff(poses[:, :, :2], axis=1), axis=2)
    assert (moved == 0).mean() > 0.05  # walls were met
    assert (moved > 2).mean() > 0.05


def test_it_sees_what_the_reference_sees(both):
    (_, sights, _), tracks = both
    gap = np.abs(sights - np.array([[step[3] for step in track] for track in tracks]))
    assert np.quantile(gap, 0.999) < 1e-3
    assert (gap > 1e-2).mean() < 1e-3  # a ray that just meets or misses the end of a wall


def test_reward_is_the_distance_to_the_goal_at_the_end_or_the_smallest():
    genes = np.random.default_rng(1).standard_normal((50, n_genes("sensor_maze")), np.float32)
    path = evaluate("sensor_maze", genes, observer={"kind": "path", "stride": 1})
    gap = np.linalg.norm(path.observations["path"] - np.array(GOAL), axis=2)
    np.testing.assert_allclose(path.fitness, -gap[:, -1], rtol=1e-5)
    smallest = evaluate({"kind": "sensor_maze", "distance": "smallest"}, genes)
    np.testing.assert_allclose(smallest.fitness, -gap.min(axis=1), rtol=1e-5)
    assert ((smallest.reward_area == 0) == (-smallest.fitness < 10)).all()


def test_the_straight_way_to_the_goal_is_a_dead_end():
    assert math.dist(GOAL, (36, 184)) > 160
    straight = np.linspace((36, 184), GOAL, 500)
    assert gaps(straight).min() < 8


def test_the_ceiling_is_what_the_geometry_leaves_free():
    free = gaps(centres(210)) >= 8  # 210: one unit a pixel
    assert SensorMaze().ceiling().coverage == pytest.approx(free.mean(), abs=0.15)
    assert SensorMaze().ceiling().coverage > 0.4


def test_the_background_has_walls_where_walls_are():
    for x1, y1, x2, y2 in reference.WALLS:
        column, row = int((x1 + x2) / 5), int((y1 + y2) / 5)  # of the middle; 2.5 units a pixel
        assert background()[row - 1 : row + 2, column - 1 : column + 2].max() == np.float32(0.8)
    length = sum(math.dist((x1, y1), (x2, y2)) for x1, y1, x2, y2 in reference.WALLS)
    drawn = (background() == np.float32(0.8)).sum() * 2.5**2
    assert drawn == pytest.approx(3 * length, rel=0.1)
    assert background()[int(20 / 2.5), int(31 / 2.5)] == np.float32(0.3)


@pytest.mark.parametrize("side", [21, 42])
def test_the_walls_of_a_small_background_have_no_holes(side):
    for x1, y1, x2, y2 in reference.WALLS:
        for share in np.linspace(0, 1, 400):
            x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
            row, column = int(y * side / 210), int(x * side / 210)
            around = background(side)[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            assert (around == np.float32(0.8)).any()


def test_a_held_action_is_the_same_action_again_and_again():
    held = FusedSlots(ImageMaze(held=4), 3, "cpu", "measures")
    plain = FusedSlots(ImageMaze(), 3, "cpu", "measures")
    every = np.arange(3)
    held.begin(every, every)
    plain.begin(every, every)
    for action in torch.from_numpy(actions_of(3, 30)).unbind(1)[::3]:
        held.step(every, action)
        for _ in range(4):
            plain.step(every, action)
        assert np.array_equal(held.measure(every), plain.measure(every))
    assert ImageMaze(held=4).facts.horizon == 100
    assert ImageMaze(side=42).facts.image == (4, 42, 42)


def test_small_frames_show_the_robot_where_it_is():
    slots, one = FusedSlots(ImageMaze(side=42), 1, "cpu", "measures"), np.zeros(1, np.int64)
    slots.begin(one, one)
    changed = slots.observe(one)[0, 3].numpy() != np.floor(255 * background(42) + 0.5)
    rows, columns = np.nonzero(changed)
    assert abs(columns.mean() * 5 + 2.5 - 36) < 4
    assert abs(rows.mean() * 5 + 2.5 - 184) < 4

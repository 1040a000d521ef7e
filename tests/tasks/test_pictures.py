"""Frames of every task against a NumPy rasteriser and states known from elsewhere."""

import functools
from pathlib import Path

import numpy as np
import pytest

from qdx.api import evaluate, n_genes
from qdx.assembly.tables import TASKS, resolve
from qdx.core.errors import ShapeError
from qdx.rollout.drawing import Drawing
from qdx.tasks import collect_ball, hard_maze
from tests.reference import pictures
from tests.reference import redundant_arm as arm_reference

GOLDEN = Path(__file__).parents[1] / "golden"
N_EDGE = 3  # pixels of a frame whose centre may lie within rounding of an edge


def task_of(name):
    return resolve(TASKS[name].parameters)()


NAMES = [name for name in sorted(TASKS) if hasattr(task_of(name), "World")]  # fused ones


@functools.cache
def genes_of(name, rows=8):
    rng = np.random.default_rng(5)
    drawn = 2 * rng.standard_normal((rows, n_genes(name)))
    return np.clip(drawn, -5, 5).astype(np.float32)


def frames_of(name, genes, samples=1, size=64):
    outcomes = evaluate(name, genes, observer={"kind": "frames", "samples": samples})
    return Drawing(task_of(name), size)(outcomes.observations["frames"])


def assert_same(frames, expected):
    """Equal but for pixels on an edge."""
    assert frames.shape == expected.shape
    assert (frames != expected).any(axis=-1).sum(axis=(-1, -2)).max() <= N_EDGE


@pytest.mark.parametrize("size", [64, 96])
def test_the_maze_shows_walls_and_the_robot_where_it_ended(size):
    ends = evaluate("hard_maze", genes_of("hard_maze")).truth * 600
    expected = np.stack([pictures.arena(hard_maze.walls(), e, size=size) for e in ends])
    assert_same(frames_of("hard_maze", genes_of("hard_maze"), size=size)[:, 0], expected)


def test_the_field_shows_the_robot_and_the_balls_on_the_ground():
    frames = frames_of("collect_ball", genes_of("collect_ball"))[:, 0]
    ends = evaluate("collect_ball", genes_of("collect_ball")).truth * 600
    balls = collect_ball.BALLS
    expected = np.stack([pictures.arena(collect_ball.walls(), e, balls) for e in ends])
    moved = (frames != expected).any(axis=-1).sum(axis=(-1, -2)) > N_EDGE
    assert moved.sum() <= 2  # who takes a ball leaves a gap
    assert_same(frames[~moved], expected[~moved])


def test_a_ball_in_the_hand_does_not_show():
    sketch = np.full((1, 14), collect_ball.NOWHERE, np.float32)
    sketch[0, :2], sketch[0, 4:6] = (300, 450), (225, 540)
    expected = pictures.arena(collect_ball.walls(), (300, 450), [(225, 540)])
    assert_same(Drawing(task_of("collect_ball"))(sketch), expected[None])


def test_the_table_shows_what_the_author_observed():
    """After 20, 40, …, 500 steps of the golden trajectories."""
    golden = np.load(GOLDEN / "curling_reference.npz")
    frames = frames_of("curling", golden["genomes"][:6], samples=25)
    steps = 1 + np.ceil(np.linspace(0, 499, 26))[1:].astype(int)
    seen = golden["trajectories"][:6, steps]
    expected = np.stack([[pictures.table(o[:2], o[2:4]) for o in row] for row in seen])
    # links give way a little at the joints, which the angles do not tell
    differ = (frames != expected).any(axis=-1).sum(axis=(-1, -2))
    assert differ.max() <= 12
    assert np.median(differ) <= N_EDGE


@pytest.mark.parametrize("size", [64, 96])
def test_the_billiard_shows_the_ball_the_walls_and_the_holes(size):
    """And no arm, as in the paper."""
    ends = evaluate("billiard", genes_of("billiard")).truth
    expected = np.stack([pictures.billiard(e, size) for e in ends])
    assert_same(frames_of("billiard", genes_of("billiard"), size=size)[:, 0], expected)


def test_the_arm_shows_the_posture_of_the_authors_environment():
    golden = np.load(GOLDEN / "redundant_arm_reference.npz")
    angles = golden["trajectories"][:8, -1, :20].astype(float)
    expected = np.stack([pictures.arm(joints) for joints in arm_reference.joints(angles)])
    assert_same(frames_of("redundant_arm", golden["genomes"][:8])[:, 0], expected)


def test_the_point_is_a_dot():
    ends = evaluate("point", genes_of("point")).truth
    expected = np.stack([pictures.dot(e) for e in ends])
    assert_same(frames_of("point", genes_of("point"))[:, 0], expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_does_not_depend_on_the_frames_around_it(name):
    outcomes = evaluate(name, genes_of(name), observer={"kind": "frames", "samples": 3})
    sketches, draw = outcomes.observations["frames"], Drawing(task_of(name))
    whole = draw(sketches)
    assert whole.dtype == np.uint8
    assert np.array_equal(draw(sketches[5:6]), whole[5:6])
    assert np.array_equal(draw(sketches[::-1]), whole[::-1])
    assert draw(sketches[:0]).shape == (0, 3, 64, 64, 3)


@pytest.mark.parametrize("name", NAMES)
def test_frames_show_what_the_episode_changed(name):
    frames = frames_of(name, genes_of(name, rows=32), samples=2)  # few of them hit a ball
    assert len({frame.tobytes() for frame in frames.reshape(-1, 64 * 64 * 3)}) > 6


@pytest.mark.parametrize("name", NAMES)
def test_keeping_frames_changes_no_outcome(name):
    plain = evaluate(name, genes_of(name))
    seen = evaluate(name, genes_of(name), observer={"kind": "frames", "samples": 3})
    for what in ("fitness", "length", "truth", "reward_area"):
        assert np.array_equal(getattr(plain, what), getattr(seen, what))


def test_sketches_of_another_task_are_refused():
    with pytest.raises(ShapeError, match=r"expected \(..., 8\) for 'curling', got"):
        Drawing(task_of("curling"))(np.zeros((1, 1, 2), np.float32))

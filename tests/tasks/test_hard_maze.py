"""HardMaze against libfastsim's trajectories and the NumPy reference, step by step and whole."""

import functools
from pathlib import Path

import numpy as np
import pytest
import warp as wp

from qdx.core.types import Genomes
from qdx.observers.sampling import Final
from qdx.observers.sampling import Path as PathObserver
from qdx.policies.mlp import Mlp
from qdx.rollout.fused import FusedRollout
from qdx.tasks import fastsim, hard_maze
from qdx.tasks.hard_maze import HardMaze
from tests.reference import hard_maze as reference

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hard_maze_reference.npz")
WORLD = 600.0
CELL = 12.0  # a coverage cell, world units
TWIN_STEP = 1e-6
STEADY = 1e-3
AGREEMENT = 1e-2


def genomes(genes):
    n = len(genes)
    zeros = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes.astype(np.float32), np.full(n, -1), zeros, zeros)


def positions(genes):
    """(B, 2000, 2) positions after each step, world units."""
    outcomes = FusedRollout(HardMaze(), Mlp(5, 2), PathObserver(stride=1))(genomes(genes))
    return outcomes.observations["path"][:, 1:] * WORLD


@functools.cache
def golden_positions():
    return positions(GOLDEN["genomes"])


def twins():
    """Four moves of every gene by 1e-6: up, down, and two draws of signs."""
    genes = GOLDEN["genomes"]
    rng = np.random.default_rng(0)
    drawn = [rng.choice([-1.0, 1.0], genes.shape) for _ in range(2)]
    return [genes + TWIN_STEP * sign for sign in (1.0, -1.0, *drawn)]


def test_the_raster_is_the_papers_to_the_pixel():
    walls = np.unpackbits(GOLDEN["walls"], axis=1).astype(bool)
    np.testing.assert_array_equal(hard_maze.walls(), walls)


@functools.cache
def drifts():
    """(4, 40) largest distance of each twin from its controller, world units."""
    here = golden_positions()
    return np.stack([np.abs(positions(twin) - here).max(axis=(1, 2)) for twin in twins()])


def errors():
    """(40,) largest distance from libfastsim over all 2000 steps, world units."""
    return np.abs(golden_positions() - GOLDEN["trajectories"][:, :, :2]).max(axis=(1, 2))


def test_every_steady_controller_follows_libfastsim():
    steady = (drifts() < STEADY).all(axis=0)
    assert steady.sum() >= 6
    assert errors()[steady].max() < AGREEMENT


def test_of_all_steady_twins_all_but_one_speak_for_a_controller_that_follows():
    # Controller 5 bumps within 5e-4 of a pixel's edge: one of its four twins does not tell.
    steady = drifts() < STEADY
    assert steady.sum() >= 40
    assert (steady & (errors() >= AGREEMENT)).sum() <= 1


def test_at_most_two_of_forty_end_more_than_a_cell_away():
    ends = np.linalg.norm(golden_positions()[:, -1] - GOLDEN["trajectories"][:, -1, :2], axis=1)
    assert (ends > CELL).sum() <= 2


def test_most_controllers_follow_libfastsim_all_the_way():
    assert (errors() < AGREEMENT).sum() >= 24


@pytest.mark.slow
def test_random_controllers_end_where_the_numpy_reference_ends():
    rng = np.random.default_rng(3)
    genes = np.clip(rng.standard_normal((60, 63)), -5, 5).astype(np.float32)
    ends = FusedRollout(HardMaze(), Mlp(5, 2), Final())(genomes(genes)).truth * WORLD
    there = reference.rollout(genes)["trajectory"][:, -1, :2]
    assert (np.linalg.norm(ends - there, axis=1) < CELL).mean() >= 0.95


@wp.kernel(enable_backward=False)
def sense(
    maze: hard_maze.Maze,
    poses: wp.array2d(dtype=wp.float32),
    sights: wp.array2d(dtype=wp.float32),
    moved: wp.array2d(dtype=wp.float32),
):
    """One move of known wheels from a pose, then the sensors."""
    row = wp.tid()
    state = hard_maze.reset(maze, 0)
    state.robot.x = poses[row, 0]
    state.robot.y = poses[row, 1]
    state.robot.heading = poses[row, 2]
    state.robot.ahead = fastsim.cos_sin(poses[row, 2])
    state = hard_maze.step(maze, state, wp.vec2(poses[row, 3], poses[row, 4]))
    sight = hard_maze.observe(maze, state)
    for i in range(5):
        sights[row, i] = sight[i]
    moved[row, 0] = state.robot.x
    moved[row, 1] = state.robot.y
    moved[row, 2] = state.robot.heading


@functools.cache
def sensed():
    """20 000 seeded poses all over the reachable maze, many of them about to bump."""
    rng = np.random.default_rng(11)
    free = np.argwhere(fastsim.raster.disc_contacts(hard_maze.walls(), 3).mask == 0)
    n = 20_000
    clear = fastsim.raster.clearance(hard_maze.walls())[tuple(free.T)]
    near = free[clear <= 4]  # half of them next to a wall
    rows = np.concatenate(
        [free[rng.integers(len(free), size=n // 2)], near[rng.integers(len(near), size=n // 2)]]
    )
    poses = np.empty((n, 5), np.float32)
    poses[:, 0] = rows[:, 1] * 3 + rng.uniform(-1.49, 1.49, n)
    poses[:, 1] = rows[:, 0] * 3 + rng.uniform(-1.49, 1.49, n)
    poses[:, 2] = rng.uniform(-np.pi, np.pi, n)
    poses[:, 3:] = rng.uniform(-5, 5, (n, 2))
    maze = HardMaze().world("cpu")
    sights, moved = (wp.zeros((n, k), dtype=wp.float32, device="cpu") for k in (5, 3))
    wp.launch(
        sense,
        dim=n,
        inputs=[maze, wp.array(poses, dtype=wp.float32, device="cpu"), sights, moved],
        device="cpu",
    )
    return poses, sights.numpy(), moved.numpy()


def expected():
    poses = sensed()[0]
    x, y, heading = reference._drive(poses[:, 0], poses[:, 1], poses[:, 2], poses[:, 3:])
    stopped, left, right = reference._touch(x, y, heading)
    x, y = np.where(stopped, poses[:, 0], x), np.where(stopped, poses[:, 1], y)
    return np.column_stack([x, y, heading]), stopped, np.column_stack([left, right])


def test_one_step_moves_as_the_reference_does():
    there, stopped, _ = expected()
    agree = np.abs(sensed()[2] - there).max(axis=1) < 1e-4
    assert 0.05 < stopped.mean() < 0.9
    assert agree.mean() > 0.9995  # a position within rounding of a pixel's edge may bump or not


def test_looked_up_beams_are_walked_beams():
    _, sights, moved = sensed()
    walked = reference._lasers(moved[:, 0], moved[:, 1], moved[:, 2])
    agree = np.abs(sights[:, :3] - walked) < 1e-3
    assert (walked < 100).mean() > 0.3
    assert agree.mean() > 0.9999  # likewise an end within rounding of a pixel's edge


def test_beams_may_exceed_their_range_on_the_last_pixel():
    assert 100.0 < sensed()[1][:, :3].max() < 102.1


def test_bumpers_are_the_references():
    there, stopped, bumps = expected()
    same_move = np.abs(sensed()[2] - there).max(axis=1) < 1e-4
    assert bumps[stopped].any(axis=1).mean() > 0.5
    agree = (sensed()[1][:, 3:] == bumps)[same_move]
    assert agree.mean() > 0.9999


@wp.kernel(enable_backward=False)
def judge(
    maze: hard_maze.Maze,
    places: wp.array2d(dtype=wp.float32),
    fitness: wp.array(dtype=wp.float32),
    area: wp.array(dtype=wp.int32),
):
    """The reward of a robot that was here before its last move and is far away now."""
    row = wp.tid()
    state = hard_maze.reset(maze, 0)
    state.robot.x_before = places[row, 0]
    state.robot.y_before = places[row, 1]
    reward = hard_maze.finish(maze, state)
    fitness[row] = reward.fitness
    area[row] = reward.area


def test_rewards_are_the_references_and_look_at_the_position_before_the_last_move():
    places = np.random.default_rng(5).uniform(0, 300, (5000, 2)).astype(np.float32)
    fitness = wp.zeros(len(places), dtype=wp.float32, device="cpu")
    area = wp.zeros(len(places), dtype=wp.int32, device="cpu")
    at = wp.array(places, dtype=wp.float32, device="cpu")
    maze = HardMaze().world("cpu")
    wp.launch(judge, dim=len(places), inputs=[maze, at, fitness, area], device="cpu")
    there, there_area = reference.reward(places[:, 0], places[:, 1])
    np.testing.assert_allclose(fitness.numpy(), there, atol=1e-5)
    assert (area.numpy() == there_area).mean() > 0.999
    assert set(there_area) == {-1, 0, 1}


def test_the_ceiling_is_the_known_reachable_share():
    assert HardMaze().ceiling().coverage == 2120 / 2500


@pytest.mark.parametrize("angle", np.linspace(-3.2, 3.2, 9))
def test_cos_sin_are_right_to_float32(angle):
    angles = (angle + np.linspace(-0.2, 0.2, 2001)).astype(np.float32)
    out = wp.zeros((len(angles), 2), dtype=wp.float32, device="cpu")
    wp.launch(turn, dim=len(angles), inputs=[wp.array(angles, device="cpu"), out], device="cpu")
    exact = np.column_stack([np.cos(angles.astype(float)), np.sin(angles.astype(float))])
    assert np.abs(out.numpy() - exact).max() < 1.5e-7


@wp.kernel(enable_backward=False)
def turn(angles: wp.array(dtype=wp.float32), out: wp.array2d(dtype=wp.float32)):
    """cos_sin of each angle."""
    row = wp.tid()
    both = fastsim.cos_sin(angles[row])
    out[row, 0] = both[0]
    out[row, 1] = both[1]

"""Curling against the author's trajectories and against Box2D, before and after contacts."""

import functools
from pathlib import Path

import numpy as np
import pytest
import warp as wp

from qdx.core.types import Genomes
from qdx.observers.sampling import Path as PathObserver
from qdx.policies.mlp import Mlp
from qdx.rollout.fused import FusedRollout
from qdx.tasks import (
    curling,
    table_bodies,
    table_order,
    table_solver,
    table_step,
    table_sweeps,
)
from qdx.tasks.curling import Curling

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "curling_reference.npz")
STARTED = 1e-6  # m: the ball has moved


def paths(genes):
    """(B, 501, 2) ball positions before each step and after the last."""
    n = len(genes)
    zeros = np.zeros(n, np.int32)
    batch = Genomes(np.arange(n), genes.astype(np.float32), np.full(n, -1), zeros, zeros)
    rollout = FusedRollout(Curling(), Mlp(6, 2, 5, 3), PathObserver(stride=1))
    return rollout(batch).observations["path"]


@functools.cache
def errors():
    """(30,) largest distance from the author's ball over all 500 steps, m."""
    there = GOLDEN["trajectories"][:, :, :2]
    return np.abs(paths(GOLDEN["genomes"]) - there).max(axis=(1, 2))


def test_every_golden_ball_follows_the_authors_for_500_steps():
    assert errors().max() < 3e-3


def test_most_golden_balls_follow_to_a_tenth_of_a_millimetre():
    assert (errors() < 1e-4).sum() >= 24


@wp.kernel(enable_backward=False, module="unique")
def drive(
    world: curling.Goals,
    actions: wp.array3d(dtype=wp.float32),
    sights: wp.array3d(dtype=wp.float32),
):
    """Known actions; what is observed before each step and after the last."""
    row = wp.tid()
    state = curling.reset(world, 0)
    for t in range(actions.shape[1] + 1):
        sight = curling.observe(world, state)
        for k in range(6):
            sights[row, t, k] = sight[k]
        if t < actions.shape[1]:
            action = wp.vec2(actions[row, t, 0], actions[row, t, 1])
            state = curling.step(world, state, action)


def driven(actions):
    n, steps, _ = actions.shape
    sights = wp.zeros((n, steps + 1, 6), dtype=wp.float32, device="cpu")
    on_device = wp.array(actions.astype(np.float32), dtype=wp.float32, device="cpu")
    world = Curling().world("cpu")
    wp.launch(drive, dim=n, inputs=[world, on_device, sights], device="cpu")
    return sights.numpy()


@pytest.fixture(scope="module")
def reference():
    """The scene in Box2D's own hands."""
    return pytest.importorskip("tests.reference.table_box2d", exc_type=ImportError)


def golden_actions(reference):
    """(30, 500, 2) what the golden controllers did, from their recorded observations."""
    pairs = zip(GOLDEN["genomes"], GOLDEN["trajectories"], strict=True)
    return np.stack([reference.act_all(genome, path[:-1]) for genome, path in pairs])


def test_before_contact_all_six_numbers_are_the_authors(reference):
    there = GOLDEN["trajectories"]
    here = driven(golden_actions(reference))
    ball = np.abs(there[:, :, :2] - there[:, :1, :2]).max(axis=2)
    before = np.cumsum(ball > STARTED, axis=1) == 0
    before &= np.arange(501) < 100  # later some arms lean on a wall
    assert before.sum() > 1000
    assert np.abs(here - there)[before].max() < 1e-4


def test_the_oracle_is_the_authors_environment(reference):
    for genome, there in zip(GOLDEN["genomes"], GOLDEN["trajectories"], strict=True):
        here = reference.curling(genome)
        assert np.abs(here[:, :4] - there[:, :4]).max() < 3e-4


@pytest.mark.slow
def test_after_contact_we_differ_from_box2d_no_more_than_its_twins_at_1e_5():
    twins = pytest.importorskip("tests.reference.table_twins", exc_type=ImportError)
    assert twins.is_met(twins.CASES["curling"], 1e-5)


@wp.kernel(enable_backward=False, module="unique")
def hold(
    world: curling.Goals,
    poses: wp.array2d(dtype=wp.float32),
    speeds: wp.array3d(dtype=wp.float32),
):
    """Link velocities of a free arm: the formula, and sweep after sweep."""
    row = wp.tid()
    table = curling.reset(world, 0).table
    table.link_0.a = poses[row, 0]
    table.link_1.a = poses[row, 0] + poses[row, 1]
    table.link_0 = table_bodies.turned(table.link_0)
    table.link_1 = table_bodies.turned(table.link_1)
    pivot = table_solver.pivot_pin(table.link_0, poses[row, 2])
    elbow = table_solver.elbow_pin(table.link_0, table.link_1, poses[row, 3])
    at_once, _held = table_step.solve_free_arm(world.scene, table, elbow, pivot)
    swept = table_sweeps.solve_arm(world.scene, table, table_order.Visits(), elbow, pivot)
    for k in range(2):
        speeds[0, row, k] = at_once.link_0.v[k]
        speeds[1, row, k] = swept.link_0.v[k]
        speeds[0, row, 2 + k] = at_once.link_1.v[k]
        speeds[1, row, 2 + k] = swept.link_1.v[k]
        speeds[0, row, 5 + k] = at_once.elbow.pin[k]
        speeds[1, row, 5 + k] = swept.elbow.pin[k]
    speeds[0, row, 4] = at_once.link_1.w
    speeds[1, row, 4] = swept.link_1.w


def test_the_free_arm_is_what_a_hundred_sweeps_give():
    rng = np.random.default_rng(4)
    poses = rng.uniform([-1.2, -2.8, -1, -1], [1.2, 2.8, 1, 1], (500, 4)).astype(np.float32)
    speeds = wp.zeros((2, len(poses), 7), dtype=wp.float32, device="cpu")
    inputs = [Curling().world("cpu"), wp.array(poses, device="cpu"), speeds]
    wp.launch(hold, dim=len(poses), inputs=inputs, device="cpu")
    at_once, swept = speeds.numpy()
    assert np.abs(at_once).max() > 1
    assert np.abs(at_once - swept).max() < 1e-5


@wp.kernel(enable_backward=False, module="unique")
def sweep_both_ways(
    world: curling.Goals,
    actions: wp.array3d(dtype=wp.float32),
    speeds: wp.array4d(dtype=wp.float32),
    swept: wp.array2d(dtype=wp.int32),
):
    """Link and ball velocities where one contact holds the arm: on four numbers, body by body."""
    row = wp.tid()
    scene = world.scene
    state = curling.reset(world, 0)
    for t in range(actions.shape[1]):
        action = wp.vec2(actions[row, t, 0], actions[row, t, 1])
        table = table_step.prepare(scene, table_bodies.collide(scene, state.table))
        pivot = table_solver.pivot_pin(table.link_0, action[0])
        elbow = table_solver.elbow_pin(table.link_0, table.link_1, action[1])
        order = table_order.island_order(table)
        if table.pivot.limit == 0 and table.elbow.limit == 0 and order.n > 0:
            fast = table_sweeps.solve_arm(scene, table, order, elbow, pivot)
            for k in range(order.n):
                table = table_sweeps.warm_contact(scene, table, order.codes[k])
            table = table_sweeps.warm_joints(table, elbow, pivot)
            slow = table_sweeps.sweep_any(scene, table, order, elbow, pivot)
            swept[row, t] = order.n + 10 * table.ball_1.on
            for k in range(2):
                speeds[0, row, t, k] = fast.link_1.v[k]
                speeds[1, row, t, k] = slow.link_1.v[k]
                speeds[0, row, t, 2 + k] = fast.ball.v[k]
                speeds[1, row, t, 2 + k] = slow.ball.v[k]
                speeds[0, row, t, 4 + k] = fast.link_0.v[k]
                speeds[1, row, t, 4 + k] = slow.link_0.v[k]
        state = curling.step(world, state, action)


def test_sweeps_on_four_numbers_are_the_sweeps_body_by_body():
    rng = np.random.default_rng(5)
    actions = np.repeat(rng.uniform(-1, 1, (60, 10, 2)), 30, axis=1).astype(np.float32)
    speeds = wp.zeros((2, *actions.shape[:2], 6), dtype=wp.float32, device="cpu")
    swept = wp.zeros(actions.shape[:2], dtype=wp.int32, device="cpu")
    inputs = [Curling().world("cpu"), wp.array(actions, device="cpu"), speeds, swept]
    wp.launch(sweep_both_ways, dim=len(actions), inputs=inputs, device="cpu")
    fast, slow = speeds.numpy()
    kinds = swept.numpy()
    assert min((kinds == kind).sum() for kind in (1, 11, 12)) > 50  # leaning; pushing; along a wall
    apart = np.abs(fast - slow).max(axis=2)[kinds > 0]
    assert np.quantile(apart, 0.99) < 1e-4
    assert np.abs(slow).max() > 0.5


def test_the_ball_stays_on_the_table_whatever_the_controller():
    genes = np.clip(3 * np.random.default_rng(9).standard_normal((300, 94)), -5, 5)
    ball = paths(genes)
    assert np.isfinite(ball).all()
    assert np.abs(ball).max() < 1.5


@wp.kernel(enable_backward=False)
def judge(
    world: curling.Goals,
    places: wp.array2d(dtype=wp.float32),
    fitness: wp.array(dtype=wp.float32),
    area: wp.array(dtype=wp.int32),
):
    """The reward of a ball at a place in the table frame."""
    row = wp.tid()
    state = curling.reset(world, 0)
    state.table.ball.c = wp.vec2(places[row, 0] + 1.5, places[row, 1] + 1.5)
    reward = curling.finish(world, state)
    fitness[row] = reward.fitness
    area[row] = reward.area


def test_reward_is_one_at_a_goals_centre_and_none_outside():
    places = np.float32([[0.8, 0.8], [0.8, -0.8], [0.8, 0.6], [0.8, -0.7], [0.8, 0.3], [0, 0]])
    fitness = wp.zeros(len(places), dtype=wp.float32, device="cpu")
    area = wp.zeros(len(places), dtype=wp.int32, device="cpu")
    at = wp.array(places, dtype=wp.float32, device="cpu")
    wp.launch(
        judge, dim=len(places), inputs=[Curling().world("cpu"), at, fitness, area], device="cpu"
    )
    np.testing.assert_allclose(fitness.numpy(), [1, 1, 0.5, 0.5, 0, 0], atol=1e-5)
    assert area.numpy().tolist() == [0, 1, 0, 1, -1, -1]

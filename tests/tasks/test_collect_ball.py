"""CollectBall against the NumPy reference: steps from anywhere, a carried ball, whole episodes."""

import copy
import functools

import numpy as np
import warp as wp

from qdx.core.types import Genomes
from qdx.observers.sampling import Final, Path
from qdx.policies.mlp import Mlp
from qdx.rollout.fused import FusedRollout
from qdx.tasks import collect_ball, fastsim, raster
from qdx.tasks.collect_ball import CollectBall
from tests.reference import collect_ball as reference

WORLD = 600.0
CELL = 12.0  # a coverage cell, world units
N = 20_000  # states


def play(genes, observer):
    n = len(genes)
    zeros = np.zeros(n, np.int32)
    batch = Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)
    return FusedRollout(CollectBall(), Mlp(10, 3), observer)(batch)


def drawn(n, seed):
    genes = np.random.default_rng(seed).standard_normal((n, 93))
    return np.clip(genes, -5, 5).astype(np.float32)


@functools.cache
def world():
    return CollectBall().world("cpu")


@wp.struct
class States:
    """A state per row, before and after a step, and what it shows."""

    poses: wp.array(dtype=wp.vec3)
    balls: wp.array(dtype=collect_ball.Places)
    masks: wp.array(dtype=wp.vec2i)
    held: wp.array(dtype=wp.int32)
    collected: wp.array(dtype=wp.int32)
    sights: wp.array(dtype=collect_ball.Sight)


@wp.kernel(enable_backward=False)
def move(world: collect_ball.Field, states: States, actions: wp.array2d(dtype=wp.vec3)):
    """A sequence of actions from each state."""
    row = wp.tid()
    state = collect_ball.reset(world, 0)
    state.robot.x = states.poses[row][0]
    state.robot.y = states.poses[row][1]
    state.robot.heading = states.poses[row][2]
    state.robot.ahead = fastsim.cos_sin(state.robot.heading)
    state.balls = states.balls[row]
    state.lying = states.masks[row][0]
    state.moved = states.masks[row][1]
    state.held = states.held[row]
    for t in range(actions.shape[1]):
        state = collect_ball.step(world, state, actions[row, t])
    states.poses[row] = wp.vec3(state.robot.x, state.robot.y, state.robot.heading)
    states.balls[row] = state.balls
    states.masks[row] = wp.vec2i(state.lying, state.moved)
    states.held[row] = state.held
    states.collected[row] = state.collected
    states.sights[row] = collect_ball.observe(world, state)


def run(field, actions):
    """Numbers of `States` after `actions` (B, T, 3) from a field of the reference."""
    n, bits = len(actions), 1 << np.arange(6)
    states = States()
    poses = np.column_stack([field.x, field.y, field.heading])
    masks = np.column_stack([field.lying @ bits, field.moved @ bits])
    states.poses = wp.array(poses, dtype=wp.vec3, device="cpu")
    states.balls = wp.array(field.balls, dtype=collect_ball.Places, device="cpu")
    states.masks = wp.array(masks, dtype=wp.vec2i, device="cpu")
    states.held = wp.array(field.held, dtype=wp.int32, device="cpu")
    states.collected = wp.zeros(n, dtype=wp.int32, device="cpu")
    states.sights = wp.zeros(n, dtype=collect_ball.Sight, device="cpu")
    at = wp.array(actions, dtype=wp.vec3, device="cpu")
    wp.launch(move, dim=n, inputs=[world(), states, at], device="cpu")
    names = ("poses", "balls", "masks", "held", "collected", "sights")
    return {name: getattr(states, name).numpy() for name in names}


def scatter(rng, pixels):
    """(n, 2) float32 positions that round to free pixels (row, column)."""
    return np.float32(pixels[:, ::-1] * 3 + rng.uniform(-1.49, 1.49, pixels.shape))


@functools.cache
def states():
    """A field with the robots near walls, home and balls, and an action for each."""
    rng = np.random.default_rng(11)
    free = np.argwhere(raster.disc_contacts(collect_ball.walls(), 3).mask == 0)
    near = free[raster.clearance(collect_ball.walls())[tuple(free.T)] <= 4]
    field = reference.Field.start(N)
    where = scatter(rng, free[rng.integers(len(free), size=N)])
    where[: N // 3] = scatter(rng, near[rng.integers(len(near), size=N // 3)])
    where[-N // 4 :] = reference.HOME + rng.uniform(-12, 12, (N // 4, 2))
    field.x, field.y = where.T.astype(np.float32).copy()
    field.heading = rng.uniform(-np.pi, np.pi, N).astype(np.float32)
    field.moved = rng.random((N, 6)) < 0.5
    far = scatter(rng, free[rng.integers(len(free), size=N * 6)]).reshape(N, 6, 2)
    close = where[:, None] + rng.uniform(-20, 20, (N, 6, 2)) * rng.integers(2, size=(N, 6, 1))
    hidden = reference._is_wall(*(reference._pixel(close[..., i]) for i in (0, 1)))[..., None]
    close = np.where(hidden, far, close)
    fallen = np.where(rng.random((N, 6, 1)) < 0.3, close, far)
    field.balls = np.where(field.moved[..., None], fallen, field.balls).astype(np.float32)
    field.held = np.where(rng.random(N) < 0.4, rng.integers(6, size=N), -1)
    field.lying = rng.random((N, 6)) < 0.8
    field.lying[field.held >= 0, field.held[field.held >= 0]] = False
    actions = rng.uniform(-1, 1, (N, 3)).astype(np.float32)
    actions[: N // 3, :2] = np.sign(actions[: N // 3, :1])  # full speed at the walls
    return field, actions


@functools.cache
def both():
    """What the kernel makes of the states, what the reference makes of them."""
    field, actions = copy.deepcopy(states())
    here = run(field, actions[:, None])
    lit = reference.step(field, actions)
    return here, field, reference.observation(field, lit)


def test_a_step_moves_as_the_reference_does():
    here, field, _ = both()
    there = np.column_stack([field.x, field.y, field.heading])
    assert (np.abs(here["poses"] - there).max(axis=1) < 1e-4).mean() > 0.9995


def test_all_ten_sensors_are_the_references():
    here, field, there = both()
    same = np.hypot(here["poses"][:, 0] - field.x, here["poses"][:, 1] - field.y) < 1e-4
    agree = np.abs(here["sights"] - there)[same] < 1e-5
    assert (agree.mean(axis=0) > 0.9995).all()
    assert ((there > 0).mean(axis=0) > 0.01).all()
    assert (there[:, :3] <= 1).all()


def test_a_light_exactly_at_the_robot_lies_along_x():
    field = reference.Field.start(64)
    field.x[:], field.y[:] = 300.0, 450.0  # away from the other balls' reach
    field.heading = np.linspace(-3.1, 3.1, 64).astype(np.float32)
    field.balls[:, 0] = 300.0, 450.0
    field.moved[:, 0], field.lying[:, 1:] = True, False
    sights = run(field, np.zeros((64, 1, 3), np.float32))["sights"]
    np.testing.assert_array_equal(sights[:, 5:7], reference.lights(field)[:, :2])
    assert 0 < sights[:, 5].sum() < 32


def test_the_hand_takes_and_drops_what_the_references_does():
    here, field, _ = both()
    before = states()[0]
    taken, dropped = (before.held < 0) & (field.held >= 0), (before.held >= 0) & (field.held < 0)
    assert min(taken.sum(), dropped.sum(), field.collected.sum()) > 300
    bits = 1 << np.arange(6)
    agree = (here["held"] == field.held) & (here["collected"] == field.collected)
    agree &= (here["masks"] == np.column_stack([field.lying @ bits, field.moved @ bits])).all(
        axis=1
    )
    agree &= (np.abs(here["balls"] - field.balls) < 1e-4).all(axis=(1, 2))
    assert agree.mean() > 0.9999


def fetch(field, goal):
    """Wheels that steer a robot without walls in between to a place."""
    bearing = np.arctan2(goal[1] - field.y[0], goal[0] - field.x[0]) - field.heading[0]
    bearing = (bearing + np.pi) % (2 * np.pi) - np.pi
    return [1.0, 1.0] if abs(bearing) < 0.1 else [-np.sign(bearing), np.sign(bearing)]


def test_a_ball_carried_home_counts_one():
    field, actions = reference.Field.start(1), []
    while field.collected[0] == 0 and len(actions) < 300:
        goal = reference.BALLS[1] if field.held[0] < 0 else reference.HOME
        is_home = np.hypot(field.x[0] - goal[0], field.y[0] - goal[1]) < 8 and field.held[0] >= 0
        actions.append([*fetch(field, goal), -1.0 if is_home else 1.0])
        reference.step(field, np.array(actions[-1:]))
    here = run(reference.Field.start(1), np.array([actions], np.float32))
    assert here["collected"].tolist() == field.collected.tolist() == [1]
    assert here["masks"][0, 0] == 0b111101  # gone for good


def test_lights_at_rest_are_seen_from_the_references_pixels():
    seen = world().seen.numpy()
    free = ~collect_ball.walls()
    for i, there in enumerate(reference._SEEN_AT_REST):
        np.testing.assert_array_equal((seen >> i & 1)[free], there.T[free])


def test_random_controllers_are_where_the_numpy_reference_is():
    genes, steps = drawn(40, seed=4), 500
    path = play(genes, Path(stride=steps)).observations["path"][:, 1] * WORLD
    there = reference.rollout(genes, steps=steps)
    assert (there["held"] >= 0).any(axis=1).sum() >= 5
    distance = np.linalg.norm(path - there["trajectory"][:, -1], axis=1)
    assert (distance < CELL).mean() >= 0.95


def test_who_collects_is_rewarded_at_home():
    outcomes = play(drawn(2000, seed=100), Final())
    assert set(outcomes.fitness) >= {0.0, 1.0}
    np.testing.assert_array_equal(outcomes.reward_area, np.where(outcomes.fitness > 0, 0, -1))


def test_the_walls_are_the_described_ones():
    np.testing.assert_array_equal(collect_ball.walls(), reference.walls())


def test_the_ceiling_is_the_reachable_share():
    assert CollectBall().ceiling().coverage == 2123 / 2500

"""RedundantArm against the author's trajectories and the NumPy reference, postures and stops."""

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
from qdx.tasks import redundant_arm
from qdx.tasks.redundant_arm import RedundantArm
from tests.reference import redundant_arm as reference

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "redundant_arm_reference.npz")
POLICY = Mlp(20, 20)
BODY = POLICY.program("cpu")
Body, act = BODY.body, BODY.act
ROUNDING = 2e-6  # rad and sides of the square: float32 against float64 over a whole episode


def genomes(genes):
    n = len(genes)
    zeros = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes.astype(np.float32), np.full(n, -1), zeros, zeros)


def play(genes, observer=None, reward="end"):
    return FusedRollout(RedundantArm(reward), POLICY, observer or Final())(genomes(genes))


@wp.kernel(enable_backward=False)
def watch(
    room: redundant_arm.Room,
    body: Body,
    postures: wp.array2d(dtype=redundant_arm.Angles),
    lengths: wp.array(dtype=wp.int32),
):
    """Closed-loop episodes with every posture kept; the last is repeated after the stop."""
    row = wp.tid()
    state = redundant_arm.reset(room, 0)
    for t in range(100):
        postures[row, t] = state.angles
        if state.done == 0:
            action = act(body, row, redundant_arm.observe(room, state), t)
            state = redundant_arm.step(room, state, action)
            lengths[row] = t + 1
    postures[row, 100] = state.angles


def watched(genes):
    """(B, 101, 20) postures and (B,) lengths."""
    n = len(genes)
    postures = wp.zeros((n, 101), dtype=redundant_arm.Angles, device="cpu")
    lengths = wp.zeros(n, dtype=wp.int32, device="cpu")
    body = BODY.load(genes.astype(np.float32), "cpu")
    world = RedundantArm().world("cpu")
    wp.launch(watch, dim=n, inputs=[world, body, postures, lengths], device="cpu")
    return postures.numpy(), lengths.numpy()


@wp.kernel(enable_backward=False)
def weigh(
    room: redundant_arm.Room,
    postures: wp.array(dtype=redundant_arm.Angles),
    margins: wp.array(dtype=wp.float32),
):
    """How far each posture is from breaking a rule."""
    row = wp.tid()
    margins[row] = redundant_arm.margin(redundant_arm.joints(postures[row]))


@wp.kernel(enable_backward=False)
def spin(
    room: redundant_arm.Room,
    speeds: wp.array(dtype=wp.float32),
    stopped: wp.array(dtype=wp.int32),
):
    """A step from the start, the last joint turning at a speed."""
    row = wp.tid()
    state = redundant_arm.reset(room, 0)
    state.turns[19] = speeds[row] * redundant_arm.DT
    stopped[row] = redundant_arm.step(room, state, redundant_arm.Angles()).done


@wp.kernel(enable_backward=False)
def judge(
    room: redundant_arm.Room,
    tips: wp.array(dtype=wp.vec2),
    done: wp.int32,
    fitness: wp.array(dtype=wp.float32),
    area: wp.array(dtype=wp.int32),
):
    """What an end effector earns at the end of an episode."""
    row = wp.tid()
    state = redundant_arm.reset(room, 0)
    state.tip = tips[row]
    state.done = done
    reward = redundant_arm.finish(room, state)
    fitness[row] = reward.fitness
    area[row] = reward.area


def drawn():
    """Genes of 1000 controllers, the second half bolder than the papers'."""
    rng = np.random.default_rng(7)
    genes = rng.standard_normal((1000, 228)) * np.repeat([1.0, 3.0], 500)[:, None]
    return np.clip(genes, -5, 5).astype(np.float32)


@functools.cache
def here():
    return watched(drawn())


@functools.cache
def there():
    return reference.rollout(drawn())


def test_the_reference_repeats_the_authors_arm_to_the_bit():
    outcome = reference.rollout(GOLDEN["genomes"])
    stored = outcome["trajectory"][:, GOLDEN["rows"]].astype(np.float32)
    np.testing.assert_array_equal(stored, GOLDEN["trajectories"])
    np.testing.assert_array_equal(outcome["length"], GOLDEN["lengths"])


def test_all_forty_arms_stop_where_the_authors_stop():
    postures, lengths = watched(GOLDEN["genomes"])
    np.testing.assert_array_equal(lengths, GOLDEN["lengths"])
    angles = GOLDEN["trajectories"][:, :, :20]
    np.testing.assert_allclose(postures[:, GOLDEN["rows"]], angles, atol=ROUNDING)


def test_random_arms_stop_where_the_reference_stops():
    different = here()[1] != there()["length"]
    assert (there()["closest"][different] < ROUNDING).all()  # none today
    assert different.sum() <= 1
    assert len(set(there()["length"])) > 60


def test_random_arms_take_every_posture_of_the_reference():
    same = here()[1] == there()["length"]
    np.testing.assert_allclose(
        here()[0][same], there()["trajectory"][same, :, :20], atol=ROUNDING, rtol=0
    )


def test_a_rollout_measures_the_end_effector_in_the_square():
    outcomes = play(drawn(), PathObserver(stride=1))
    np.testing.assert_array_equal(outcomes.length, here()[1])
    tips = there()["trajectory"][:, :, 20:]
    np.testing.assert_allclose(outcomes.observations["path"], tips, atol=ROUNDING)


def test_rules_are_the_references():
    # Straight arms leave the square or meet a wall on the way, curled ones meet themselves.
    rng = np.random.default_rng(3)
    postures = rng.uniform(-0.8, 0.8, (6000, 1)) + 0.4 * rng.standard_normal((6000, 20))
    postures[:, 0] = rng.uniform(-np.pi, np.pi, 6000)
    margins = wp.zeros(6000, dtype=wp.float32, device="cpu")
    at = wp.array(postures, dtype=redundant_arm.Angles, device="cpu")
    wp.launch(weigh, dim=6000, inputs=[RedundantArm().world("cpu"), at, margins], device="cpu")
    rules = reference.margins(reference.joints(postures))
    assert ((rules < 0).sum(axis=0) > 300).all()
    assert (rules >= 0).all(axis=1).sum() > 300
    inside = rules[:, 2] > 0.01  # outside, and in a wall's last 0.01, depths are told otherwise
    np.testing.assert_allclose(margins.numpy()[inside], rules[inside].min(axis=1), atol=ROUNDING)
    assert (margins.numpy()[rules[:, 2] < -ROUNDING] < 0).all()


def test_the_last_joint_may_not_turn_faster_than_one():
    speeds = np.array([0.0, 0.5, 0.9996, 0.9999, 1.1], np.float32)  # half the tip's move counts too
    stopped = wp.zeros(5, dtype=wp.int32, device="cpu")
    at = wp.array(speeds, dtype=wp.float32, device="cpu")
    wp.launch(spin, dim=5, inputs=[RedundantArm().world("cpu"), at, stopped], device="cpu")
    assert stopped.numpy().tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("paid", ["end", "stop"])
@pytest.mark.parametrize("stopped", [True, False])
def test_rewards_are_the_references_and_paid_when_the_parameter_says(paid, stopped):
    places = np.random.default_rng(5).uniform(0, 1, (20_000, 2))
    fitness = wp.zeros(len(places), dtype=wp.float32, device="cpu")
    area = wp.zeros(len(places), dtype=wp.int32, device="cpu")
    tips = wp.array((places - 0.5).astype(np.float32), dtype=wp.vec2, device="cpu")
    room = RedundantArm(paid).world("cpu")
    inputs = [room, tips, int(stopped), fitness, area]
    wp.launch(judge, dim=len(places), inputs=inputs, device="cpu")
    there_fitness, there_area = reference.reward(places)
    assert set(there_area) == {-1, 0, 1, 2}
    if paid == "stop" and not stopped:
        there_fitness, there_area = np.zeros(20_000), np.full(20_000, -1)
    np.testing.assert_allclose(fitness.numpy(), there_fitness, atol=1e-5)
    assert (area.numpy() == there_area).mean() > 0.999


def test_the_two_rewards_are_two_tasks_with_the_same_arm():
    either, stop = play(GOLDEN["genomes"]), play(GOLDEN["genomes"], reward="stop")
    assert RedundantArm("end") == RedundantArm() != RedundantArm("stop")
    np.testing.assert_array_equal(either.truth, stop.truth)


def test_the_scenery_has_the_references_walls():
    walls = RedundantArm().scenery().walls
    y, x = (np.argwhere(walls).T + 0.5) / len(walls)
    inside = [
        (x > left) & (x < left + width) & (y > low) & (y < low + height)
        for left, low, width, height in reference.WALLS
    ]
    assert np.any(inside, axis=0).all()
    assert walls.mean() == pytest.approx(4 * 0.02 * 0.2)


def test_the_ceiling_leaves_out_the_four_cells_around_the_base():
    assert RedundantArm().ceiling().coverage == 2496 / 2500


def bent_towards(targets, rng):
    """Postures that bring the end effector near targets (B, 2), joints within 1 rad of the start.

    Smooth random postures, mended by damped least squares with joints of random weight.
    """
    low, high = reference.START - 1, reference.START + 1
    n, along = len(targets), np.linspace(-0.5, 0.5, 20)
    bends = rng.uniform(-1, 1, (3, n, 1)) * [[[0.9]], [[1.0]], [[0.2]]]
    angles = reference.START + bends[0] + bends[1] * along + bends[2] * np.sin(2 * np.pi * along)
    weights = rng.uniform(0.2, 1, 20)
    for _ in range(40):
        points = reference.joints(np.clip(angles, low, high))
        levers = points[:, -1:] - points[:, :-1]
        jacobian = np.stack([-levers[..., 1], levers[..., 0]], axis=1)
        square = (jacobian * weights) @ jacobian.transpose(0, 2, 1) + 1e-5 * np.eye(2)
        pull = np.linalg.solve(square, (targets - points[:, -1])[..., None])
        angles = np.clip(angles, low, high) + weights * (jacobian.transpose(0, 2, 1) @ pull)[..., 0]
    return np.clip(angles, low, high)


@pytest.mark.slow
def test_every_cell_of_the_ceiling_holds_the_end_of_a_legal_posture_in_range():
    # 200 sub-steps of full acceleration turn a joint by 1.005 rad
    assert sum(range(1, 201)) * redundant_arm.KICK > 1
    found, rng = np.zeros((50, 50), bool), np.random.default_rng(0)
    found[24:26, 24:26] = True  # too near to the base
    for _ in range(20):
        missing = np.argwhere(~found)
        if not len(missing):
            return
        cells = missing[rng.integers(len(missing), size=4000)]
        points = reference.joints(bent_towards((cells + rng.random((4000, 2))) / 50, rng))
        legal = (reference.margins(points) >= 0).all(axis=1)
        found[tuple((points[legal, -1] * 50).astype(int).T)] = True
    raise AssertionError(f"no legal posture found for {(~found).sum()} cells")

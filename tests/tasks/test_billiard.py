"""Billiard against Box2D, before and after contacts; holes, sleep and the papers' facts."""

import functools

import numpy as np
import pytest
import warp as wp

from qdx.api import evaluate, n_genes
from qdx.encodings.direct import Direct
from qdx.policies.dmp import Dmp
from qdx.tasks import billiard
from qdx.tasks.billiard import Billiard

STARTED = 1e-6  # m: the ball has moved
PAPERS = Dmp(6, 2, horizon=300)


@pytest.fixture(scope="module")
def reference():
    """The scene in Box2D's own hands."""
    return pytest.importorskip("tests.reference.table_box2d", exc_type=ImportError)


@functools.cache
def genes():
    """Seeded random genomes as a campaign draws them."""
    return Direct(15, start=PAPERS.initial).initial(400, np.random.default_rng(5))


@functools.cache
def played():
    """Their outcomes, with the ball before each step and after the last."""
    return evaluate("billiard", genes(), observer={"kind": "path", "stride": 1})


@wp.kernel(enable_backward=False, module="unique")
def drive(
    world: billiard.Holes,
    actions: wp.array3d(dtype=wp.float32),
    sights: wp.array3d(dtype=wp.float32),
):
    """Known actions; what is observed before each step and after the last."""
    row = wp.tid()
    state = billiard.reset(world, 0)
    for t in range(actions.shape[1] + 1):
        sight = billiard.observe(world, state)
        for k in range(6):
            sights[row, t, k] = sight[k]
        if t < actions.shape[1] and state.done == 0:
            action = wp.vec2(actions[row, t, 0], actions[row, t, 1])
            state = billiard.step(world, state, action)


def driven(actions):
    n, steps, _ = actions.shape
    sights = wp.zeros((n, steps + 1, 6), dtype=wp.float32, device="cpu")
    on_device = wp.array(actions.astype(np.float32), dtype=wp.float32, device="cpu")
    wp.launch(drive, dim=n, inputs=[Billiard().world("cpu"), on_device, sights], device="cpu")
    return sights.numpy()


def test_the_facts_are_the_papers():
    facts = Billiard().facts
    assert (facts.horizon, facts.bins, facts.policy) == (300, (50, 50), "dmp")
    assert facts.bounds == ((-1.35, 1.35), (-1.35, 1.35))
    assert [(goal.centre, goal.radius) for goal in facts.goals] == [
        ((-1.5, 1.5), 0.4),
        ((1.5, 1.5), 0.4),
    ]
    assert n_genes("billiard") == 15


def test_before_contact_all_six_numbers_are_box2ds(reference):
    actions = np.stack([reference.polynomials(genome, 300) for genome in genes()[:100]])
    there = [reference.untouched(reference.BILLIARD, genome) for genome in actions]
    here = driven(actions)
    assert sum(map(len, there)) > 5000
    assert max(np.abs(h[: len(t)] - t).max() for h, t in zip(here, there, strict=True)) < 1e-4


def test_half_of_many_balls_that_are_hit_end_within_a_tenth_of_a_millimetre(reference):
    path = played().observations["path"]
    hit = np.abs(path - path[:, :1]).max(axis=(1, 2)) > STARTED
    rows = np.nonzero(hit)[0][:40]
    there = np.stack([reference.billiard(genome)[-1, :2] for genome in genes()[rows]])
    apart = np.linalg.norm(path[rows, -1] - there, axis=1)
    assert np.median(apart) < 1e-4
    assert (apart > 2.7 / 50).mean() <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("case", ["billiard", "billiard, controller"])
def test_after_contact_we_differ_from_box2d_no_more_than_its_twins_at_1e_5(case):
    twins = pytest.importorskip("tests.reference.table_twins", exc_type=ImportError)
    assert twins.is_met(twins.CASES[case], 1e-5)


def test_a_ball_falls_asleep_where_box2ds_does(reference):
    path = played().observations["path"]
    hit = np.abs(path - path[:, :1]).max(axis=(1, 2)) > STARTED
    rows = np.nonzero(hit)[0][:40]
    there = np.stack([reference.billiard(genome)[:, :2] for genome in genes()[rows]])
    here = path[rows]
    stands = [np.abs(np.diff(p[:, -6:], axis=1)).max(axis=(1, 2)) == 0 for p in (here, there)]
    assert 10 < stands[1].sum() < 30
    assert (stands[0] != stands[1]).sum() <= 1


def test_a_ball_in_a_hole_ends_the_episode_and_is_worth_a_hundred():
    outcomes = played()
    in_hole = outcomes.reward_area >= 0
    assert 2 <= in_hole.sum() < 40
    assert (outcomes.fitness == np.where(in_hole, 100, 0)).all()
    assert (outcomes.length[in_hole] < 300).all()
    assert (outcomes.length[~in_hole] == 300).all()
    holes = np.array(billiard.HOLES)[outcomes.reward_area[in_hole]]
    assert (np.linalg.norm(outcomes.truth[in_hole] - holes, axis=1) <= 0.4).all()
    path = outcomes.observations["path"]
    to_holes = np.linalg.norm(path[:, :, None] - np.array(billiard.HOLES), axis=3).min(axis=2)
    before_the_end = np.arange(301) < outcomes.length[:, None]
    assert (to_holes[before_the_end] > 0.4).all()


@wp.kernel(enable_backward=False, module="unique")
def judge(
    world: billiard.Holes,
    places: wp.array2d(dtype=wp.float32),
    fitness: wp.array(dtype=wp.float32),
    area: wp.array(dtype=wp.int32),
):
    """The reward of a ball at a place in the frame of the table."""
    row = wp.tid()
    state = billiard.reset(world, 0)
    state.table.ball.c = wp.vec2(places[row, 0] + 1.5, places[row, 1] + 1.5)
    reward = billiard.finish(world, state)
    fitness[row] = reward.fitness
    area[row] = reward.area


def test_the_upper_corners_are_holes_and_a_ball_off_the_table_is_in_none():
    places = np.float32([[-1.24, 1.24], [1.24, 1.24], [1.2, 1.2], [-1.24, -1.24], [1.45, 1.55]])
    fitness = wp.zeros(len(places), dtype=wp.float32, device="cpu")
    area = wp.zeros(len(places), dtype=wp.int32, device="cpu")
    at = wp.array(places, dtype=wp.float32, device="cpu")
    inputs = [Billiard().world("cpu"), at, fitness, area]
    wp.launch(judge, dim=len(places), inputs=inputs, device="cpu")
    assert fitness.numpy().tolist() == [100, 100, 0, 0, 0]
    assert area.numpy().tolist() == [0, 1, -1, -1, -1]


def test_the_ball_stays_on_the_table_whatever_the_policy():
    wild = np.clip(3 * np.random.default_rng(9).standard_normal((300, 15)), -5, 5)
    outcomes = evaluate("billiard", wild.astype(np.float32), observer={"kind": "path", "stride": 1})
    ball = outcomes.observations["path"]
    assert np.isfinite(ball).all()
    assert np.abs(ball).max() < 1.5

"""AntMaze: the compiled model has the numbers of its sources, and moves as plain MuJoCo does."""

import subprocess
import sys
import threading

import mujoco
import numpy as np
import pytest

from qdx.core.errors import ConfigError
from qdx.core.types import Genomes
from qdx.observers.sampling import Path
from qdx.policies.mlp import Mlp
from qdx.policies.mlp_numpy import NumpyMlp
from qdx.rollout.stepped import SteppedRollout
from qdx.tasks import mujoco_stepping
from qdx.tasks.ant_maze import (
    FAR,
    PIXEL,
    SLOW,
    AntMaze,
    AntWorlds,
    clearance_map,
    open_model,
    start_state,
)
from qdx.tasks.ant_maze_model import REACH
from qdx.tasks.mujoco_stepping import Simulation

POLICY = Mlp(29, 8, hidden=10, layers=3)
WALLS = {  # centre x, y: half size x, y
    (5, 40): (35, 0.3),
    (5, -30): (35, 0.3),
    (40, 5): (0.3, 35),
    (-30, 5): (0.3, 35),
    (-15, 20): (0.3, 17),
    (-3, -15): (13, 0.3),
    (10, -15): (0.3, 15),
}
LEGS = {1: (1, 1), 2: (-1, 1), 3: (-1, -1), 4: (1, -1)}


@pytest.fixture(scope="module")
def model():
    return open_model()


@pytest.fixture
def data(model):
    made = mujoco.MjData(model)
    mujoco.mj_forward(model, made)
    return made


def genomes(n, scale=1.0):
    rng = np.random.default_rng(1)
    genes = np.clip(scale * rng.standard_normal((n, 574)), -5, 5).astype(np.float32)
    zeros = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)


def geoms(model, kind):
    return np.flatnonzero(model.geom_type == kind)


def test_the_bodies_weigh_25755_kg(model):
    assert model.body_mass.sum() == pytest.approx(25755, abs=1e-6)


def test_the_ant_weighs_what_its_share_of_the_volume_is(model):
    ball, capsule = lambda r: 4 / 3 * np.pi * r**3, lambda r, h: np.pi * r**2 * h
    limbs = [0.2, 0.2, 0.4] * 4
    ant = ball(0.25) * (1 + 0.01 / 5)
    ant += sum(ball(0.08) + capsule(0.08, side * np.sqrt(2)) for side in limbs)
    torso = model.body("torso").id
    assert model.body_subtreemass[torso] == pytest.approx(25755 * ant / (ant + ball(3.0)))
    assert model.body_subtreemass[torso] == pytest.approx(41.449, abs=1e-3)


def test_time_goes_in_runge_kutta_steps_of_5_ms(model):
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
    assert model.opt.timestep == 0.005


def test_walls_stand_where_they_should(model):
    boxes = geoms(model, mujoco.mjtGeom.mjGEOM_BOX)
    found = {
        tuple(model.geom_pos[i, :2].tolist()): tuple(model.geom_size[i, :2].tolist()) for i in boxes
    }
    assert found == WALLS
    (floor,) = geoms(model, mujoco.mjtGeom.mjGEOM_PLANE)
    assert model.geom_pos[floor].tolist() == [5, 5, 0]


def test_legs_are_capsules_along_the_diagonals(model, data):
    capsules = geoms(model, mujoco.mjtGeom.mjGEOM_CAPSULE)
    found = {
        tuple(np.round(data.geom_xpos[i] - data.body("torso").xpos, 9).tolist()): model.geom_size[i]
        for i in capsules
    }
    expected = {
        (round(along * x, 9), round(along * y, 9), 0.0): extent * np.sqrt(2) / 2
        for x, y in LEGS.values()
        for along, extent in ((0.1, 0.2), (0.3, 0.2), (0.6, 0.4))
    }
    assert found.keys() == expected.keys()
    for centre, (radius, half, _) in found.items():
        assert radius == 0.08
        assert half == pytest.approx(expected[centre])
    balls = geoms(model, mujoco.mjtGeom.mjGEOM_SPHERE)
    assert model.geom_size[balls, 0].tolist() == [3, 0.25, 0.25]


def test_joints_have_their_ranges_armature_and_damping(model):
    for leg in LEGS:
        hip, ankle = model.joint(f"hip_{leg}"), model.joint(f"ankle_{leg}")
        np.testing.assert_allclose(np.rad2deg(hip.range), [-30, 30])
        np.testing.assert_allclose(
            np.rad2deg(ankle.range), [30, 70] if leg in (1, 4) else [-70, -30]
        )
        assert hip.limited[0] == ankle.limited[0] == 1
    assert model.dof_armature.tolist() == [0] * 6 + [1] * 8
    assert model.dof_damping.tolist() == [0] * 6 + [1] * 8


def test_ankles_bend_legs_to_the_floor(model, data):
    """Within its range an ankle puts the foot below the torso, not above."""
    for leg in LEGS:
        data.joint(f"ankle_{leg}").qpos[0] = model.joint(f"ankle_{leg}").range.mean()
    mujoco.mj_forward(model, data)
    for leg in LEGS:
        shin = data.body(f"shin_{leg}")
        assert data.geom_xpos[model.body(f"shin_{leg}").geomadr[0]][2] < shin.xpos[2]


def test_friction_is_that_of_the_source(model):
    np.testing.assert_array_equal(model.geom_friction, np.tile([1, 0.5, 0.5], (model.ngeom, 1)))


def test_motors_come_in_the_order_of_the_actions(model):
    joints = [model.joint(int(model.actuator_trnid[i, 0])).name for i in range(model.nu)]
    assert joints == [f"{j}_{leg}" for leg in (4, 1, 2, 3) for j in ("hip", "ankle")]
    assert (model.actuator_gear[:, 0] == 150).all()
    assert (model.actuator_ctrlrange == [-1, 1]).all()
    assert model.actuator_ctrllimited.all()
    assert [name.replace(" ", "_") for name in AntMaze().facts.action] == joints


def test_parts_of_the_ant_touch_floor_and_walls_but_not_each_other(model):
    ant = np.flatnonzero(model.geom_bodyid >= model.body("torso").id)
    world = np.flatnonzero(model.geom_bodyid == 0)
    meets = (model.geom_contype[:, None] & model.geom_conaffinity) != 0
    meets |= meets.T
    assert not meets[np.ix_(ant, ant)].any()
    assert meets[np.ix_(ant, world)].all()


def test_an_episode_starts_near_the_reference_position(model):
    assert model.qpos0[:3].tolist() == [-25, -25, 0.6]
    starts = np.array([start_state(seed) for seed in range(200)])
    away = starts[:, 1:16] - model.qpos0
    assert 0.09 < np.abs(away[:, [0, 1, 2, *range(7, 15)]]).max() <= 0.1
    np.testing.assert_allclose(np.linalg.norm(starts[:, 4:8], axis=1), 1)
    assert starts[:, 16:].std() == pytest.approx(0.1, rel=0.05)
    assert (starts[:, 0] == 0).all()
    np.testing.assert_array_equal(start_state(3), starts[3])


def test_the_policy_sees_29_numbers():
    worlds = AntWorlds(2)
    worlds.reset(np.array([0, 1]))
    sight, state = worlds.observe(np.array([1])), start_state(1)
    np.testing.assert_allclose(sight[0, :2], (state[1:3] - 5) / 70, rtol=1e-6)
    np.testing.assert_array_equal(sight[0, 2:], state[3:].astype(np.float32))
    assert sight.shape == (1, 29)
    worlds.close()


def plain(model, genes, seed, n_steps):
    """One episode in a plain loop over `mj_step`: the states after each action."""
    data, policy = mujoco.MjData(model), NumpyMlp(POLICY, genes[None])
    start, states = start_state(seed), []
    data.qpos[:], data.qvel[:] = start[1:16], start[16:]
    for _ in range(n_steps):
        sight = np.concatenate([(data.qpos[:2] - 5) / 70, data.qpos[2:], data.qvel])
        data.ctrl[:] = policy(sight[None].astype(np.float32))[0]
        for _ in range(5):
            mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(states)


def test_a_rollout_has_the_bits_of_plain_mujoco(model):
    batch, n_steps = genomes(3), 60
    rollout = SteppedRollout(AntMaze(horizon=n_steps), POLICY, Path(stride=1), seed=5)
    path = rollout(batch).observations["path"]
    for row in range(3):
        states = plain(model, batch.genes[row], 5, n_steps)
        np.testing.assert_array_equal(path[row, 1:], ((states[:, :2] - 5) / 70).astype(np.float32))


def test_every_number_of_a_state_has_the_bits_of_plain_mujoco(model):
    batch, rows = genomes(2), np.arange(2)
    worlds, policies = AntWorlds(2), NumpyMlp(POLICY, batch.genes)
    worlds.reset(np.array([8, 9]))
    for _ in range(40):
        assert not worlds.step(rows, policies(worlds.observe(rows))).any()
    for row, seed in enumerate((8, 9)):
        states = plain(model, batch.genes[row], seed, 40)
        np.testing.assert_array_equal(worlds._simulation.state[row, 1:], states[-1])
    worlds.close()


def thrown(worlds):
    """Ants on their way to the wall in x = -15, near enough to hit it within a second."""
    worlds.reset(np.arange(3))
    state = worlds._simulation.state
    state[:, 1], state[:, 2], state[:, 16] = (-19.5, -19.0, -18.2), (20, 10, 37.5), (6.0, 9.0, 4.0)


def test_ants_that_come_to_a_wall_have_the_bits_of_a_model_that_always_looks_for_it():
    """Far from walls no contact with them is looked for; nobody can tell when that begins."""
    worlds, always, never = AntWorlds(3), AntWorlds(3), AntWorlds(3)
    always._near_walls = lambda rows: np.ones(len(rows), bool)
    never._near_walls = lambda rows: np.zeros(len(rows), bool)
    looked, rows, actions = [], np.arange(3), np.random.default_rng(0)
    for some in (worlds, always, never):
        thrown(some)
    for _ in range(60):
        drawn = actions.uniform(-1, 1, (3, 8)).astype(np.float32)
        looked.append(worlds._near_walls(rows))
        worlds.step(rows, drawn)
        always.step(rows, drawn)
        never.step(rows, drawn)
        np.testing.assert_array_equal(worlds._simulation.state, always._simulation.state)
    assert not np.all(looked[0])
    assert np.all(looked[-1])
    assert worlds._simulation.state[:, 1].max() < -15.3
    assert never._simulation.state[:, 1].max() > -14.7


def test_far_from_walls_is_further_than_an_ant_reaches(model, data):
    """No part of the ant, in any posture, is further from its centre than a leg is long."""
    parts = np.flatnonzero(model.geom_bodyid >= model.body("torso").id)
    rng, furthest = np.random.default_rng(0), 0.0
    for _ in range(50):
        data.qpos[7:] = rng.uniform(-1.5, 1.5, 8)
        data.qpos[3:7] = rng.standard_normal(4)
        mujoco.mj_kinematics(model, data)
        away = np.linalg.norm(data.geom_xpos[parts] - data.body("torso").xpos, axis=1)
        furthest = max(furthest, float((away + model.geom_rbound[parts]).max()))
    assert furthest < REACH + 1e-6 < FAR - SLOW * 0.025


def finish_at(*points):
    worlds = AntWorlds(len(points))
    worlds.reset(np.zeros(len(points), int))
    worlds._simulation.state[:, 1:3] = points
    ended = worlds.finish()
    worlds.close()
    return ended


def test_the_reward_falls_from_1_at_a_goal_to_0_three_metres_away():
    fitness, area, reason = finish_at(
        (35, -25), (35, -22), (33.5, -25), (-25, 35), (-25, 31.99), (-25, -25), (-24, 33)
    )
    near = 1 - np.sqrt(5) / 3
    np.testing.assert_allclose(fitness, [1, 0, 0.5, 1, 0, 0, near], atol=1e-6)
    assert area.tolist() == [0, 0, 0, 1, -1, -1, 1]
    assert set(reason) == {""}


def test_goals_are_where_the_facts_say():
    goals = AntMaze().facts.goals
    np.testing.assert_allclose(
        [g.centre for g in goals], (np.array([(35, -25), (-25, 35)]) - 5) / 70
    )
    assert {g.radius for g in goals} == {3 / 70}


@pytest.mark.parametrize("horizon", [3000, 1000, 7])
def test_the_horizon_is_a_parameter(horizon):
    assert AntMaze(horizon).facts.horizon == horizon
    assert AntMaze().facts.horizon == 3000


def test_clearance_is_mujocos_distance_to_the_walls(model, data):
    """The raster against the engine's own distances, for the torso's sphere at half height."""
    boxes, torso = geoms(model, mujoco.mjtGeom.mjGEOM_BOX), model.body("torso").geomadr[0]
    rows = np.random.default_rng(0).integers(0, 700, (60, 2))
    raster = clearance_map()
    for row, column in rows:
        data.qpos[:3] = *(-30 + PIXEL * (np.array([column, row]) + 0.5)), 1.0
        mujoco.mj_kinematics(model, data)
        nearest = min(mujoco.mj_geomDistance(model, data, torso, i, 99.0, None) for i in boxes)
        if raster[row, column] > 0:
            assert nearest + 0.25 == pytest.approx(raster[row, column], abs=1e-6)
        else:
            assert nearest < -0.25 + 1e-6


def test_every_cell_of_the_grid_can_be_reached():
    """No wall is as wide as a cell, with the torso on both sides of it; and no room is closed."""
    assert AntMaze().ceiling().coverage == 1.0
    assert 0.3 * 2 + 2 * 0.25 < 1.4


def test_pictures_have_the_walls():
    walls, start, y_down, *_ = AntMaze().scenery()
    assert walls.shape == (700, 700)
    inside = [(-15, 20), (-3, -15), (10, -29), (-30 + 0.1, 5), (5, 39.9)]
    outside = [(-15, 0), (-3, -14), (10, 1), (-25, -25), (35, -25), (-25, 35), (-14, 20)]
    at = [((np.array(p) + 30) / PIXEL).astype(int)[::-1] for p in inside + outside]
    assert [bool(walls[tuple(i)]) for i in at] == [True] * len(inside) + [False] * len(outside)
    np.testing.assert_allclose(start, (-30 / 70, -30 / 70))
    assert not y_down


def test_walls_are_solid(model):
    """An ant thrown at the wall in x = -15 stays on its side."""
    simulation = Simulation(mujoco, model, 1)
    simulation.state[0, 1:4], simulation.state[0, 16] = (-16.5, 20, 0.6), 6.0
    xs = []
    for _ in range(60):
        simulation.step(np.array([0]), np.zeros((1, 8)), 5)
        xs.append(simulation.state[0, 1])
    assert -16.0 < max(xs) < -15.3 - 0.25  # its head touches first
    simulation.close()


def test_a_simulation_that_diverges_fails_alone_and_quietly(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    both, calm, rows = AntWorlds(3), AntWorlds(3), np.arange(3)
    actions = np.ones((3, 8), np.float32)
    for worlds in (both, calm):
        worlds.reset(np.arange(3))
    both._simulation.state[1, 20] = 1e12
    assert both.step(rows, actions).tolist() == [False, True, False]
    calm.step(rows, actions)
    np.testing.assert_array_equal(both.measure()[[0, 2]], calm.measure()[[0, 2]])
    assert both.finish().reason.tolist() == ["", "the simulation diverged", ""]
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e11])
def test_a_state_that_is_no_number_diverges(model, bad):
    simulation = Simulation(mujoco, model, 2)
    simulation.state[0, 3] = bad
    assert simulation.step(np.arange(2), np.zeros((2, 8)), 5).tolist() == [True, False]
    simulation.close()


def test_the_interpreter_is_free_while_worlds_are_stepped(model):
    """Another thread counts on; under the interpreter's lock it would stand still."""
    simulation, counts = Simulation(mujoco, model, 24), []
    done = threading.Event()

    def step():
        simulation.step(np.arange(24), np.zeros((24, 8)), 40)
        done.set()

    thread = threading.Thread(target=step)
    thread.start()
    while not done.is_set():
        counts.append(len(counts))
    thread.join()
    simulation.close()
    assert len(counts) > 1000


def test_without_mujoco_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    mujoco_stepping.open_mujoco.cache_clear()
    with pytest.raises(ConfigError, match=r"ant_maze needs mujoco.*pip install 'qdx\[mujoco\]'"):
        AntMaze().open(0)


@pytest.mark.slow
def test_without_mujoco_a_run_ends_with_exit_code_2(tmp_path):
    code = (
        "import sys; sys.modules['mujoco'] = None; from qdx.cli.app import call;"
        "sys.exit(call(['run', 'c.yaml', '--out', 'run', f'task={sys.argv[1]}']))"
    )
    (tmp_path / "c.yaml").write_text("budget: 5\nsearcher: random_search\n")
    for task in ("ant_maze", "gymnasium:Hopper-v5"):
        done = subprocess.run(
            [sys.executable, "-c", code, task],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "pip install 'qdx[mujoco]'" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "run").exists()

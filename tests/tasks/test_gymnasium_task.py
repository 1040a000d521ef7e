"""Gymnasium tasks: what a plain loop over the environment gives; what does not fit is said."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

import qdx
from qdx.assembly.parts import build_policy, build_rollout, build_task
from qdx.core.types import take
from qdx.observers.sampling import Path
from qdx.policies.mlp_numpy import NumpyMlp
from qdx.rollout.episodes import episode_seeds
from qdx.tasks.gymnasium_view import view_of
from tests.conformance.making import equal
from tests.tasks.scripted import HOPPER, Scripted, config, evaluated


def loop(id_, policy, genes, seed, horizon, **kwargs):
    """One episode as anyone would write it."""
    environment = gymnasium.make(id_, max_episode_steps=horizon, **kwargs)
    observation, info = environment.reset(seed=seed)
    act, total, length = NumpyMlp(policy, genes[None]), 0.0, 0
    space, ended = environment.action_space, False
    while not ended:
        output = act(np.ravel(observation)[None].astype(np.float32))[0]
        if isinstance(space, spaces.Discrete):
            action = space.start + output.argmax()
        else:
            action = space.low + (output + 1) / 2 * (space.high - space.low)
        observation, reward, terminated, truncated, info = environment.step(action)
        total, length = total + reward, length + 1
        ended = terminated or truncated
    environment.close()
    return total, length, observation, info


@pytest.mark.parametrize(
    ("section", "measured"),
    [
        ({"kind": "gymnasium:CartPole-v1", "horizon": 80}, lambda o, info: o[[0, 2]]),
        ({"kind": "gymnasium:CartPole-v1", "descriptor": [2]}, lambda o, info: o[[2]]),
        ({"kind": "gymnasium:MountainCarContinuous-v0", "horizon": 40}, lambda o, info: o),
        ({"kind": "gymnasium:Pendulum-v1", "horizon": 30}, lambda o, info: o[:2]),
        (HOPPER, lambda o, info: [info["x_position"], info["z_distance_from_origin"]]),
    ],
    ids=lambda value: value["kind"].partition(":")[2] if isinstance(value, dict) else "",
)
def test_an_episode_is_what_a_plain_loop_gives(section, measured):
    whole, batch, outcomes = evaluated(section, n=4, seed=11)
    facts = build_task(whole).facts
    for row in range(4):
        total, length, observation, info = loop(
            section["kind"].partition(":")[2],
            build_policy(whole),
            batch.genes[row],
            11,
            facts.horizon,
        )
        assert outcomes.length[row] == length
        np.testing.assert_allclose(outcomes.fitness[row], total, rtol=1e-5)
        np.testing.assert_allclose(outcomes.truth[row], measured(observation, info), atol=1e-5)


def test_kwargs_reach_the_environment():
    tame, wild = ({**HOPPER, "kwargs": {"reset_noise_scale": s}} for s in (0.0, 0.1))
    starts = [evaluated(s, n=1)[2].observations["path"][0, 0] for s in (tame, wild)]
    assert starts[0].tolist() == [0.0, 0.0]
    assert np.abs(starts[1]).max() > 1e-3


def test_an_id_alone_measures_the_first_two_numbers_that_have_bounds():
    facts = build_task(config("gymnasium:CartPole-v1")).facts
    assert facts.measures == ("observation 0", "observation 2")
    np.testing.assert_allclose(facts.bounds, [(-4.8, 4.8), (-0.4189, 0.4189)], atol=1e-3)
    assert (facts.horizon, facts.goals, facts.episode_seed) == (500, (), "same")
    given = {"kind": "gymnasium:CartPole-v1", "bounds": [[-2.4, 2.4], [-3, 3]], "bins": 20}
    facts = build_task(config(given)).facts
    assert facts.measures == ("observation 0", "observation 1")
    assert (facts.bounds, facts.bins) == (((-2.4, 2.4), (-3, 3)), (20, 20))


def test_a_discrete_observation_is_one_measure_and_a_number_per_value():
    facts = build_task(config("gymnasium:FrozenLake-v1")).facts
    assert (facts.measures, facts.bounds) == (("observation 0",), ((-0.5, 15.5),))
    assert len(facts.observation) == 16


@pytest.mark.parametrize(
    ("kwargs", "length"), [({"ends": 3}, 3), ({"cuts": 4}, 4), ({"ends": 5, "cuts": 2}, 2), ({}, 7)]
)
def test_terminated_truncated_and_the_horizon_end_an_episode(scripted, kwargs, length):
    _, _, outcomes = evaluated({"kind": scripted(**kwargs), "horizon": 7})
    assert (outcomes.length == length).all()
    assert (outcomes.fitness == 0.5 * length).all()
    assert (outcomes.truth[:, 0] == length).all()


@pytest.mark.parametrize(("horizon", "length"), [(None, 5), (3, 3), (9, 9)])
def test_the_time_limit_is_only_the_default_of_the_horizon(scripted, horizon, length):
    section = {"kind": scripted(limit=5)} | ({"horizon": horizon} if horizon else {})
    assert (evaluated(section)[2].length == length).all()


def test_an_environment_that_raises_fails_its_row_alone(scripted):
    section = {"kind": scripted(broken="positive"), "horizon": 6}
    _, batch, outcomes = evaluated(section, n=20)
    assert 0 < outcomes.failed.sum() < 20
    assert set(outcomes.reason[outcomes.failed]) == {"ValueError: a joint has come off"}
    assert np.isnan(outcomes.fitness[outcomes.failed]).all()
    assert (outcomes.length == np.where(outcomes.failed, 3, 6)).all()
    whole = config({**section, "kind": section["kind"]})
    sound = np.flatnonzero(~outcomes.failed)
    again = build_rollout(whole, Path(stride=1))(take(batch, sound))
    assert equal(again, take(outcomes, sound))


def test_an_observation_of_the_wrong_size_fails_its_row(scripted):
    class Shrinking(Scripted):
        def _seen(self, action):
            return super()._seen(action)[: 2 if self._t < 2 else 1]

    kind = scripted(limit=4)
    gymnasium.registry["Scripted-v0"].entry_point = Shrinking
    outcomes = evaluated(kind)[2]
    assert outcomes.failed.all()
    assert set(outcomes.reason) == {"ValueError: observed 1 numbers, not 2"}


def test_rewards_that_are_no_number_fail_a_row(scripted):
    class Sour(Scripted):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, float("nan"), *rest

    kind = scripted(limit=4)
    gymnasium.registry["Scripted-v0"].entry_point = Sour
    outcomes = evaluated(kind)[2]
    assert outcomes.failed.all()
    assert set(outcomes.reason) == {"the episode ended in numbers that are not finite"}


def test_goals_count_where_episodes_end():
    goals = [
        {"name": "centre", "centre": [0, 0], "radius": 0.25},
        {"name": "all", "centre": [0, 0], "radius": 9},
    ]
    section = {"kind": "gymnasium:CartPole-v1", "goals": goals, "horizon": 80}
    _, _, outcomes = evaluated(section, n=30)
    near = np.linalg.norm(outcomes.truth, axis=1) <= 0.25
    assert 0 < near.sum() < 30
    assert outcomes.reward_area.tolist() == np.where(near, 0, 1).tolist()
    plain = evaluated({"kind": "gymnasium:CartPole-v1", "horizon": 80}, n=30)[2]
    assert equal(outcomes.fitness, plain.fitness)
    assert (plain.reward_area == -1).all()


def test_with_one_seed_all_begin_alike_and_with_one_each_none_do():
    same = evaluated({"kind": "gymnasium:CartPole-v1", "horizon": 5})[2].observations["path"][:, 0]
    assert len(np.unique(same, axis=0)) == 1
    section = {"kind": "gymnasium:CartPole-v1", "horizon": 5, "episode_seed": "per_genome"}
    whole, batch, outcomes = evaluated(section, seed=3)
    starts = outcomes.observations["path"][:, 0]
    assert len(np.unique(starts, axis=0)) == 6
    seeds = episode_seeds(build_task(whole).facts, 3, batch)
    for start, seed in zip(starts, seeds.tolist(), strict=True):
        observation, _ = gymnasium.make("CartPole-v1").reset(seed=seed)
        np.testing.assert_array_equal(start, observation[[0, 2]])


def acting(space):
    class Spaces:
        action_space, observation_space = space, spaces.Box(0, 1, (1,))

    return view_of(Spaces)


def test_outputs_are_scaled_to_the_bounds_of_a_box():
    low, high = np.array([[-2, 0], [5, -1]], np.float32), np.array([[2, 1], [6, 0]], np.float32)
    view = acting(spaces.Box(low, high))
    assert view.n_acts == 4
    np.testing.assert_array_equal(view.action(-np.ones(4, np.float32)), low)
    np.testing.assert_array_equal(view.action(np.ones(4, np.float32)), high)
    np.testing.assert_allclose(view.action(np.zeros(4, np.float32)), [[0, 0.5], [5.5, -0.5]])
    assert view.action(np.zeros(4, np.float32)).dtype == np.float32


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=2))
def test_actions_are_always_inside_their_space(outputs):
    low, high = np.array([[-0.1, 1e-3], [0.3, 7e5]], np.float32)
    space = spaces.Box(low, high)
    assert space.contains(acting(space).action(np.array(outputs, np.float32)))


def test_the_largest_output_names_a_discrete_action():
    view = acting(spaces.Discrete(3, start=-1))
    assert view.n_acts == 3
    chosen = [view.action(np.array(out)) for out in ([0.1, 0.9, 0.2], [0.5, 0.5, 0.1], [0, 0, 1])]
    assert chosen == [0, -1, 1]


@pytest.mark.parametrize(
    "section",
    [
        {"kind": "gymnasium:CartPole-v1", "horizon": 40, "episode_seed": "per_genome"},
        {**HOPPER, "horizon": 20},
    ],
    ids=["per genome", "same"],
)
def test_a_stored_individual_plays_again_to_the_same_bits(section, tmp_path):
    searcher = {"kind": "novelty_search", "population": 20}
    raw = {"budget": 60, "searcher": searcher, "task": section, "seed": 2}
    run = qdx.run(raw, tmp_path / "run")
    replays = [run.replay(int(id_)) for id_ in run.elites["id"][:3]]
    assert {r.match for r in replays} == {"same bits"}
    assert len(replays[0].path) == replays[0].outcome.length[0] + 1
    versions = run.summary["versions"]
    assert versions["gymnasium"] == gymnasium.__version__
    assert "mujoco" in versions


def test_a_run_is_named_after_its_task_and_searcher():
    name = config("gymnasium:CartPole-v1").campaign.name
    assert name == "gymnasium_CartPole-v1-random_search"

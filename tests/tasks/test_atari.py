"""Atari: an episode follows from its seed, protocols differ as they say, traps are avoided."""

import sys

import numpy as np
import pytest
import torch

from qdx.assembly.config import load
from qdx.assembly.parts import build
from qdx.core.errors import ConfigError
from qdx.core.types import Genomes
from qdx.observers.sampling import Final
from qdx.policies.network import DqnParameters, dqn_small
from qdx.rollout.networks import NetworkRollout
from qdx.tasks.atari import ACTIONS, Atari, AtariSlots, minimal_actions

ONE = np.zeros(1, np.int64)


def wish(n, actions):
    """Outputs whose largest names the action."""
    out = torch.zeros(len(actions), n)
    out[torch.arange(len(actions)), torch.as_tensor(actions)] = 1
    return out


def play(slots, slot, seed, actions, n):
    """Frames and score of one slot; the others are asked for nothing."""
    at, frames = np.array([slot]), []
    slots.begin(at, np.array([seed]))
    for action in actions:
        frames.append(np.array(slots.observe(at)[slot]))
        over = slots.step(at, wish(n, np.full(slots._n, action)))
        if over[0]:
            break
    return np.stack(frames), float(slots.finish(at).fitness[0])


@pytest.mark.parametrize("protocol", ["paper", "modern"])
def test_an_episode_follows_from_its_seed_whatever_was_played_before(protocol):
    task = Atari("frostbite", protocol=protocol)
    actions = np.random.default_rng(0).integers(0, 18, 70)
    alone, three = AtariSlots(task, 1), AtariSlots(task, 3)
    first, score = play(alone, 0, 5, actions, 18)
    play(alone, 0, 6, actions[::-1], 18)
    again, _ = play(alone, 0, 5, actions, 18)
    play(three, 0, 8, actions[:9], 18)
    there, score_there = play(three, 2, 5, actions, 18)
    other, _ = play(three, 2, 6, actions, 18)
    for slots in (alone, three):
        slots.close()
    assert np.array_equal(first, again)
    assert np.array_equal(first, there)
    assert score == score_there
    assert not np.array_equal(first, other)


def test_an_episode_after_one_that_ended_is_a_fresh_one():
    task = Atari("pong")
    slots, actions = AtariSlots(task, 2), np.zeros(1500, int)
    fresh, _ = play(slots, 1, 4, actions[:20], 6)
    frames, score = play(slots, 1, 3, actions, 6)
    assert len(frames) < 1500  # it ended
    assert score == -21  # unclipped and summed: nobody moved
    again, _ = play(slots, 1, 4, actions[:20], 6)
    slots.close()
    assert np.array_equal(fresh, again)


def test_frames_before_the_start_are_black_and_the_last_four_are_kept():
    slots = AtariSlots(Atari("frostbite"), 1)
    frames, _ = play(slots, 0, 0, [0, 0, 0, 0, 0], 18)
    slots.close()
    assert frames.shape == (5, 4, 84, 84)
    assert frames.dtype == np.uint8
    assert frames[0, 3].any()
    assert np.array_equal(frames[4, 0], frames[1, 3])


def test_sticky_actions_are_off_in_the_paper_s_protocol_and_on_in_the_modern_one():
    actions = np.random.default_rng(1).integers(0, 18, 100)
    seen = {}
    for protocol in ("paper", "modern"):
        slots = AtariSlots(Atari("frostbite", protocol=protocol), 1)
        seen[protocol], _ = play(slots, 0, 5, actions, 18)
        slots.close()
    assert np.array_equal(seen["paper"][0], seen["modern"][0])
    assert not np.array_equal(seen["paper"], seen["modern"])


@pytest.mark.parametrize("game", ACTIONS)
def test_the_listed_numbers_of_actions_are_ale_pys(game):
    assert len(minimal_actions(game)) == ACTIONS[game]


def test_networks_play_to_different_scores():
    task = Atari("frostbite", cap=250)
    shape = dqn_small(DqnParameters(padding="valid", slots=4), task.facts)
    genes = shape.initial(np.random.default_rng(0).standard_normal((4, shape.n_genes), "f4"))
    z = np.zeros(4, np.int32)
    batch = Genomes(np.arange(4), genes, np.full(4, -1), z, z)
    got = NetworkRollout(task, shape, Final())(batch)
    assert (got.fitness == got.truth[:, 0]).all()
    assert len(np.unique(got.fitness)) > 1


def config(**task):
    return load(
        {
            "task": {"kind": "atari", **task},
            "policy": {"kind": "dqn_small", "slots": 2},
            "searcher": {"kind": "deep_ga", "population": 4},
            "encoding": {"noise": "philox"},
            "budget": 8,
        }
    )


def test_networks_have_an_output_for_each_action():
    assert build(config(game="skiing")).policy.n_out == 3
    assert build(config(game="ms_pacman")).policy.n_out == 9


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"game": "frostbyte"}, r"task\.game: expected one of ale-py's \d+ games"),
        ({"scores": [3, 1]}, r"task\.scores: expected the lowest"),
    ],
)
def test_what_does_not_exist_is_one_line(task, expected):
    with pytest.raises(ConfigError, match=expected):
        build(config(**task))


def test_a_policy_without_eyes_is_refused():
    raw = {"task": "atari", "policy": "mlp", "searcher": "random_search", "budget": 1}
    with pytest.raises(ConfigError, match=r"policy\.kind: expected a network"):
        build(load(raw))


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(ConfigError, match=r"pip install 'qdx\[atari\]'"):
        build(config())

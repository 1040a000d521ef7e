"""Frames of Gymnasium environments: what `render` gave at the papers' moments, averaged down."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from qdx.assembly.config import load
from qdx.assembly.parts import build_policy, build_rollout
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import ConfigError
from qdx.core.types import Genomes
from qdx.tasks.gymnasium_view import reduced


class Lamp(gymnasium.Env):
    """A slider in [0, 1], shown as a bright column; the episode ends when it is pushed over."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, *, render_mode=None, breaks=False, shape="rgb", lacks=""):
        self.render_mode, self._breaks = render_mode, breaks
        self._shape, self._lacks = shape, lacks

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._x, self._t = np.float32(0.5), 0
        return np.array([self._x]), {}

    def step(self, action):
        self._x, self._t = np.float32(self._x + 0.1 * action[0]), self._t + 1
        over = not 0 <= self._x <= 1
        self._x = np.clip(self._x, 0, 1)
        return np.array([self._x]), float(self._x > 0.9), bool(over), False, {}

    def render(self):
        if self.render_mode != "rgb_array":
            raise RuntimeError("made without a render mode")
        if self._lacks:
            raise gymnasium.error.DependencyNotInstalled(f"{self._lacks} is not installed")
        if self._breaks and self._t > 3:
            raise RuntimeError("the lamp is broken")
        picture = np.zeros((40, 60, 3), np.uint8)
        picture[:, int(self._x * 59)] = 255
        picture[:, :, 2] = 10 * self._t
        return picture if self._shape == "rgb" else picture[:, :, 0]


@pytest.fixture
def lamp():
    gymnasium.register("Lamp-v0", Lamp, max_episode_steps=10)
    yield {"kind": "gymnasium:Lamp-v0", "bins": 10}
    gymnasium.registry.pop("Lamp-v0")


def evaluated(task, samples=3, n=5):
    """Genomes of the task, and their outcomes observed through frames of 16 pixels."""
    observer = {"kind": "frames", "size": 16, "samples": samples}
    whole = load({"budget": 1, "searcher": "random_search", "task": task, "observer": observer})
    policy, rng = build_policy(whole), np.random.default_rng(0)
    genes = rng.standard_normal((n, policy.n_genes)).astype(np.float32)
    zeros = np.zeros(n, np.int32)
    batch = Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)
    return build_rollout(whole, whole.observer.parameters)(batch)


def test_frames_are_those_after_the_papers_steps_and_the_last_one_repeats(lamp):
    outcomes = evaluated(lamp)
    frames = outcomes.observations["frames"]
    assert (frames.shape, frames.dtype) == ((5, 3, 16, 16, 3), np.uint8)
    assert len(set(outcomes.length.tolist())) > 1  # some ended early
    for row, length in enumerate(outcomes.length.tolist()):
        shown = [int(frame[0, 0, 2]) // 10 for frame in frames[row]]
        assert shown == [min(step, length) for step in (4, 7, 10)]
        column = int(outcomes.truth[row, 0] * 59)
        assert frames[row, -1, :, :, 0].sum(axis=0).argmax() == int((column + 0.5) * 16 / 60)


def test_reducing_averages_the_pixels_under_each_new_one():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (32, 48, 3), np.uint8)
    means = pixels.reshape(16, 2, 16, 3, 3).mean(axis=(1, 3))
    assert np.abs(reduced(pixels, 16) - means).max() <= 1  # columns and rows are rounded each


def test_an_environment_that_cannot_render_on_fails_its_rows_alone(lamp):
    outcomes = evaluated({**lamp, "kwargs": {"breaks": True}})
    over_before = outcomes.length <= 3
    assert outcomes.failed.tolist() == (~over_before).tolist()
    assert all("the lamp is broken" in reason for reason in outcomes.reason[outcomes.failed])


@pytest.mark.parametrize(
    ("kwargs", "why"),
    [
        ({"shape": "grey"}, r"expected frames of \(height, width, 3\) bytes, got \(40, 60\)"),
        ({"lacks": "pygame"}, r"DependencyNotInstalled: pygame is not installed"),
    ],
    ids=["no pictures", "no package"],
)
def test_what_cannot_be_drawn_is_found_before_anything_runs(lamp, kwargs, why):
    with pytest.raises(ConfigError, match=rf"gymnasium:Lamp-v0 cannot draw .*{why}"):
        evaluated({**lamp, "kwargs": kwargs})


def test_an_environment_that_does_not_render_is_refused_before_anything_runs():
    class Blind(Lamp):
        metadata = {"render_modes": []}

    gymnasium.register("Blind-v0", Blind, max_episode_steps=10)
    try:
        with pytest.raises(ConfigError, match=r"observer\.kind: expected a task that draws frames"):
            evaluated({"kind": "gymnasium:Blind-v0"})
    finally:
        gymnasium.registry.pop("Blind-v0")


@pytest.mark.parametrize("mode", ["rgb_array_list", None])
def test_a_render_mode_without_pictures_is_refused_before_anything_runs(lamp, mode):
    with pytest.raises(ConfigError, match=r"^task\.kwargs\.render_mode: expected rgb_array"):
        evaluated({**lamp, "kwargs": {"render_mode": mode}})


def config(task):
    return {
        "budget": 400,
        "seed": 2,
        "task": task,
        "observer": {"size": 16, "samples": 2},
        "descriptor": {"latent": 2, "max_epochs": 1, "max_inputs": 30},
        "searcher": {"kind": "stax", "population": 20, "chunk": 60},
        "checkpoint": {"generations": 2, "seconds": 1000},
    }


def test_stax_runs_on_any_environment_that_renders_and_resumes_to_the_same_digests(lamp, tmp_path):
    digests = []
    for name, cut in (("calm", 0), ("cut", 5)):
        with Campaign(config(lamp), tmp_path / name) as campaign:
            for _ in range(cut):
                campaign.step()
            if not cut:
                campaign.run()
        if cut:
            with Campaign.resume(tmp_path / name) as campaign:
                campaign.run()
        run = StoredRun.open(tmp_path / name)
        digests.append((run.digest(), run.state_digest()))
    assert digests[0] == digests[1]
    assert run.space > 0
    assert run.summary()["rewarding_size"] > 0

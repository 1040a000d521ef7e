"""An environment that does as it is told, and what tests of Gymnasium tasks make of configs."""

import gymnasium
import numpy as np
from gymnasium import spaces

from qdx.assembly.config import load
from qdx.assembly.parts import build_policy, build_rollout
from qdx.core.types import Genomes
from qdx.observers.sampling import Path

HOPPER = {
    "kind": "gymnasium:Hopper-v5",
    "descriptor": ["x_position", "z_distance_from_origin"],
    "bounds": [[-1, 1], [-1, 1]],
}


def config(section, **more):
    return load({"budget": 1, "searcher": "random_search", "task": section, **more})


def genomes(policy, n=6):
    rng = np.random.default_rng(0)
    genes = np.clip(rng.standard_normal((n, policy.n_genes)), -5, 5).astype(np.float32)
    zeros = np.zeros(n, np.int32)
    return Genomes(10 + np.arange(n), genes, np.full(n, -1), zeros, zeros)


def evaluated(section, n=6, **more):
    """A batch and its outcomes, every step sampled."""
    whole = config(section, **more)
    batch = genomes(build_policy(whole), n)
    return whole, batch, build_rollout(whole, Path(stride=1))(batch)


class Scripted(gymnasium.Env):
    """Observes its step count and the last action; `ends` and `cuts` at given steps."""

    def __init__(self, *, ends=0, cuts=0, sight=None, act=None, broken=None, info=None):
        self.observation_space = sight or spaces.Box(-9, 9, (2,), np.float32)
        self.action_space = act or spaces.Box(-1, 1, (1,), np.float32)
        self._at = (ends, cuts)
        self._broken, self._info = broken, info or {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._t = 0
        if self._broken == "reset":
            raise RuntimeError("cannot begin")
        return self._seen(0.0), dict(self._info)

    def _seen(self, action):
        if isinstance(self.observation_space, spaces.Discrete):
            return self._t
        return np.array([self._t, action], np.float32)[: self.observation_space.shape[0]]

    def step(self, action):
        self._t += 1
        ends, cuts = self._at
        number = float(np.ravel(action)[0])
        if self._broken == "positive" and number > 0 and self._t == 3:
            raise ValueError("a joint\nhas come off")
        return self._seen(number), 0.5, self._t == ends, self._t == cuts, dict(self._info)

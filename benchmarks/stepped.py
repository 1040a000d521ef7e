"""AntMaze beside plain Gymnasium loops: env-steps/s of one core (CPU time), policies included.

Run: `python -m benchmarks stepped`. An env-step is five steps by Runge-Kutta on all sides, and the
same kind of controllers drives all of them. The loops are `SyncVectorEnv`s, as long as a shard:

* Ant-v5 as it comes: the same bodies and joints on an endless floor, 105 observed numbers;
* AntMaze's own model in the leanest environment there is, so that only the way of stepping differs.

What bounds it is the engine: 95 % of the time goes into MuJoCo, into four evaluations of the
dynamics for each of the five steps. Leaving the Gymnasium loop is worth only a twentieth. The rest
is work that is not done: seven walls cost a third of a step, and are only looked for where an ant
may touch them; and the contacts of one ant are not sorted into islands, for they are one. In shards
of 6 ants instead of 24 it is a sixth slower: the policies' NumPy calls then weigh more.
"""

import time
from collections.abc import Callable
from functools import partial

import gymnasium
import mujoco
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import SyncVectorEnv

from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core, side_by_side
from qdx.core.types import Genomes
from qdx.observers.sampling import Final
from qdx.policies.mlp import Mlp
from qdx.policies.mlp_numpy import NumpyMlp
from qdx.rollout.stepped import SteppedRollout
from qdx.tasks.ant_maze import AntMaze, open_model, start_state
from qdx.tasks.mujoco_stepping import Simulation

SHARD, STEPS = 24, 100
ROUNDS = 7
WANTED = 1.4  # times Ant-v5, per core
POLICY = Mlp(29, 8, hidden=10, layers=3)


class LeanMaze(gymnasium.Env):
    """AntMaze as a Gymnasium environment, nothing computed that nobody asked for."""

    def __init__(self) -> None:
        self.model = open_model()
        self.data = mujoco.MjData(self.model)
        self.observation_space = Box(-np.inf, np.inf, (29,), np.float64)
        self.action_space = Box(-1, 1, (8,), np.float32)

    def reset(self, *, seed: int | None = None, options: object = None) -> tuple:
        start = start_state(seed or 0)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = start[1:16], start[16:]
        return self.sight(), {}

    def sight(self) -> np.ndarray:
        sight = np.concatenate([self.data.qpos, self.data.qvel])
        sight[:2] = (sight[:2] - 5) / 70
        return sight

    def step(self, action: np.ndarray) -> tuple:
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, nstep=5)
        return self.sight(), 0.0, False, False, {}


def genes(shape: Mlp) -> np.ndarray:
    drawn = np.random.default_rng(1).standard_normal((SHARD, shape.n_genes))
    return np.clip(drawn, -5, 5).astype(np.float32)


def ours() -> Callable[[], object]:
    zeros = np.zeros(SHARD, np.int32)
    batch = Genomes(np.arange(SHARD), genes(POLICY), np.full(SHARD, -1), zeros, zeros)
    return partial(SteppedRollout(AntMaze(horizon=STEPS), POLICY, Final()), batch)


def loop(make: Callable[[], gymnasium.Env], n_seen: int) -> Callable[[], object]:
    environments = SyncVectorEnv([make] * SHARD)
    shape = Mlp(n_seen, 8, hidden=10, layers=3)
    policies = NumpyMlp(shape, genes(shape))

    def run() -> None:
        sights, _ = environments.reset(seed=[0] * SHARD)
        for _ in range(STEPS):
            sights, *_ = environments.step(policies(sights.astype(np.float32)))

    return run


def engine() -> Callable[[], object]:
    """What of a rollout is spent in the engine: its steps again, from the states it was in."""
    policies, rows, taken = NumpyMlp(POLICY, genes(POLICY)), np.arange(SHARD), []
    worlds = AntMaze().open(SHARD)
    worlds.reset(np.zeros(SHARD, int))
    for _ in range(STEPS):
        actions = policies(worlds.observe(rows)).astype(float)
        models = [open_model(solid=near) for near in worlds._near_walls(rows).tolist()]
        taken.append((actions, models))
        worlds.step(rows, actions)

    def run() -> None:
        simulation = Simulation(mujoco, open_model(), SHARD)
        simulation.state[:] = start_state(0)
        for actions, models in taken:
            simulation.step(rows, actions, 5, models=models)

    return run


def one_core() -> list[str]:
    """All in turn."""
    pin_to_one_core()
    ant_v5 = partial(gymnasium.make, "Ant-v5", terminate_when_unhealthy=False)
    seconds = side_by_side(
        {
            "qdx": ours(),
            "ant_v5": loop(ant_v5, 105),
            "lean": loop(LeanMaze, 29),
            "engine": engine(),
        },
        ROUNDS,
        clock=time.process_time,
    )
    rate = {name: SHARD * STEPS / s for name, s in seconds.items()}
    share = seconds["engine"] / seconds["qdx"]
    return [
        f"qdx, ant_maze, one core            {rate['qdx']:6.0f} env-steps/s",
        f"  beside Ant-v5 in SyncVectorEnv   {rate['qdx'] / rate['ant_v5']:6.2f}x"
        f"   ({rate['ant_v5']:.0f}; wanted {WANTED}x)",
        f"  beside its own model there       {rate['qdx'] / rate['lean']:6.2f}x"
        f"   ({rate['lean']:.0f})",
        f"  spent in the engine              {100 * share:6.0f} %",
    ]


def table() -> list[str]:
    """A process of its own, so that pinning does not outlive it."""
    return in_a_process_of_its_own("benchmarks.stepped", "one_core()")

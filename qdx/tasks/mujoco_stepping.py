"""MuJoCo models stepped side by side on the CPU by `mujoco.rollout`, without the interpreter.

Todorov, Erez & Tassa, "MuJoCo: a physics engine for model-based control", IROS 2012. MuJoCo is
imported when the first model is compiled, for it is an extra.

Models should switch `warmstart` and `autoreset` off: then a step is a function of the state alone,
so chunks of steps have the bits of one long simulation, and what diverges stays visible.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray as Array

from qdx.core.extras import need

LARGEST = 1e10  # MuJoCo's own limit of a sound number, mjMAXVAL


@functools.cache
def open_mujoco(of: str) -> Any:
    """The package, opened once per process.

    A diverging simulation is a failed row with a reason. What MuJoCo would say of it, on standard
    error and in a log file in the working directory, is turned off.

    Args:
        of: Who needs it, as the user wrote it.

    Raises:
        ConfigError: It is not installed.
    """
    mujoco = need("mujoco", extra="mujoco", of=of)
    need("mujoco.rollout", extra="mujoco", of=of)
    mujoco.set_mju_user_warning(lambda message: None)
    return mujoco


class Simulation:
    """Worlds of one model, each in a state of its own.

    Attributes:
        state: (B, S) float64: time, positions, velocities.
    """

    def __init__(self, mujoco: Any, model: Any, n: int) -> None:
        """`n` worlds at the model's reference position, at rest."""
        self._model = model
        self._data = mujoco.MjData(model)
        self._rollout = mujoco.rollout.Rollout(nthread=0)  # in the calling thread
        n_state = mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)
        self.state = np.zeros((n, n_state))
        self.state[:, 1 : 1 + model.nq] = model.qpos0

    def step(
        self, rows: Int64[Array, " R"], controls: Float64[Array, "R U"], n_steps: int
    ) -> Bool[Array, " R"]:
        """Move some worlds under constant controls.

        Returns:
            Which of them diverged; those keep the state they had.
        """
        before = self.state[rows]
        states, _ = self._rollout.rollout(
            self._model, self._data, before, controls[:, None], nstep=n_steps
        )
        after = states[:, -1]
        # A rollout stops at a warning and repeats its last state: its clock then stands still.
        moved = after[:, 0] - before[:, 0] > (n_steps - 0.5) * self._model.opt.timestep
        sound: Array = moved & (np.abs(after) < LARGEST).all(axis=1)
        self.state[rows[sound]] = after[sound]
        return ~sound

    def close(self) -> None:
        """Let the engine's memory go."""
        self._rollout.close()

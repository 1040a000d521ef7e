"""The open-loop policy of TAXONS: each action is a polynomial in the cosine of time.

Paolo, Laflaquière, Coninx & Doncieux, "Unsupervised learning and exploration of reachable outcome
space" (TAXONS), ICRA 2020, where it is called a dynamic motion primitive; released code:

    u_i(t) = sum over j of w_ij cos(t / scale_i)^j,   t = step / horizon

Of observations it sees nothing. Gene order: (w_i0, …, w_id, scale_i - 1) for each action i, then
action_len - 0.75. Genes of scale and action_len are offsets from the middle of the papers' start
values, so a genome of zeros is a sound one. They start as in the paper: w ~ N(0, 1), scale 1,
action_len ~ U(0.5, 1).

Actions are clipped to [-1, 1] here, in the original by the environment. After the share action_len
of the episode actions are to be zero; the released code compares it with t / 500 instead of t,
which it never reaches, so `action_length="ignored"` is what the paper ran.
"""

# no `from __future__ import annotations`: Warp reads the annotations of nested functions
import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import warp as wp
from annotated_types import Interval
from jaxtyping import Float32
from numpy import ndarray as Array
from scipy.special import ndtr

from qdx.core.task_facts import TaskFacts
from qdx.policies.placing import on_device
from qdx.policies.policy import Program

LEAST_SCALE = 1e-3  # below, cos(t / scale) turns faster than there are steps; 0 would give NaN
MIDDLE = 0.75  # of action_len's start values, ~ U(0.5, 1)
SPREAD = 0.5


@dataclass(frozen=True)
class DmpParameters:
    """The open-loop policy.

    Attributes:
        degree: Of the polynomials.
        action_length: "used": actions are zero once the share of the episode in the last gene is
            over; "ignored": they go on, as the released code comes to.
    """

    degree: Annotated[int, Interval(ge=0, le=30)] = 5
    action_length: Literal["ignored", "used"] = "ignored"


@dataclass(frozen=True)
class Dmp:
    """Shape of the policy.

    Attributes:
        n_in: Observed numbers, which it is given and does not look at.
        n_out: Actions.
        horizon: Steps of an episode.
        degree: Of the polynomials.
        cuts: Whether actions end with action_len.
    """

    n_in: int
    n_out: int
    horizon: int
    degree: int = 5
    cuts: bool = False

    torch_module = "qdx.policies.dmp_torch:TorchDmp"

    @property
    def n_genes(self) -> int:
        """G: weights and a scale per action, and action_len."""
        return self.n_out * (self.degree + 2) + 1

    def initial(self, normal: Float32[Array, "n G"]) -> Float32[Array, "n G"]:
        """Weights ~ N(0, 1), scale 1, action_len ~ U(0.5, 1)."""
        genes = normal.copy()
        genes[:, self.degree + 1 : -1 : self.degree + 2] = 0
        genes[:, -1] = SPREAD * (ndtr(normal[:, -1]) - 0.5)
        return genes

    def split(self, genes: Float32[Array, "B G"]) -> tuple[Array, Array, Array]:
        """Weights (B, n_out, degree + 1), scales (B, n_out) and action_len (B,), all float32."""
        per_action = genes[:, :-1].reshape(len(genes), self.n_out, self.degree + 2)
        scale = np.maximum(np.abs(1 + per_action[:, :, -1]), np.float32(LEAST_SCALE))  # cos is even
        length = np.clip(np.float32(MIDDLE) + genes[:, -1], 0, 1)
        return per_action[:, :, :-1], scale, length

    def program(self, device: str) -> Program:
        """What a fused kernel runs on a device."""
        return _program(self)


def build(parameters: DmpParameters, facts: TaskFacts) -> Dmp:
    """The policy for a task."""
    return Dmp(
        n_in=len(facts.observation),
        n_out=len(facts.action),
        horizon=facts.horizon,
        degree=parameters.degree,
        cuts=parameters.action_length == "used",
    )


@functools.cache
def _program(shape: Dmp) -> Program:
    """Horner's scheme per action."""
    Weights = wp.types.vector(shape.degree + 1, wp.float32)
    Sight = wp.types.vector(shape.n_in, wp.float32)
    Action = wp.types.vector(shape.n_out, wp.float32)
    n_out, degree, horizon, cuts = shape.n_out, shape.degree, shape.horizon, shape.cuts

    @wp.struct
    class Body:
        weights: wp.array2d(dtype=Weights)
        scale: wp.array2d(dtype=wp.float32)
        length: wp.array(dtype=wp.float32)

    @wp.func
    def act(body: Body, row: wp.int32, sight: Sight, step: wp.int32) -> Action:
        action = Action()
        t = wp.float32(step) / wp.float32(horizon)
        if wp.static(cuts) and t > body.length[row]:
            return action
        for i in range(n_out):
            w = body.weights[row, i]
            x = wp.cos(t / body.scale[row, i])
            u = w[degree]
            for j in range(degree):
                u = u * x + w[degree - 1 - j]
            action[i] = wp.clamp(u, -1.0, 1.0)
        return action

    def load(genes: Float32[Array, "B G"], device: str) -> Any:
        weights, scale, length = shape.split(genes)
        body = Body()
        body.weights = on_device(weights, Weights, device)
        body.scale = on_device(scale, wp.float32, device)
        body.length = on_device(length, wp.float32, device)
        return body

    return Program(Body, act, load)

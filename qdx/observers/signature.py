"""The observer that keeps the signature of the path an episode took.

Truncated signatures of trajectories as behaviour descriptors: G. Paolo, "Learning in sparse rewards
settings through quality-diversity algorithms", PhD thesis, 2022, arXiv 2203.01027. There the
truncated signature of the position over time, with and without a time channel, is the descriptor of
Novelty Search, `normalise: false` here.

The path is that of the ground-truth measures, scaled by the task's bounds and never by data, so
that an archived descriptor never has to be scaled anew. Time runs from 0 to 1 over the task's
horizon and stops where the episode ends.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import factorial, inf
from typing import Annotated, Any, Literal, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Float32, Float64, Int32, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Bounds, Observations
from qdx.core.task_facts import TaskFacts
from qdx.signatures import basis


@final
@dataclass(frozen=True)
class Signature:
    """Iterated integrals of the measures' path: what happened in which order.

    Attributes:
        depth: N, the longest word.
        log: The log-signature instead: fewer numbers, in the coordinates of Lyndon words.
        time: Time is a further channel, so that speed and an early end count.
        basepoint: The path comes from the lower corner of the bounds, so that its start counts.
        windows: Equal parts of the horizon, a signature each.
        samples: Moments at which the path is sampled, the start not counted; every step where the
            horizon is shorter.
        normalise: Each level by its root, so that all levels grow like the path's extent.
        backend: What computes it; `auto` becomes pysiglib where it is installed, else torch, when a
            config is read.
    """

    depth: Annotated[int, Ge(1)] = 3
    log: bool = False
    time: bool = True
    basepoint: bool = False
    windows: Annotated[int, Ge(1)] = 1
    samples: Annotated[int, Ge(1)] = 100
    normalise: bool = True
    backend: Literal["auto", "torch", "pysiglib", "esig"] = "auto"

    def __post_init__(self) -> None:
        """Settle `auto` once: the resolved config says what a run and its resumes compute with."""
        if self.backend == "auto":
            settled = "pysiglib" if find_spec("pysiglib") else "torch"
            object.__setattr__(self, "backend", settled)

    @property
    def libraries(self) -> tuple[str, ...]:
        """What its bits depend on, beside torch: every manifest records the versions."""
        return {"pysiglib": ("pysiglib",), "esig": ("esig", "roughpy")}.get(self.backend, ())

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        n = min(self.samples, horizon)
        if self.windows > n:
            raise ConfigError(
                f"observer.windows: expected at most {n}, the steps between samples of an episode, "
                f"got {self.windows}."
            )
        return horizon * np.arange(n + 1) // n

    def observations(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        sound = np.isfinite(samples).all(axis=(1, 2))  # failed episodes may hold anything
        path = self._windowed(self._path(samples[sound], lengths[sound], facts))
        signatures = self._signatures(path)
        found = np.full((len(samples), self.windows * signatures.shape[1]), np.nan, np.float32)
        found[sound] = signatures.reshape(-1, found.shape[1])
        return {"signature": found}

    def bounds(self, facts: TaskFacts) -> Bounds:
        self.steps(facts.horizon)  # refuses what does not fit the task
        try:
            _transform().choose(self.backend)
        except ConfigError as error:
            raise ConfigError(f"observer.{error}") from error
        channels = len(facts.measures) + self.time
        n = basis.dimension(channels, self.depth, log=self.log)
        return ((-inf, inf),) * (n * self.windows)

    def _path(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Float64[Array, "B S C"]:
        """Measures from 0 to 1 within the bounds; then time."""
        low, high = np.array(facts.bounds).T
        scaled: Array = (samples.astype(np.float64) - low) / (high - low)
        if not self.time:
            return scaled
        alive = np.minimum(self.steps(facts.horizon), lengths[:, None]) / facts.horizon
        return np.concatenate([scaled, alive[:, :, None]], axis=2)

    def _windowed(self, path: Float64[Array, "B S C"]) -> Float64[Array, "V T C"]:
        """Each window of each path, with the sample before it; windows of a path stay together.

        Where windows are not all of one length, the shorter ones repeat their last sample, which no
        signature notices.
        """
        n, length, channels = path.shape
        edges = (length - 1) * np.arange(self.windows + 1) // self.windows
        longest = int(np.diff(edges).max())
        at = np.minimum(edges[:-1, None] + np.arange(longest + 1), edges[1:, None])  # (windows, T)
        windows: Array = path[:, at].reshape(n * self.windows, longest + 1, channels)
        return windows

    def _signatures(self, path: Float64[Array, "V T C"]) -> Float64[Array, "V D"]:
        """Signatures of whole paths."""
        found: Array = _transform().signature(
            path,
            self.depth,
            log=self.log,
            time=False,  # it is a channel already
            basepoint=self.basepoint,
            backend=self.backend,
        )
        if not self.normalise:
            return found
        return root_normalised(found, basis.level_sizes(path.shape[2], self.depth, log=self.log))


def root_normalised(
    signatures: Float64[Array, "V D"], sizes: Sequence[int]
) -> Float64[Array, "V D"]:
    """Every level k of a signature as (k!)^(1/k) |A_k|^(1/k - 1) A_k; a level of zeros stays.

    Level k of a path that is twice as large is 2^k times as large, and k! makes it small. The root
    undoes both: all levels grow like the path, whatever paths came before.
    """
    found = np.empty_like(signatures)
    start = 0
    for k, size in enumerate(sizes, 1):
        level = signatures[:, start : start + size]
        # accumulate adds in one order, whatever the number of rows
        norm = np.sqrt(np.add.accumulate(level**2, axis=1)[:, -1:])
        safe = np.where(norm > 0, norm, 1.0)
        found[:, start : start + size] = level * (factorial(k) ** (1 / k) * safe ** (1 / k - 1))
        start += size
    return found


def _transform() -> Any:
    """Where signatures are computed; it imports torch, which reading a config must not."""
    return importlib.import_module("qdx.signatures.transform")

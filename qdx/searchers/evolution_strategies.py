"""Evolution strategies of pyribs, with keyed draws and a state without pickle.

Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772, 2016 (`cma_es`); Ros & Hansen,
"A simple modification in CMA-ES achieving linear time and space complexity", PPSN 2008
(`sep_cma_es`, a diagonal covariance). This file translates the words: genes → solutions.

Where pyribs 0.12 is not what a campaign or the tutorial needs, this adapter differs from it:

* The generator is set before every `ask` from a keyed draw, so no two strategies share a stream
  and a resumed one draws the same numbers.
* A sample outside the bounds is drawn again at most 100 times and then clipped, as the `cmaes`
  library does it. pyribs draws until it is inside, which may be never: an ancestor with 40 genes on
  their bounds has one sample in 2⁴⁰ inside.
* The rank-one update is the tutorial's (eq. 45 and 47). pyribs applies its learning rate twice and
  forgets to divide the step by σ, which all but switches it off: with six or ten samples it takes
  1.6 to 3 times the evaluations on the ten-dimensional ellipsoid, cigar and Rosenbrock function.
* Flat rewards end a strategy after as many generations as its owner has patience for: one is what
  pyribs has, `long_patience` what `cmaes` has.

pyribs is imported on first use, so that listing searchers does not wait for it.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Literal, final

import numpy as np
from jaxtyping import Float, Float32, Int64
from numpy import ndarray as Array
from threadpoolctl import threadpool_limits

from qdx.core.types import State
from qdx.encodings.direct import Direct

Kind = Literal["cma_es", "sep_cma_es"]

CLASSES = {"cma_es": "CMAEvolutionStrategy", "sep_cma_es": "SeparableCMAEvolutionStrategy"}
RESAMPLINGS = 100  # of a sample outside the bounds, before it is clipped (cmaes)
TOL_FUN = 1e-12  # rewards nearer to each other than this are flat (cmaes, pyribs)
TOL_X_UP = 1e4  # a step size beyond this has diverged (cmaes)


def long_patience(n_genes: int, population: int) -> int:
    """Flat generations after which the `cmaes` library stops: 10 + ceil(30 n / λ)."""
    return 10 + math.ceil(30 * n_genes / population)


@final
class EvolutionStrategy:
    """A Gaussian that moves to where the values are high."""

    def __init__(
        self,
        mean: Float32[Array, " G"],
        sigma: float,
        encoding: Direct,
        *,
        population: int,
        kind: Kind = "cma_es",
    ) -> None:
        """A strategy that has seen nothing.

        Args:
            mean: Where it starts.
            sigma: Its first step size, also after a restart.
            encoding: Has the bounds of the genes.
            population: λ, samples of a generation, 2 or more; half of them are parents.
            kind: Its name in a config.
        """
        strategy = getattr(importlib.import_module("ribs.emitters.opt"), CLASSES[kind])
        self._es = strategy(sigma0=sigma, solution_dim=len(mean), batch_size=population)
        for name in vars(strategy):
            plain = getattr(getattr(strategy, name), "py_func", None)
            if plain is not None:  # numba would compile for seconds in every process
                setattr(self._es, name, plain)
        self._bounds = encoding.low, encoding.high
        self._is_full = kind == "cma_es"
        self.restart(mean)

    def restart(self, mean: Float32[Array, " G"]) -> None:
        """Forget everything; begin at `mean` with the first step size."""
        self._es.reset(mean)
        self._n_flat = 0
        self._level = 0.0  # best value when the rewards became flat

    def ask(self, rng: np.random.Generator) -> Float32[Array, "L G"]:
        """λ samples inside the bounds; the same again from an equal generator."""
        low, high = self._bounds
        self._es._rng = rng
        samples: Array = np.array(self._es.ask())
        for _ in range(RESAMPLINGS):
            outside = ((samples < low) | (samples > high)).any(axis=1)
            if not outside.any():
                break
            samples[outside] = self._es.ask(int(outside.sum()))
        self._es._solutions = samples = np.clip(samples, low, high)
        genes: Array = samples.astype(np.float32)
        return genes

    def tell(self, values: Float[Array, "L K"], n_parents: int | None = None) -> None:
        """Move, after the samples last asked for were evaluated.

        Args:
            values: What to maximise: the first column, among equals the second, then the older
                sample. NaN for failed samples, which come last.
            n_parents: The best of them that are recombined; half where not given. With none, the
                strategy stays where it is.
        """
        values = _with_failed_last(values)
        order = _descending(values)
        n_parents = len(values) // 2 if n_parents is None else n_parents
        self._move(order, values[order], n_parents)
        self._watch(values[order])

    def is_over(self, patience: int) -> bool:
        """Whether it is of no more use: collapsed, diverged, ill conditioned, or long flat.

        Args:
            patience: Generations in succession in which best and worst value may be the same.
        """
        spread = self._es.sigma * float(np.sqrt(np.max(self._es.cov.eigenvalues)))
        diverged = not spread <= TOL_X_UP  # NaN too
        return diverged or self._n_flat >= patience or bool(self._es.check_stop(np.zeros(0)))

    def arrays(self) -> dict[str, Array]:
        """All that its future depends on."""
        es, cov = self._es, self._es.cov
        names = {"mean": es.mean, "pc": es.pc, "ps": es.ps, "cov": cov.cov}
        clock = [es.current_eval, cov.updated_eval, self._n_flat]
        names |= {"clock": np.array(clock, np.int32)}
        names |= {"scale": np.array([es.sigma0, es.sigma, self._level], np.float64)}
        if self._is_full:
            names |= {"basis": cov.eigenbasis, "eigenvalues": cov.eigenvalues}
        return {name: np.array(values) for name, values in names.items()}

    def load(self, arrays: dict[str, Array]) -> None:
        """The inverse of `arrays`, on a strategy built with the same arguments."""
        es, cov = self._es, self._es.cov
        es.mean, es.pc, es.ps = (arrays[name].copy() for name in ("mean", "pc", "ps"))
        cov.cov = arrays["cov"].copy()
        es.current_eval, cov.updated_eval, self._n_flat = arrays["clock"].tolist()
        es.sigma0, es.sigma, self._level = arrays["scale"].tolist()
        if self._is_full:
            basis, eigenvalues = arrays["basis"].copy(), arrays["eigenvalues"].copy()
            cov.eigenbasis, cov.eigenvalues = basis, eigenvalues
            cov.condition_number = np.max(eigenvalues) / np.min(eigenvalues)
            with threadpool_limits(1, user_api="blas"):  # as pyribs makes it, to the bit
                invsqrt = (basis * (1 / np.sqrt(eigenvalues))) @ basis.T
            cov.invsqrt = np.maximum(invsqrt, invsqrt.T)

    def _move(self, order: Int64[Array, " L"], ranked: Float[Array, "L K"], n_parents: int) -> None:
        """The step of pyribs, its rank-one update mended.

        Between steps the evolution path p_c is the tutorial's; pyribs is given σ p_c, to which it
        rightly adds a step that is not divided by σ.
        """
        es, sigma, path = self._es, self._es.sigma, self._es.pc
        es.pc = path * sigma
        es.tell(order, ranked, n_parents)
        if not n_parents:
            es.pc = path
            return
        es.pc = es.pc / sigma  # (eq. 45)
        known = (n_parents,) if self._is_full else (es.solution_dim, n_parents)
        *_, c1, _ = es._calc_strat_params(*known)
        update = np.outer(es.pc, es.pc) if self._is_full else es.pc**2
        es.cov.cov = es.cov.cov + (c1 - (c1 * sigma) ** 2) * update  # (eq. 47)

    def _watch(self, ranked: Float[Array, "L K"]) -> None:
        """Count the generations that are flat, and as high as each other."""
        best = float(ranked[0, 0])
        if np.linalg.norm(ranked[0] - ranked[-1]) >= TOL_FUN:
            self._n_flat = 0
        elif self._n_flat and abs(best - self._level) < TOL_FUN:
            self._n_flat += 1
        else:
            self._n_flat, self._level = 1, best


def state_of(strategies: Sequence[EvolutionStrategy]) -> State:
    """Strategies of one kind and dimension, for a commit: an array each, one row a strategy."""
    each = [strategy.arrays() for strategy in strategies]
    names = each[0] if each else {}
    return State({name: np.stack([arrays[name] for arrays in each]) for name in names}, {})


def restore(strategies: Sequence[EvolutionStrategy], state: State) -> None:
    """The inverse of `state_of`, on freshly built strategies."""
    for i, strategy in enumerate(strategies):
        strategy.load({name: rows[i] for name, rows in state.arrays.items()})


def _with_failed_last(values: Float[Array, "L K"]) -> Float[Array, "L K"]:
    """NaN becomes a value below all others, but finite; 0 where everybody failed."""
    values = values.astype(np.float64)
    failed = np.isnan(values).any(axis=1)
    values[failed] = values[~failed].min(axis=0) - 1 if not failed.all() else 0.0
    return values


def _descending(values: Float[Array, "L K"]) -> Int64[Array, " L"]:
    """Rows from the best to the worst, the earlier of equals first."""
    order: Array = np.lexsort(-values.T[::-1])
    return order

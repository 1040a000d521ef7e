"""The pyribs adapter against the tutorial's equations, pyribs itself, and known minima."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ribs.emitters.opt import CMAEvolutionStrategy, SeparableCMAEvolutionStrategy

from qdx.core.rng import draw
from qdx.encodings.direct import Direct
from qdx.searchers.evolution_strategies import (
    EvolutionStrategy,
    long_patience,
    restore,
    state_of,
)
from tests.conformance.making import equal, travelled

KINDS = ["cma_es", "sep_cma_es"]


def strategy(n: int = 5, *, mean: float = 1.5, sigma: float = 0.5, **keys: Any) -> Any:
    start = np.full(n, mean, np.float32)
    return EvolutionStrategy(start, sigma, Direct(n), **{"population": 6, **keys})


def sphere(x: Any) -> Any:
    return (x.astype(np.float64) ** 2).sum(axis=1)


def ellipsoid(x: Any) -> Any:
    """Axes a thousand times as long as others."""
    return (x.astype(np.float64) ** 2) @ 10 ** (6 * np.arange(x.shape[1]) / (x.shape[1] - 1))


def rosenbrock(x: Any) -> Any:
    x = x.astype(np.float64)
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1)


def run(es: Any, function: Any, steps: int, first: int = 0) -> list[Any]:
    """Samples of so many generations."""
    asked = []
    for step in range(first, first + steps):
        asked.append(es.ask(draw(0, "test", step)))
        es.tell(-function(asked[-1])[:, None])
    return asked


def best_of(es: Any, function: Any, steps: int) -> float:
    return min(function(x).min() for x in run(es, function, steps))


class Tutorial:
    """Equations 24, 43 to 47 and 49 to 58 of Hansen (2016), without active update."""

    def __init__(self, mean: Any, sigma: float, n_samples: int) -> None:
        n, mu = len(mean), n_samples // 2
        self.n, self.mu, self.mean, self.sigma = n, mu, mean, sigma
        w = np.log(mu + 0.5) - np.log(np.arange(1, mu + 1))
        self.w = w / w.sum()
        m = self.mueff = 1 / (self.w**2).sum()
        self.c_c = (4 + m / n) / (n + 4 + 2 * m / n)
        self.c_s = (m + 2) / (n + m + 5)
        self.c_1 = 2 / ((n + 1.3) ** 2 + m)
        self.c_mu = min(1 - self.c_1, 2 * (m - 2 + 1 / m) / ((n + 2) ** 2 + m))
        self.d_s = 1 + 2 * max(0, np.sqrt((m - 1) / (n + 1)) - 1) + self.c_s
        self.C, self.p_c, self.p_s, self.g = np.eye(n), np.zeros(n), np.zeros(n), 0

    def tell(self, ranked: Any, root: Any) -> None:
        """Ranked samples, and the C^(-1/2) they were drawn with."""
        self.g += 1
        y = (ranked[: self.mu] - self.mean) / self.sigma
        y_w = self.w @ y
        self.mean = self.mean + self.sigma * y_w
        rate = self.c_s * (2 - self.c_s) * self.mueff
        self.p_s = (1 - self.c_s) * self.p_s + np.sqrt(rate) * root @ y_w
        unbiased = (self.p_s @ self.p_s) / (1 - (1 - self.c_s) ** (2 * self.g))
        h = float(unbiased / self.n < 2 + 4 / (self.n + 1))
        rate = self.c_c * (2 - self.c_c) * self.mueff
        self.p_c = (1 - self.c_c) * self.p_c + h * np.sqrt(rate) * y_w
        lost = self.c_1 * (1 - (1 - h) * self.c_c * (2 - self.c_c))
        rank_mu = sum(w * np.outer(v, v) for w, v in zip(self.w, y, strict=True))
        kept = 1 - lost - self.c_mu
        self.C = kept * self.C + self.c_1 * np.outer(self.p_c, self.p_c) + self.c_mu * rank_mu
        growth = (self.p_s @ self.p_s) / self.n - 1
        self.sigma *= np.exp(min(1, self.c_s / (2 * self.d_s) * growth))


def test_moves_as_the_tutorial_says() -> None:
    ours, theirs = strategy(4, population=10), Tutorial(np.full(4, 1.5), 0.5, 10)
    for step in range(60):
        ours.ask(draw(0, "test", step))
        x = ours._es._solutions.copy()
        root = ours._es.cov.invsqrt.copy()
        ours.tell(-ellipsoid(x)[:, None])
        theirs.tell(x[np.argsort(ellipsoid(x))], root)
    arrays = ours.arrays()
    np.testing.assert_allclose(arrays["mean"], theirs.mean, rtol=1e-8)
    np.testing.assert_allclose(arrays["scale"][1], theirs.sigma, rtol=1e-8)
    np.testing.assert_allclose(arrays["cov"], theirs.C, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "function", "evaluations"),
    [
        pytest.param("cma_es", sphere, 2200, id="sphere"),
        pytest.param("cma_es", ellipsoid, 8000, id="ellipsoid"),
        pytest.param("cma_es", rosenbrock, 8000, id="rosenbrock"),
        pytest.param("sep_cma_es", ellipsoid, 5000, id="ellipsoid, diagonal"),
    ],
)
def test_reaches_known_minima_in_the_usual_number_of_evaluations(
    kind: Any, function: Any, evaluations: int
) -> None:
    """Ten dimensions, ten samples; genes are float32, so the minimum is met to 1e-8."""
    es = strategy(10, population=10, kind=kind)
    assert best_of(es, function, evaluations // 10) < 1e-8


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_those_of_pyribs(kind: Any) -> None:
    """Its own treatment of bounds, until the first step makes the two differ by the mending."""
    name = {"cma_es": CMAEvolutionStrategy, "sep_cma_es": SeparableCMAEvolutionStrategy}[kind]
    theirs = name(sigma0=3.0, solution_dim=5, batch_size=6, lower_bounds=-5.0, upper_bounds=5.0)
    theirs._transform_and_check_sol = name._transform_and_check_sol.py_func  # not compiled
    theirs.reset(np.full(5, 1.5))
    ours = strategy(5, sigma=3.0, kind=kind)
    for step in range(20):
        theirs._rng = draw(0, "test", step)
        x = ours.ask(draw(0, "test", step))
        assert equal(x, theirs.ask().astype(np.float32))
        ours.tell(sphere(x)[:, None], n_parents=0)


@settings(max_examples=25, deadline=None)
@given(
    before=st.integers(0, 40),
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 6),
    population=st.integers(2, 9),
    function=st.sampled_from([sphere, ellipsoid, lambda x: np.zeros(len(x))]),
)
def test_goes_on_to_the_same_bits_from_its_state(
    before: int, kind: Any, n: int, population: int, function: Any
) -> None:
    function = sphere if n == 1 else function
    es = [strategy(n, kind=kind, population=population, sigma=0.1 + i) for i in range(2)]
    again = [strategy(n, kind=kind, population=population, sigma=9.0) for _ in range(2)]
    for one in es:
        run(one, function, before)
    restore(again, travelled(state_of(es)))
    for one, other in zip(es, again, strict=True):
        assert equal(run(other, function, 25, before), run(one, function, 25, before))
        assert other.is_over(20) == one.is_over(20)
        other.restart(np.ones(n, np.float32))  # with the first step size, not that of `again`
        one.restart(np.ones(n, np.float32))
        assert equal(run(other, function, 2), run(one, function, 2))


def test_no_strategies_have_a_state_too() -> None:
    assert state_of([]).arrays == {}
    restore([], state_of([]))


def test_asks_the_same_again() -> None:
    es = strategy()
    run(es, sphere, 30)
    first = es.ask(draw(0, "test", 99))
    assert equal(es.ask(draw(0, "test", 99)), first)
    assert not equal(es.ask(draw(0, "test", 98)), first)


def test_a_corner_of_the_box_is_no_trap() -> None:
    """Forty genes on their bounds: pyribs alone would draw for ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in run(strategy(40, mean=5.0), sphere, 20):
            assert (np.abs(x) <= 5).all()


def test_bounds_hold_where_the_step_is_wide() -> None:
    assert max(np.abs(x).max() for x in run(strategy(4, sigma=3.0), ellipsoid, 50)) <= 5


def ranked(values: Any, n_parents: int | None = None) -> Any:
    """Where the mean goes after one generation with these values, and its samples."""
    es = strategy(3, population=len(values))
    samples = es.ask(draw(0, "test", 0))
    es.tell(np.array(values, np.float64).reshape(len(values), -1), n_parents)
    return es.arrays()["mean"], samples.astype(np.float64)


def test_one_parent_becomes_the_mean() -> None:
    mean, x = ranked([0.0, 3.0, 5.0, 1.0], 1)
    np.testing.assert_allclose(mean, x[2], atol=1e-6)


def test_of_equals_the_second_value_then_the_older_decides() -> None:
    mean, x = ranked([(1, 0), (1, 7), (1, 7), (0, 9)], 1)
    np.testing.assert_allclose(mean, x[1], atol=1e-6)


def test_failed_samples_come_last() -> None:
    mean, x = ranked([np.nan, -4.0, np.nan, np.nan], 1)
    np.testing.assert_allclose(mean, x[1], atol=1e-6)


def test_without_parents_it_stays() -> None:
    mean, _ = ranked([1.0, 2.0, 3.0, 4.0], 0)
    assert mean.tolist() == [1.5] * 3


def test_half_are_parents_where_nothing_is_said() -> None:
    values = [4.0, 3.0, 2.0, 1.0]
    assert equal(ranked(values)[0], ranked(values, 2)[0])
    assert not equal(ranked(values)[0], ranked(values, 3)[0])


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_is_over_when_rewards_were_flat_for_too_long(value: float) -> None:
    es = strategy()
    over = []
    for step in range(8):
        es.ask(draw(0, "test", step))
        es.tell(np.full((6, 1), value))
        over.append(es.is_over(5))
    assert over == [False] * 4 + [True] * 4


def test_a_rise_from_one_plateau_to_another_is_not_flat() -> None:
    es = strategy()
    for step in range(8):
        es.ask(draw(0, "test", step))
        es.tell(np.full((6, 1), float(step // 4)))
    assert not es.is_over(5)
    assert es.is_over(4)


@pytest.mark.parametrize("kind", KINDS)
def test_is_over_when_it_has_collapsed_or_diverged(kind: Any) -> None:
    es = strategy(2, kind=kind, sigma=1e-13)
    assert es.is_over(10**6)
    es = strategy(2, kind=kind, sigma=1e5)
    assert es.is_over(10**6)
    assert not strategy(2, kind=kind).is_over(10**6)


def test_a_restart_forgets() -> None:
    es = strategy()
    run(es, sphere, 40)
    es.restart(np.full(5, 1.5, np.float32))
    assert equal(es.arrays(), strategy().arrays())


def test_patience_is_that_of_the_cmaes_library() -> None:
    assert long_patience(63, 6) == 10 + 315
    assert long_patience(3, 6) == 10 + 15
    assert long_patience(2, 7) == 10 + 9  # 60 / 7 = 8.57, rounded up

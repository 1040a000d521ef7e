"""Stagnation: both rules by their definitions, one number at a time."""

from __future__ import annotations

from math import nan
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.searchers.stagnation import Stagnation

PAPER = Stagnation("paper", 3, 6)  # W = 130
ORIGINAL = Stagnation("original", 3, 6)  # W = 135, from step 680 on more
Rows = list[list[float]]


@pytest.mark.parametrize(("n_genes", "steps"), [(94, 433), (63, 330), (228, 880), (574, 2033)])
def test_the_window_is_the_papers(n_genes: int, steps: int) -> None:
    assert Stagnation("paper", n_genes, 6).window(0) == steps


@pytest.mark.parametrize(("n_steps", "window"), [(0, 435), (2174, 435), (2185, 437)])
def test_the_original_window_grows_with_the_steps(n_steps: int, window: int) -> None:
    assert Stagnation("original", 63, 6).window(n_steps) == window


@pytest.mark.parametrize("rule", [PAPER, ORIGINAL])
def test_nobody_is_stagnant_before_its_window_has_passed(rule: Stagnation) -> None:
    window = rule.window(0)
    assert not rule.is_reached([[0.0] * 6] * window, window)
    assert rule.is_reached([[0.0] * 6] * (window + 1), window + 1)


@pytest.mark.parametrize("rule", [PAPER, ORIGINAL])
@pytest.mark.parametrize(("rise", "stagnant"), [(0.0, True), (0.01, False), (-0.01, True)])
def test_a_rise_of_median_and_best_keeps_it_going(rule: Any, rise: float, stagnant: bool) -> None:
    values = [[rise * step + 0.001 * i for i in range(6)] for step in range(140)]
    assert rule.is_reached(values, 140) is stagnant


def test_a_higher_median_alone_is_stagnation_to_the_paper_but_not_to_the_original() -> None:
    values = [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]] * 70 + [[0.5, 0.5, 0.5, 0.5, 0.5, 1.0]] * 70
    assert PAPER.is_reached(values, 140)
    assert not ORIGINAL.is_reached(values, 140)


@pytest.mark.parametrize("rule", [PAPER, ORIGINAL])
@pytest.mark.parametrize("n_failed", [1, 5])
def test_failed_individuals_are_not_the_best_that_was(rule: Stagnation, n_failed: int) -> None:
    """Rewards are below 0 and rise; those that failed early on had none."""
    values = [[-9 + 0.01 * step] * 6 for step in range(140)]
    for row in values[:60]:
        row[:n_failed] = [nan] * n_failed
    assert not rule.is_reached(values, 140)
    assert rule.is_reached(values[::-1], 140)


@pytest.mark.parametrize("rule", [PAPER, ORIGINAL])
@pytest.mark.parametrize(("dead", "stagnant"), [("first", False), ("last", True), ("all", True)])
def test_steps_in_which_everybody_failed_are_as_low_as_can_be(
    rule: Any, dead: str, stagnant: bool
) -> None:
    alive, failed = [[-9.0] * 6] * 70, [[nan] * 6] * 70
    values = {"first": failed + alive, "last": alive + failed, "all": failed + failed}[dead]
    assert rule.is_reached(values, 140) is stagnant


def by_hand(rule: Stagnation, values: Rows, n_steps: int) -> bool:
    """The definitions, without arrays."""
    if rule.kind == "paper":
        recent = values[-130:]
        head, tail = ([v for row in part for v in row] for part in (recent[:20], recent[-20:]))
        return median(head) >= median(tail) or max(head) >= max(tail)
    recent = values[-135:]
    n = int(0.3 * 135)
    best, middle = [max(row) for row in recent], [median(row) for row in recent]
    return all(median(h[:n]) >= median(h[-n:]) for h in (best, middle))


@pytest.mark.parametrize("rule", [PAPER, ORIGINAL])
@given(seed=st.integers(0, 10**6), drift=st.floats(-0.01, 0.01))
def test_both_are_their_definitions(rule: Stagnation, seed: int, drift: float) -> None:
    values = [
        [(seed * (i + 7) * (k + 3)) % 11 / 5 + drift * k for i in range(6)] for k in range(150)
    ]
    assert rule.is_reached(values, 150) is by_hand(rule, values, 150)

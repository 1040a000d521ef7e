"""Words and Lyndon words: counts and order by definition."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from qdx.signatures.basis import dimension, lyndon_places, lyndon_words, place, words
from qdx.signatures.guarded_esig import lyndon_from_hall

SIZES = [(c, n) for c in range(1, 6) for n in range(1, 6)]


@pytest.mark.parametrize(("channels", "depth"), SIZES)
def test_words_are_all_words_by_length_then_alphabetically(channels: int, depth: int) -> None:
    everything = {w for n in range(1, depth + 1) for w in product(range(channels), repeat=n)}
    assert words(channels, depth) == sorted(everything, key=lambda w: (len(w), w))
    assert dimension(channels, depth) == len(everything)
    assert [place(w, channels) for w in words(channels, depth)] == list(range(len(everything)))


@pytest.mark.parametrize(("channels", "depth"), SIZES)
def test_lyndon_words_are_smaller_than_all_their_rotations(channels: int, depth: int) -> None:
    by_definition = [
        w for w in words(channels, depth) if all(w < w[i:] + w[:i] for i in range(1, len(w)))
    ]
    assert lyndon_words(channels, depth) == by_definition
    assert dimension(channels, depth, log=True) == len(by_definition)
    everything = words(channels, depth)
    assert [everything[i] for i in lyndon_places(channels, depth)] == by_definition


@pytest.mark.parametrize(
    ("channels", "depth", "signature", "log_signature"),
    [(2, 2, 6, 3), (2, 5, 62, 14), (3, 2, 12, 6), (3, 5, 363, 80)],
)
def test_dimensions_are_those_of_the_thesis(
    channels: int, depth: int, signature: int, log_signature: int
) -> None:
    assert dimension(channels, depth) == signature
    assert dimension(channels, depth, log=True) == log_signature


@pytest.mark.parametrize(("channels", "depth"), [(1, 4), (2, 1), (2, 6), (3, 4), (5, 3)])
def test_esigs_basis_and_ours_are_one_lattice(channels: int, depth: int) -> None:
    matrix = lyndon_from_hall(channels, depth)
    assert (matrix == np.round(matrix)).all()
    assert abs(np.linalg.det(matrix)) == pytest.approx(1.0)

"""Signatures against esig, against a textbook, and against what is true of every signature."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy import ndarray as Array

import qdx
from qdx.core.errors import ConfigError, ShapeError
from qdx.signatures import guarded_esig, horner
from qdx.signatures.basis import dimension, lyndon_places, place, words
from qdx.signatures.transform import check_depth
from tests.reference import signature as textbook

LENGTHS = (1, 2, 3, 49, 50, 99, 100, 500, 1001)  # esig itself fails at 50, 99 and 500
NEEDS_FAST = pytest.mark.skipif(find_spec("pysiglib") is None, reason="needs the extra `fast`")
FAST_TOO = ["torch", pytest.param("pysiglib", marks=NEEDS_FAST)]
SLOW = [(5, 4), (6, 4), (4, 5), (5, 5), (6, 5)]
SIZES = [(c, n) for c in range(1, 7) for n in range(1, 6)]


def walks(n: int, length: int, channels: int, seed: int = 0) -> Array:
    """Random walks, (n, length, channels), whose extent does not grow with their length."""
    steps = np.random.default_rng([seed, length, channels]).normal(size=(n, length, channels))
    return steps.cumsum(axis=1) / np.sqrt(length)


def plain(paths: Any, depth: int, **options: Any) -> Any:
    """Signatures of the samples alone."""
    return qdx.signature(paths, depth, time=False, **options)


@functools.cache
def by_esig(channels: int, depth: int, length: int, log: bool) -> Array:
    return guarded_esig.signatures(walks(2, length, channels), depth, log)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("backend", FAST_TOO)
@pytest.mark.parametrize(
    ("channels", "depth"),
    [pytest.param(*s, marks=pytest.mark.slow) if s in SLOW else s for s in SIZES],
)
def test_agrees_with_esig(channels: int, depth: int, backend: str, log: bool) -> None:
    for length in LENGTHS:
        found = plain(walks(2, length, channels), depth, log=log, backend=backend)
        expected = by_esig(channels, depth, length, log)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("log", [False, True])
def test_agrees_with_esig_in_a_process_of_its_own(log: bool) -> None:
    paths = walks(2, 50, 2)
    np.testing.assert_array_equal(plain(paths, 3, log=log, backend="esig"), by_esig(2, 3, 50, log))


@pytest.mark.parametrize(("channels", "depth"), [(1, 6), (2, 5), (3, 4), (10, 2)])
@pytest.mark.parametrize("backend", FAST_TOO)
def test_agrees_with_a_textbook(channels: int, depth: int, backend: str) -> None:
    paths = walks(3, 17, channels)
    tensors = [textbook.signature(path, depth) for path in paths]
    found = plain(paths, depth, backend=backend)
    np.testing.assert_allclose(found, [textbook.flat(t) for t in tensors], rtol=0, atol=1e-12)
    logarithms = np.array([textbook.flat(textbook.logarithm(t)) for t in tensors])
    found = plain(paths, depth, log=True, backend=backend)
    expected = logarithms[:, lyndon_places(channels, depth)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_log_signature_of_a_square_is_its_area() -> None:
    square = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]])
    assert plain(square, 2, log=True).tolist() == [[0.0, 0.0, 1.0]]


# --- what is true of every signature


shapes = st.sampled_from([(1, 4), (2, 3), (3, 3), (2, 5)])
lengths = st.integers(2, 12)
seeds = st.integers(0, 2**20)
backends = st.sampled_from(["torch", "pysiglib"] if find_spec("pysiglib") else ["torch"])


def tensor(path: Array, depth: int, backend: str) -> Any:
    """The signature of one path, by the code under test, as levels."""
    row = plain(path[None], depth, backend=backend)[0]
    return textbook.unflat(row, path.shape[1], depth)


@given(shape=shapes, cut=lengths, more=lengths, seed=seeds, backend=backends)
def test_joined_paths_multiply(
    shape: tuple[int, int], cut: int, more: int, seed: int, backend: str
) -> None:
    """Chen's identity."""
    channels, depth = shape
    path = walks(1, cut + more, channels, seed)[0]
    halves = [tensor(half, depth, backend) for half in (path[:cut], path[cut - 1 :])]
    whole = textbook.flat(tensor(path, depth, backend))
    np.testing.assert_allclose(textbook.flat(textbook.product(*halves)), whole, atol=1e-11)


@given(shape=shapes, length=lengths, seed=seeds, backend=backends)
def test_going_back_undoes_everything(
    shape: tuple[int, int], length: int, seed: int, backend: str
) -> None:
    """Time reversal: the inverse."""
    channels, depth = shape
    path = walks(1, length, channels, seed)[0]
    there, back = (tensor(p, depth, backend) for p in (path, path[::-1].copy()))
    np.testing.assert_allclose(textbook.flat(textbook.product(there, back)), 0, atol=1e-11)


@given(shape=shapes, length=lengths, seed=seeds, backend=backends)
def test_speed_does_not_count_without_time(
    shape: tuple[int, int], length: int, seed: int, backend: str
) -> None:
    """Reparametrisation: further samples on the segments change nothing."""
    channels, depth = shape
    path = walks(1, length, channels, seed)[0]
    at = np.sort(np.append(np.arange(length), np.random.default_rng(seed).random(9) * (length - 1)))
    denser = np.column_stack([np.interp(at, np.arange(length), x) for x in path.T])
    found, expected = (plain(p[None], depth, backend=backend) for p in (denser, path))
    np.testing.assert_allclose(found, expected, atol=1e-11)


@given(shape=shapes, length=lengths, seed=seeds, backend=backends)
def test_products_of_coordinates_are_sums_over_shuffles(
    shape: tuple[int, int], length: int, seed: int, backend: str
) -> None:
    """The shuffle product: R. Ree, Annals of Mathematics 68, 1958."""
    channels, depth = shape
    row = plain(walks(1, length, channels, seed), depth, backend=backend)[0]
    some = words(channels, depth - 1)
    rng = np.random.default_rng(seed)
    u = some[rng.integers(len(some))]
    rest = words(channels, depth - len(u))
    v = rest[rng.integers(len(rest))]
    product = row[place(u, channels)] * row[place(v, channels)]
    shuffled = sum(row[place(w, channels)] for w in textbook.shuffles(u, v))
    assert product == pytest.approx(shuffled, abs=1e-11)


# --- bits


@pytest.mark.parametrize("backend", FAST_TOO)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("channels", "depth"), [(1, 3), (2, 4), (3, 3), (9, 3)])
def test_a_path_has_the_same_bits_in_any_batch(
    channels: int, depth: int, log: bool, backend: str
) -> None:
    paths = walks(70, 20, channels)
    whole = qdx.signature(paths, depth, log=log, backend=backend)
    for rows in ([0], [69], [3, 4], [66, 67, 68], list(range(5, 30)), list(range(69, -1, -1))):
        part = qdx.signature(paths[rows], depth, log=log, backend=backend)
        assert part.tobytes() == whole[rows].tobytes()


@pytest.mark.parametrize("backend", FAST_TOO)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("channels", "depth"), [(1, 3), (2, 4), (3, 5), (9, 3)])
def test_a_ragged_path_has_the_bits_of_the_path_cut_short(
    channels: int, depth: int, log: bool, backend: str
) -> None:
    paths = walks(24, 40, channels)
    alive = np.arange(24) + np.array([1, 17])[np.arange(24) % 2]
    spoilt = np.where(np.arange(40)[None, :, None] < alive[:, None, None], paths, np.nan)
    ragged = plain(spoilt, depth, log=log, lengths=alive, backend=backend)
    for row, n in enumerate(alive):
        alone = plain(paths[row : row + 1, :n], depth, log=log, backend=backend)
        assert alone.tobytes() == ragged[row].tobytes()


def test_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = walks(100, 9, 3)
    whole = qdx.signature(paths, 3, backend="torch")
    monkeypatch.setattr(horner, "CACHED", 27 * 32)
    monkeypatch.setattr(horner, "STEPS", 2)
    assert qdx.signature(paths, 3, backend="torch").tobytes() == whole.tobytes()


# --- channels


@pytest.mark.parametrize("log", [False, True])
def test_time_is_a_last_channel_that_stops_with_the_path(log: bool) -> None:
    paths, alive = walks(3, 11, 2), np.array([11, 1, 6])
    clock = np.minimum(np.arange(11), alive[:, None] - 1) / 10
    still = np.take_along_axis(paths, np.minimum(np.arange(11), alive[:, None] - 1)[..., None], 1)
    by_hand = plain(np.dstack([still, clock]), 3, log=log)
    found = qdx.signature(paths, 3, log=log, lengths=alive)
    assert found.tobytes() == by_hand.tobytes()


def test_time_tells_speeds_apart() -> None:
    line = np.linspace(0, 1, 9)[None, :, None]
    slow_then_fast = line**2
    np.testing.assert_allclose(plain(line, 3), plain(slow_then_fast, 3))
    assert np.abs(qdx.signature(line, 3) - qdx.signature(slow_then_fast, 3)).max() > 0.1


def test_only_a_basepoint_tells_where_a_path_starts() -> None:
    paths = walks(1, 9, 2)
    np.testing.assert_allclose(plain(paths, 3), plain(paths + 5.0, 3), atol=1e-12)
    moved = plain(paths + 5.0, 3, basepoint=True)
    from_origin = np.concatenate([np.zeros((1, 1, 2)), paths + 5.0], axis=1)
    assert moved.tobytes() == plain(from_origin, 3).tobytes()


# --- the door


@pytest.mark.parametrize("backend", [*FAST_TOO, "esig"])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("shape", [(0, 5, 2), (3, 1, 2)])
def test_no_paths_and_paths_of_one_sample(
    shape: tuple[int, int, int], log: bool, backend: str
) -> None:
    found = plain(np.ones(shape), 3, log=log, backend=backend)
    assert found.shape == (shape[0], dimension(2, 3, log=log))
    assert not found.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_come_back_as_arrays_and_tensors_as_tensors(dtype: Any) -> None:
    paths = walks(3, 8, 2).astype(dtype)
    array = qdx.signature(paths, 2)
    assert isinstance(array, np.ndarray)
    assert array.dtype == dtype
    made = qdx.signature(torch.from_numpy(paths), 2)
    assert isinstance(made, torch.Tensor)
    assert made.numpy().dtype == dtype
    assert made.numpy().tobytes() == array.tobytes()


def test_integers_lists_and_odd_layouts_are_read() -> None:
    paths = np.arange(24).reshape(2, 4, 3) % 5
    expected = qdx.signature(paths.astype(np.float64), 2)
    assert (qdx.signature(paths, 2) == expected).all()
    assert (qdx.signature(paths.tolist(), 2) == expected).all()
    transposed = np.asfortranarray(paths.astype(">f8"))
    transposed.flags.writeable = False
    assert (qdx.signature(transposed, 2) == expected).all()


@pytest.mark.parametrize("backend", FAST_TOO)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_place(bad: float, backend: str) -> None:
    paths = walks(4, 6, 2)
    paths[2, 3, 1] = bad
    said = f"paths: expected finite numbers, got {bad} in path 2, sample 3, channel 1."
    with pytest.raises(ConfigError, match=said) as error:
        qdx.signature(paths, 2, backend=backend)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"paths": np.ones((5, 2))}, r"paths: expected \(B, T, C\).* got \(5, 2\)"),
        ({"paths": np.ones((5, 0, 2))}, r"paths: expected \(B, T, C\).* got \(5, 0, 2\)"),
        ({"paths": np.ones((1, 2, 2), complex)}, "paths: expected real numbers, .*complex128"),
        ({"lengths": [1, 2]}, r"lengths: expected one per path, \(3,\), got \(2,\)"),
        ({"lengths": [0, 2, 4]}, "lengths: expected 1 to 4 samples, .* got 0 to 4"),
        ({"lengths": [1, 2, 5]}, "lengths: expected 1 to 4 samples, .* got 1 to 5"),
        ({"lengths": [1.0, 2.0, 3.0]}, "lengths: expected integers, got torch.float64"),
    ],
)
def test_bad_input_gets_one_clear_line(arguments: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        qdx.signature(**{"paths": walks(3, 4, 2), "depth": 2, **arguments})


@pytest.mark.parametrize("depth", [0, -1, 2.0, "2", None])
def test_a_depth_that_is_none_is_refused(depth: Any) -> None:
    with pytest.raises(ConfigError, match=f"depth: expected an integer ≥ 1, got {depth!r}"):
        check_depth(depth)


def test_a_shape_error_is_one() -> None:
    with pytest.raises(ShapeError):
        qdx.signature(np.ones(3), 2)

"""esig 1.0.0 with its known defects kept out: the reference that others are compared with.

* Its sample times come from `np.arange(0, 1, 1 / (T - 1))`, which has an element too many for one
  length in fifteen, 50, 99, 500 and 1500 among them; such paths raise ValueError. Here the times
  are `np.linspace`, through its public `set_backend`.
* `set_backend` holds for the calling thread only, so it is called each time.
* It loses some 190 bytes of memory per time step, for good. `python -m qdx.signatures.guarded_esig`
  is the process that `reference` starts, and that ends before much is lost.
* `sigdim` and `logsigdim` are wrong at depth 1; dimensions come from `basis`.
* NaN passes silently; paths are checked before they come here.

Its log-signatures are in a Hall basis; `lyndon_from_hall` takes them to those of Lyndon words.
"""

from __future__ import annotations

import functools
import io
import json
import sys
from typing import Any

import esig
import numpy as np
import roughpy
from esig.backends import RoughPyBackend
from jaxtyping import Float64
from numpy import ndarray as Array

from qdx.signatures import basis

Polynomial = dict[basis.Word, int]  # coefficients of words


class EvenTimes(RoughPyBackend):  # type: ignore[misc]  # esig's own extension point
    """esig's backend with sample times that exist for every length."""

    def prepare_stream(self, stream_data: Any, depth: int) -> Any:
        n_samples, width = stream_data.shape
        return roughpy.LieIncrementStream.from_increments(
            np.diff(stream_data, axis=0),
            indices=np.linspace(0.0, 1.0, n_samples - 1, endpoint=False),
            ctx=roughpy.get_context(width, depth, roughpy.DPReal),
        )


def signatures(
    paths: Float64[Array, "B T C"], depth: int, log: bool = False
) -> Float64[Array, "B D"]:
    """Signatures, or log-signatures in coordinates of Lyndon words, a path at a time."""
    n, length, channels = paths.shape
    found = np.zeros((n, basis.dimension(channels, depth, log=log)))
    if length == 1:
        return found  # a path that never moved
    esig.set_backend(EvenTimes)
    for row, path in enumerate(paths):  # esig takes one path a call
        if log:
            found[row] = esig.stream2logsig(path, depth) @ lyndon_from_hall(channels, depth)
        else:
            found[row] = esig.stream2sig(path, depth)[1:]
    return found


@functools.cache
def lyndon_from_hall(channels: int, depth: int) -> Float64[Array, "L L"]:
    """Right factor that takes esig's Hall coordinates to those of Lyndon words.

    Row h holds the coefficients of Lyndon words in the h-th bracket of `esig.logsigkeys`, written
    out: [u, v] = u ⊗ v - v ⊗ u. Small integers, determinant ±1.
    """
    column = {word: i for i, word in enumerate(basis.lyndon_words(channels, depth))}
    brackets = [json.loads(key) for key in esig.logsigkeys(channels, depth).split()]
    matrix = np.zeros((len(column), len(column)))
    for row, bracket in enumerate(brackets):
        for word, coefficient in _written_out(bracket).items():
            if word in column:
                matrix[row, column[word]] = coefficient
    return matrix


def _written_out(bracket: Any) -> Polynomial:
    """A letter or a pair of brackets as a polynomial of words."""
    if isinstance(bracket, int):
        return {(bracket - 1,): 1}
    u, v = map(_written_out, bracket)
    made: Polynomial = {}
    for a, x in u.items():
        for b, y in v.items():
            made[a + b] = made.get(a + b, 0) + x * y
            made[b + a] = made.get(b + a, 0) - x * y
    return made


def main() -> None:
    """Paths, depth and log from stdin, signatures to stdout, both as NumPy writes them."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        found = signatures(given["paths"], int(given["depth"]), bool(given["log"]))
    np.save(sys.stdout.buffer, found, allow_pickle=False)


if __name__ == "__main__":
    main()

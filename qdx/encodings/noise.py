"""Streams of standard normal noise, the same on every worker: what seeds of chains stand for.

Two streams, (seed, n) to n float32 numbers:

* `table`: a slice of one fixed table, as Such et al., "Deep neuroevolution: genetic algorithms are
  a competitive alternative for training deep neural networks for reinforcement learning", 2017
  (arXiv 1712.06567) do it. The table is NumPy's frozen legacy stream `RandomState(123).randn`, so
  theirs with 250 000 000 entries. It is made once, kept as a file, mapped into memory by every
  process, and its SHA-256 is compared at opening, so that two workers cannot hold two tables.
* `philox`: counter-based, no memory. The words of Philox4x64-10 (Salmon et al. 2011) keyed by the
  seed, whose raw stream NumPy freezes, are cut into 16 bits, and each picks the middle quantile of
  one of 65 536 equally likely parts of the normal distribution. Integers and one look-up: the same
  bits on every machine, where logarithms and cosines differ in the last one. The distribution has
  65 536 values, none beyond 4.33, and a variance of 0.99998.

A table is faster; but two slices of it may overlap, and seeds number as many as it has entries.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt64
from numpy import ndarray as Array
from scipy.special import ndtri

from qdx.core.errors import ConfigError, MachineError

TABLE_SEED = 123  # of the released code's table
CHUNK = 1 << 22  # entries drawn at a time: float64 in between would be twice the table
# SHA-256 of the tables of some lengths, little-endian float32.
TABLES = {
    1 << 16: "09b86e5009b2a8ba3455810396061aca66e0a08ba60ccf28f2d3f75af77f0d97",
    1 << 20: "48dab7a61f2898574dcb46395bf5719d2f5e0a694ea9111bcfb11382fd60eba3",
    25_000_000: "06b7379087d73ec6718324f70a491dfcd6de9bc84eee8b834c04d14380da54d8",
    250_000_000: "89de6e0b1b4a44ef510ab261ec6484ec6afe9100a6bec7413219454fbb457db2",
}
QUANTILES = 1 << 16
QUANTILES_SHA = "1cfbba1e07e34386a57626f82aeb43e6ed54ba70a3ea6b7d964dc66a841074a8"
_MAKING = threading.Lock()


@runtime_checkable
class Noise(Protocol):
    """Seeds and what they stand for. Implementations are hashable and picklable."""

    def seeds(self, n: int, length: int, rng: np.random.Generator) -> UInt64[Array, " n"]:
        """Seeds, uniform among those that noise of this length may have."""
        ...

    def fill(self, seed: int, start: int, out: Float32[Array, " n"]) -> None:
        """Write numbers `start` to `start + n` of the noise of a seed; `start` divides by 16.

        Raises:
            ConfigError: A seed that this stream does not have.
        """
        ...


@final
@dataclass(frozen=True)
class Table:
    """Slices of one table.

    Attributes:
        entries: Its length.
        folder: Where the file is kept; empty for `default_folder()`.
    """

    entries: int
    folder: str = ""

    def seeds(self, n: int, length: int, rng: np.random.Generator) -> UInt64[Array, " n"]:
        self._refuse_longer(length)
        return rng.integers(0, self.entries - length, n, np.uint64, endpoint=True)

    def fill(self, seed: int, start: int, out: Float32[Array, " n"]) -> None:
        values = open_table(self.entries, self.folder)
        if seed + start + len(out) > self.entries:
            raise ConfigError(
                f"encoding.entries: expected a table in which slice {seed} ends, got "
                f"{self.entries}. Give the length that the genomes were made with."
            )
        out[:] = values[seed + start : seed + start + len(out)]

    def _refuse_longer(self, length: int) -> None:
        if length > self.entries:
            raise ConfigError(
                f"encoding.entries: expected at least the {length} parameters of the policy, got "
                f"{self.entries}."
            )


@final
@dataclass(frozen=True)
class Philox:
    """A stream for every seed of 64 bits."""

    def seeds(self, n: int, length: int, rng: np.random.Generator) -> UInt64[Array, " n"]:
        return rng.integers(0, 2**64 - 1, n, np.uint64, endpoint=True)

    def fill(self, seed: int, start: int, out: Float32[Array, " n"]) -> None:
        bits = np.random.Philox(key=seed)
        bits.advance(start // 16)  # a counter is four words, sixteen numbers
        words = bits.random_raw(-(-len(out) // 4)).astype("<u8", copy=False)
        np.take(quantiles(), words.view("<u2")[: len(out)], out=out)


def default_folder() -> Path:
    """Where tables lie: QDX_CACHE, or qdx in the user's cache."""
    own = os.environ.get("QDX_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(cache) / "qdx"


@functools.cache
def quantiles() -> Float32[Array, " Q"]:
    """Middle quantiles of the normal distribution, checked.

    Raises:
        MachineError: This SciPy computes others.
    """
    values = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES).astype("<f4")
    if hashlib.sha256(values.tobytes()).hexdigest() != QUANTILES_SHA:
        raise MachineError(
            "encoding.noise: the normal quantiles computed here are not the documented ones, so "
            "genomes would decode to other weights. Use another version of scipy."
        )
    values.flags.writeable = False
    return values


def open_table(entries: int, folder: str = "") -> Float32[Array, " N"]:
    """The table of a length, mapped into memory; made first where it is not there yet.

    Raises:
        MachineError: The file is not the documented table, or cannot be written.
    """
    with _MAKING:
        return _opened(entries, str(folder or default_folder()))


@functools.cache
def _opened(entries: int, folder: str) -> Float32[Array, " N"]:
    file = Path(folder) / f"noise-{TABLE_SEED}-{entries}.f32"
    try:
        if not file.exists():
            _make(file, entries)
        table = np.memmap(file, "<f4", "r")
        known, found = _known(file, entries), _digest(table)
    except (OSError, ValueError) as error:
        raise MachineError(f"encoding: the noise table {file} cannot be used ({error}).") from error
    if len(table) != entries or found != known:
        raise MachineError(
            f"encoding: expected the noise table {file} to have SHA-256 {known}, got {found}. "
            "Remove the file; it is made again."
        )
    return np.asarray(table)


def _known(file: Path, entries: int) -> str:
    """The documented digest, else the one written beside the file when it was made."""
    return TABLES.get(entries) or file.with_suffix(".sha256").read_text().strip()


def _digest(table: Array) -> str:
    sha = hashlib.sha256()
    for start in range(0, len(table), CHUNK):
        sha.update(table[start : start + CHUNK].tobytes())
    return sha.hexdigest()


def _make(file: Path, entries: int) -> None:
    """Write beside, then rename: another process sees all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rng, sha = np.random.RandomState(TABLE_SEED), hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as stream:
        for start in range(0, entries, CHUNK):
            part = rng.randn(min(CHUNK, entries - start)).astype("<f4").tobytes()
            sha.update(part)
            stream.write(part)
    digest = file.with_suffix(".sha256")
    digest.write_text(sha.hexdigest() + "\n")
    Path(stream.name).replace(file)

"""`qdx.signature`: the door, and the choice of a backend.

All backends give the same numbers in the same order (`basis`), within rounding:

    torch      this package's own, on CPU and CUDA
    pysiglib   a compiled library for the CPU (extra `fast`), the fastest there
    esig       the reference, one path at a time; slow, for comparisons
"""

from __future__ import annotations

import functools
import importlib
import threading
from importlib.util import find_spec
from numbers import Integral
from typing import Any, Final, Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from qdx.core.errors import ConfigError
from qdx.signatures import basis, door, horner, reference
from qdx.signatures.logarithm import flat, logarithm
from qdx.signatures.threads import one_thread

Backend = Literal["auto", "torch", "pysiglib", "esig"]
BACKENDS: Final = ("auto", "torch", "pysiglib", "esig")
FEWEST: Final = 16  # paths that pysiglib is given at least
SHORTEST: Final = 16  # samples of a path that pysiglib is given at least


def signature(
    paths: Any,
    depth: int,
    *,
    log: bool = False,
    time: bool = True,
    basepoint: bool = False,
    lengths: Any = None,
    backend: Backend = "auto",
) -> Any:
    """Truncated signatures of a batch of piecewise linear paths.

    The order of the numbers: by word length, then alphabetically; `qdx.signatures.basis` lists the
    words. Computed in float64. No gradient is kept.

    Args:
        paths: (B, T, C) samples, a NumPy array or a torch tensor.
        depth: N, the longest word, 1 ≤ N.
        log: The log-signature instead, in the coordinates of Lyndon words.
        time: Time is a further, last channel: 0 at the first sample, 1 at the last of T. It stops
            where a path ends early.
        basepoint: Paths begin at the origin, so that the first sample counts too.
        lengths: (B,) live samples of each path; what lies beyond is never looked at.
        backend: auto, torch, pysiglib or esig; auto is pysiglib where it is installed and the paths
            are on the CPU, else torch.

    Returns:
        (B, D) of the kind that was given: float32 for float32, else float64; a tensor on the device
        of the paths for a tensor.

    Raises:
        ShapeError: Paths or lengths of another shape.
        ConfigError: Numbers that are not finite, lengths out of range, no such backend.
    """
    given = door.as_paths(paths)
    check_depth(depth)
    chosen = choose(backend, given.device.type)
    alive = door.as_lengths(lengths, given)
    ready = door.frozen(given, alive)
    if time:
        ready = door.with_time(ready, alive)
    if basepoint:
        ready = door.with_basepoint(ready)
    found = coordinates(ready, depth, log=log, backend=chosen)
    if isinstance(paths, Tensor):
        return found.to(torch.float32) if paths.dtype == torch.float32 else found
    numbers = found.numpy()
    return numbers.astype("float32") if getattr(paths, "dtype", None) == "float32" else numbers


def check_depth(depth: Any) -> None:
    """Refuse a depth that is none.

    Raises:
        ConfigError: No integer, or below 1.
    """
    if not isinstance(depth, Integral) or int(depth) < 1:
        raise ConfigError(f"depth: expected an integer ≥ 1, got {depth!r}. 2 to 4 are usual.")


def choose(backend: str, device: str = "cpu") -> str:
    """The backend that a name stands for on this machine: `auto` is settled.

    Raises:
        ConfigError: No such backend, not installed, or not for this device.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend!r}.")
    if backend == "auto":
        return "pysiglib" if device == "cpu" and is_fast_installed() else "torch"
    if backend == "pysiglib" and not is_fast_installed():
        raise ConfigError(
            "backend: pysiglib is not installed here. pip install 'qdx[fast]', or use torch."
        )
    if backend != "torch" and device != "cpu":
        raise ConfigError(f"backend: expected torch for paths on {device}, got {backend!r}.")
    return backend


def is_fast_installed() -> bool:
    """Whether pysiglib can be imported; it is not imported for that."""
    return find_spec("pysiglib") is not None


@one_thread()
def coordinates(
    ready: Float64[Tensor, "B T C"], depth: int, *, log: bool, backend: str
) -> Float64[Tensor, "B D"]:
    """Signatures of finite paths as they are, by a backend that `choose` has settled.

    On one core: steps are too short to be worth sharing, and workers share the cores already.
    """
    if backend == "torch":
        return _torch(ready, depth, log)
    if backend == "pysiglib":
        return _pysiglib(ready, depth, log)
    return torch.from_numpy(reference.signatures(ready.numpy(), depth, log))


def _torch(ready: Float64[Tensor, "B T C"], depth: int, log: bool) -> Float64[Tensor, "B D"]:
    n, _, channels = ready.shape
    places = basis.lyndon_places(channels, depth) if log else None
    size = basis.dimension(channels, depth) if places is None else len(places)
    found = torch.empty((n, size), dtype=torch.float64, device=ready.device)
    rows = horner.rows_of_chunk(n, channels, depth, ready.device)
    with torch.inference_mode():
        for start in range(0, n, rows):
            some = ready[start : start + rows]
            fold = horner.Fold(rows, channels, depth, ready.device)
            fold.extend(horner.increments(some, rows))
            levels = fold.levels()
            numbers = flat(levels) if places is None else flat(logarithm(levels))[places]
            found[start : start + rows] = numbers.T[: len(some)]
    return found


def _pysiglib(ready: Float64[Tensor, "B T C"], depth: int, log: bool) -> Float64[Tensor, "B D"]:
    library = importlib.import_module("pysiglib")  # an extra
    whole = _not_small(ready)
    if log:
        _prepare(ready.shape[2], depth)
        found: Tensor = library.log_sig(whole, depth, method=1)  # 1: coordinates of Lyndon words
    else:
        found = library.sig(whole, depth)
    return found if len(found) == len(ready) else found[: len(ready)].clone()


def _not_small(ready: Float64[Tensor, "B T C"]) -> Float64[Tensor, "_ _ C"]:
    """Paths as pysiglib always rounds alike.

    Batches below 4 and paths below 16 samples go through other code of it. So small batches get
    paths that do not move, and short paths samples that do not.
    """
    n, length, channels = ready.shape
    if n >= FEWEST and length >= SHORTEST:
        # through NumPy, which makes a tensor of its own of what torch would call a view
        return torch.from_numpy(ready.contiguous().numpy())
    whole = torch.zeros((max(n, FEWEST), max(length, SHORTEST), channels), dtype=torch.float64)
    whole[:n, :length] = ready
    whole[:n, length:] = ready[:, -1:]
    return whole


_PREPARING = threading.Lock()  # pysiglib's preparation is not thread safe


def _prepare(channels: int, depth: int) -> None:
    with _PREPARING:
        _prepare_once(channels, depth)


@functools.cache
def _prepare_once(channels: int, depth: int) -> None:
    importlib.import_module("pysiglib").prepare_log_sig(channels, depth, 1, device="cpu")

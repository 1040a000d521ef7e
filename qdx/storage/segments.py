"""Segments: what one commit adds to the tables, and the arrays of a state, as safetensors bytes.

A tensor's key is `<table>#added/<column>`, `<table>#removed` or `<table>#reset`; in a state segment
`<part>#<array>`. Table and part are percent-encoded except for slashes, so the first `#` always
ends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from jaxtyping import Int64
from numpy import ndarray as Array
from safetensors.numpy import load, save

from qdx.core.errors import ConfigError, ShapeError
from qdx.core.types import State

Columns = dict[str, Array]
Schema = dict[str, tuple[str, tuple[int, ...]]]  # column → dtype and shape of one row

_DTYPES = frozenset(
    ["bool", "float16", "float32", "float64", "complex64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_NO_IDS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Delta:
    """What a commit changes in one table: first the reset, then the removals, then the additions.

    Attributes:
        added: Columns of the new rows, "id" (int64, without repeats) among them; empty for no rows.
            They go to the end of the table; an id that is in the table already is replaced and
            moves to the end.
        removed: Ids that leave the table; ids it does not hold are ignored.
        reset: Forget all earlier rows. Only then may the set of columns change.
    """

    added: Mapping[str, Array]
    removed: Int64[Array, " R"]
    reset: bool = False

    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.reset or len(self.removed) or len(ids(self)))


def ids(delta: Delta) -> Array:
    """The ids of the added rows."""
    return delta.added.get("id", _NO_IDS)


def encode_tables(deltas: Mapping[str, Delta]) -> bytes:
    """The bytes of a segment; deltas that change nothing take no room."""
    tensors: Columns = {}
    for table, delta in deltas.items():
        name = quote(table)
        if len(ids(delta)):
            tensors |= {f"{name}#added/{column}": a for column, a in delta.added.items()}
        if len(delta.removed):
            tensors[f"{name}#removed"] = delta.removed
        if delta.reset:
            tensors[f"{name}#reset"] = np.array(True)
    return _save(tensors)


def decode_tables(data: bytes) -> dict[str, Delta]:
    """The deltas of a segment, without those that change nothing."""
    added: dict[str, Columns] = {}
    others: dict[str, Columns] = {}
    for key, tensor in load(data).items():
        name, what = key.split("#", 1)
        kind, _, column = what.partition("/")
        if kind == "added":
            added.setdefault(unquote(name), {})[column] = tensor
        else:
            others.setdefault(unquote(name), {})[kind] = tensor
    return {
        table: Delta(
            added.get(table, {}),
            others.get(table, {}).get("removed", _NO_IDS),
            reset="reset" in others.get(table, {}),
        )
        for table in added.keys() | others.keys()
    }


def encode_states(states: Mapping[str, State]) -> bytes | None:
    """The arrays of all parts, or None where there are none."""
    tensors: Columns = {}
    for part, state in states.items():
        for name, array in state.arrays.items():
            _refuse_dtype(f"state {part!r}, array {name!r}", array)
            tensors[f"{quote(part)}#{name}"] = array
    return _save(tensors) if tensors else None


def decode_states(data: bytes) -> dict[str, Columns]:
    """Part → its arrays."""
    parts: dict[str, Columns] = {}
    for key, tensor in load(data).items():
        part, name = key.split("#", 1)
        parts.setdefault(unquote(part), {})[name] = tensor
    return parts


def check_delta(table: str, delta: Delta, *, known: Schema | None) -> Schema | None:
    """The table's schema after this delta.

    Raises:
        ConfigError: Ids are missing, repeated or not int64, or a column has a dtype that cannot be
            stored.
        ShapeError: Columns disagree in length, or with the columns the table had so far.
    """
    _check_ids(f"table {table!r}: removed", delta.removed)
    if not delta.added:
        return known
    if "id" not in delta.added:
        raise ConfigError(f"table {table!r}: expected a column 'id', got {sorted(delta.added)}.")
    for column, array in delta.added.items():
        _refuse_dtype(f"table {table!r}, column {column!r}", array)
        if array.ndim == 0 or len(array) != len(ids(delta)):
            raise ShapeError(
                f"table {table!r}, column {column!r}: expected {len(ids(delta))} rows as in 'id', "
                f"got shape {array.shape}."
            )
    _check_ids(f"table {table!r}: added ids", ids(delta))
    if len(np.unique(ids(delta))) != len(ids(delta)):
        raise ConfigError(f"table {table!r}: expected each added id once, got repeats.")
    schema = {column: (a.dtype.name, a.shape[1:]) for column, a in delta.added.items()}
    if known is not None and schema != known and not delta.reset:
        raise ShapeError(
            f"table {table!r}: expected the columns {known} as in earlier commits, got {schema}. "
            "Only a delta with reset=True may change them."
        )
    return schema if known is None or delta.reset else known


def empty_columns(schema: Schema) -> Columns:
    """A table of no rows."""
    return {column: np.zeros((0, *row), dtype) for column, (dtype, row) in schema.items()}


def _check_ids(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.int64 or array.ndim != 1:
        got = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
        raise ConfigError(f"{name}: expected int64 (R,), got {got}.")


def _refuse_dtype(name: str, array: Any) -> None:
    if not isinstance(array, np.ndarray) or array.dtype.name not in _DTYPES:
        got = getattr(array, "dtype", type(array).__name__)
        raise ConfigError(
            f"{name}: expected a numpy array of {', '.join(sorted(_DTYPES))}, got {got}."
        )


def _save(tensors: Columns) -> bytes:
    # safetensors copies raw memory, so an array must lie in C order; asarray keeps zero dimensions.
    return save({key: np.asarray(array, order="C") for key, array in tensors.items()})

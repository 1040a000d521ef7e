"""What a user wrote in a section, checked against its dataclass: a sentence for each mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from qdx.assembly.tables import did_you_mean


def read_values(schema: Any, values: Any, path: str, problems: list[str]) -> Any:
    """Values into a dataclass, or None and a problem per mistake."""
    if not isinstance(values, Mapping):
        problems.append(f"{path}: expected a mapping, got {values!r}.")
        return None
    known = [f.name for f in fields(schema)]
    unknown = [k for k in values if k not in known]
    for key in unknown:
        where = f"{path}.{key}" if path else str(key)
        problems.append(f"{where}: unknown key.{did_you_mean(key, known)}")
    if any(not isinstance(k, str) for k in values):
        return None
    types = get_type_hints(schema)
    odd = [
        k
        for k, v in values.items()
        if (isinstance(v, bool) and types.get(k) is not bool) or not _is_finite(v)
    ]
    for key in odd:
        where = f"{path}.{key}" if path else str(key)
        problems.append(f"{where}: expected a finite number or a name, got {values[key]!r}.")
    if odd:
        return None
    try:
        adapter = TypeAdapter(schema, config=None if is_dataclass(schema) else ConfigDict())
        kept = {k: _number(v) for k, v in values.items() if k in known}
        return adapter.validate_python(kept)
    except ValidationError as error:
        problems.extend(_sentence(path, detail) for detail in error.errors())
        return None


def _is_finite(value: Any) -> bool:
    """Whether a value, and every number in it, is no infinity and no NaN."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _number(value: Any) -> Any:
    """`1e5` as people write it, which YAML 1.1 reads as text."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        return float(value)
    return value


def _sentence(path: str, detail: ErrorDetails) -> str:
    """A finding of pydantic in the house's four parts."""
    where = ".".join([path] * bool(path) + [str(part) for part in detail["loc"]])
    if detail["type"] == "missing":
        return f"{where}: missing. Give it a value."
    if detail["type"] == "unexpected_keyword_argument":
        return f"{where}: unknown key."
    if detail["type"] == "predicate_failed":
        return (
            f"{where}: expected letters, digits and `_ . + -`, for it names the run's directory, "
            f"got {detail['input']!r}."
        )
    expected = re.sub(r"^Input should be ", "", detail["msg"])
    if detail["type"] == "bool_parsing":
        expected = "true or false"
    return f"{where}: expected {expected}, got {detail['input']!r}."

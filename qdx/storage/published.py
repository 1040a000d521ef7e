"""What islands publish: numbered, immutable files in a folder that all of them see.

    island-00001/config.yaml                        what the island is
    island-00001/moment-00000003.safetensors        what its archives took in before moment 3

A file is put in place whole or not at all, and never again: the first one stands. Its tensors are
columns of the table `records`, `last` (whether the island ends there), and `sha256`, of all others.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from numpy import ndarray as Array
from safetensors import SafetensorError
from safetensors.numpy import load, save

from qdx.core.errors import DamagedRunError
from qdx.storage.files import fsync_folder, machine_errors, write_file

_NAME = re.compile(r"moment-(\d{8,})\.safetensors")


class Published(NamedTuple):
    """What an island published at a moment.

    Attributes:
        columns: As in the table `records`, so without descriptors.
        is_last: No later moment follows.
    """

    columns: Mapping[str, Array]
    is_last: bool


def island_folder(folder: Path, island: int) -> Path:
    """Where an island publishes."""
    return folder / f"island-{island:05d}"


def publish(folder: Path, moment: int, published: Published) -> None:
    """Put the file of a moment in place, unless it is there.

    Raises:
        MachineError: The disk did not take it.
    """
    path = folder / _name(moment)
    if path.exists():
        return
    tensors = {**published.columns, "last": np.array(published.is_last)}
    tensors = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    tensors["sha256"] = _checksum(tensors)
    with machine_errors(folder, "Nothing was published", then="resume"):
        folder.mkdir(parents=True, exist_ok=True)
        write_file(path, save(tensors))
        fsync_folder(folder)


def moments(folder: Path) -> list[int]:
    """The moments an island has published."""
    if not folder.is_dir():
        return []
    matches = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    return sorted(int(match[1]) for match in matches if match)


def read_moment(folder: Path, moment: int) -> Published | None:
    """What an island published at a moment, as `Publications` have it."""
    return Publications(folder).read(moment)


@final
class Publications:
    """What one island publishes, as another one reads it who may have to wait for it."""

    def __init__(self, folder: Path) -> None:
        """Nothing read yet."""
        self._folder = folder
        self._ends: dict[int, bool] = {}  # moments read → whether the island ended there

    def read(self, moment: int) -> Published | None:
        """What it published at a moment; nothing where it ended before, None if not yet.

        Raises:
            DamagedRunError: The file is not what was written.
        """
        there = moments(self._folder)
        if moment in there:
            return self._read(moment)
        newest = there[-1] if there else 0
        if not 0 < newest < moment:
            return None
        if newest not in self._ends:  # for who waits looks often
            self._read(newest)
        return Published({}, True) if self._ends[newest] else None

    def _read(self, moment: int) -> Published:
        published = _read(self._folder / _name(moment))
        self._ends[moment] = published.is_last
        return published


def _name(moment: int) -> str:
    return f"moment-{moment:08d}.safetensors"


def _read(path: Path) -> Published:
    with machine_errors(path.parent, "Nothing was taken in", then="resume"):
        data = path.read_bytes()
    try:
        tensors = load(data)
        is_sound = bool((tensors.pop("sha256") == _checksum(tensors)).all())
    except (SafetensorError, KeyError):
        is_sound = False
    if not is_sound:
        raise DamagedRunError(f"{path}: damaged. Put it back from a copy.")
    is_last = bool(tensors.pop("last"))
    return Published(tensors, is_last)


def _checksum(tensors: Mapping[str, Array]) -> Array:
    sha = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        sha.update(f"{name} {values.dtype.name} {values.shape}".encode())
        sha.update(np.ascontiguousarray(values).tobytes())
    return np.frombuffer(sha.digest(), np.uint8)

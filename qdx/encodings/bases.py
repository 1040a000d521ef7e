"""Dense bases: now and then a decoded policy on disk, so that no chain is decoded from its start.

A base is a cache entry that outlives its process, known by the digest of its chain and checked when
read. Whatever is missing or damaged is decoded again, to the same bits.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from qdx.core.errors import MachineError
from qdx.encodings.noise import default_folder

SHA_BYTES = 32
NAME_LETTERS = 32


@final
@dataclass(frozen=True)
class Bases:
    """Files of little-endian float32, then their SHA-256.

    Attributes:
        every: Mutations between two bases of a lineage.
        folder: Where they lie, in `bases`; empty for the user's cache.
        of: Policy and noise they belong to.
    """

    every: int
    folder: str = ""
    of: str = ""

    def is_due(self, depth: int) -> bool:
        """Whether a policy after so many mutations is a base."""
        return depth > 0 and depth % self.every == 0

    def find(self, key: bytes, length: int) -> Float32[Array, " G"] | None:
        """A base, or None where there is no sound one."""
        file = self._file(key)
        if not file.exists():
            return None
        data = file.read_bytes()
        values, sha = data[:-SHA_BYTES], data[-SHA_BYTES:]
        if hashlib.sha256(values).digest() != sha or len(values) != 4 * length:
            return None
        return np.frombuffer(values, "<f4").astype(np.float32, copy=False)

    def keep(self, key: bytes, policy: Float32[Array, " G"]) -> None:
        """Write one that is not there yet, beside and then renamed.

        Raises:
            MachineError: The disk does not take it.
        """
        file = self._file(key)
        if file.exists():
            return
        values = policy.astype("<f4", copy=False).tobytes()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as stream:
                stream.write(values + hashlib.sha256(values).digest())
            Path(stream.name).replace(file)
        except OSError as error:
            raise MachineError(
                f"encoding.bases_every: {file} cannot be written ({error}). Free some room, or set "
                "it to 0."
            ) from error

    def _file(self, key: bytes) -> Path:
        name = hashlib.sha256(self.of.encode() + key).hexdigest()[:NAME_LETTERS]
        return Path(self.folder or default_folder()) / "bases" / f"{name}.f32"

"""esig as a backend, in processes of its own: it never gives back some of the memory it takes.

A process costs about a second and serves as many paths as lose it 256 MiB.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64
from numpy import ndarray as Array

from qdx.core.errors import QdxError
from qdx.signatures import basis

LOSS: Final = 2**28  # bytes a process may lose
LOST_A_STEP: Final = (120, 25)  # bytes lost per time step: so many, and so many more per channel
ROOT: Final = Path(__file__).parents[2]  # where a child finds this very package


def signatures(paths: Float64[Array, "B T C"], depth: int, log: bool) -> Float64[Array, "B D"]:
    """As `guarded_esig.signatures`, without its loss of memory.

    Raises:
        QdxError: A process ended badly.
    """
    n, length, channels = paths.shape
    fixed, more = LOST_A_STEP
    served = max(1, LOSS // (length * (fixed + more * channels)))
    blocks = [_in_a_process(paths[i : i + served], depth, log) for i in range(0, n, served)]
    nothing = np.zeros((0, basis.dimension(channels, depth, log=log)))
    return np.concatenate([nothing, *blocks])


def _in_a_process(paths: Float64[Array, "B T C"], depth: int, log: bool) -> Float64[Array, "B D"]:
    given = io.BytesIO()
    np.savez(given, paths=paths, depth=depth, log=log)
    found = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "qdx.signatures.guarded_esig"],
        input=given.getvalue(),
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": found},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise QdxError(f"esig: its process ended with {done.returncode}: {(said or ['?'])[-1]}")
    numbers: Array = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return numbers

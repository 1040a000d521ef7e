"""Curling beside the Box2D Python package, policy included on both sides, one core.

Run: `python -m benchmarks.curling`. Needs Box2D 2.3.10 (the wheel on PyPI).
"""

import subprocess
import sys

import numpy as np

from benchmarks.timing import pin_to_one_core, side_by_side
from qdx.core.types import Genomes
from qdx.observers.sampling import Final
from qdx.policies.mlp import Mlp
from qdx.rollout.device import open_warp
from qdx.rollout.fused import FusedRollout
from qdx.tasks.curling import Curling

BATCH, BOX2D_BATCH, STEPS = 400, 20, 500
ROUNDS = 5
WANTED = 15  # times the Python package per core


def genes(batch: int) -> np.ndarray:
    drawn = np.random.default_rng(1).standard_normal((batch, 94))
    return np.clip(drawn, -5, 5).astype(np.float32)


def one_core() -> list[str]:
    """Random controllers in turn in qdx and in a Python loop over Box2D, as lean as it goes."""
    from tests.reference.curling_box2d import rollout

    pin_to_one_core()
    open_warp()
    zeros = np.zeros(BATCH, np.int32)
    batch = Genomes(np.arange(BATCH), genes(BATCH), np.full(BATCH, -1), zeros, zeros)
    ours = FusedRollout(Curling(), Mlp(6, 2, 5, 3), Final())
    seconds = side_by_side(
        {
            "qdx": lambda: ours(batch),
            "box2d": lambda: [rollout(genome) for genome in genes(BOX2D_BATCH)],
        },
        ROUNDS,
    )
    rate = {"qdx": BATCH * STEPS / seconds["qdx"], "box2d": BOX2D_BATCH * STEPS / seconds["box2d"]}
    return [
        f"qdx, one core                      {rate['qdx'] / 1e6:6.3f} M individual-steps/s",
        f"  beside the Box2D package         {rate['qdx'] / rate['box2d']:6.1f}x"
        f"   ({rate['box2d'] / 1e6:.3f} M; wanted {WANTED}x)",
    ]


def table() -> list[str]:
    """A process of its own, so that pinning does not outlive it."""
    command = [
        sys.executable,
        "-c",
        "from benchmarks.curling import *; print(*one_core(), sep='\\n')",
    ]
    pinned = subprocess.run(command, capture_output=True, text=True, check=True)
    return pinned.stdout.rstrip().split("\n")


if __name__ == "__main__":
    print(*table(), sep="\n")

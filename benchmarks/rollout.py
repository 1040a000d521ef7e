"""HardMaze at batch 200: individual-steps/s beside two frozen versions, and two threads beside one.

Run: `python -m benchmarks rollout`.
"""

from statistics import median

import numpy as np

from benchmarks.frozen import naive_warp_hard_maze, torch_hard_maze
from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core, side_by_side
from qdx.assembly.config import load
from qdx.assembly.parts import build_executor, build_rollout
from qdx.core.types import Genomes
from qdx.executors.evaluate import evaluate
from qdx.observers.sampling import Final
from qdx.rollout.device import open_warp

BATCH, STEPS = 200, 2000
ROUNDS = 7
LIBFASTSIM = 1.1e6  # individual-steps/s of the papers' C++ simulator, one idle 2.8 GHz core


def genes(batch: int = BATCH) -> np.ndarray:
    drawn = np.random.default_rng(1).standard_normal((batch, 63))
    return np.clip(drawn, -5, 5).astype(np.float32)


def genomes(batch: int = BATCH) -> Genomes:
    zeros = np.zeros(batch, np.int32)
    return Genomes(np.arange(batch), genes(batch), np.full(batch, -1), zeros, zeros)


def hard_maze(threads: int) -> object:
    raw = {"task": "hard_maze", "searcher": "random_search", "budget": 1}
    config = load({**raw, "executor": {"kind": "local", "threads": threads}})
    executor, rollout = build_executor(config), build_rollout(config, Final())
    batch = genomes()
    return lambda: evaluate(executor, rollout, batch, stopping=lambda: False)


def one_core() -> list[str]:
    """The three versions in turn on one core; torch once for every seven of the others."""
    import torch

    torch.set_num_threads(1)
    pin_to_one_core()
    open_warp()
    ours, start = hard_maze(1), genes()
    seconds = side_by_side(
        {"qdx": ours, "naive": lambda: naive_warp_hard_maze.rollout(start)}, ROUNDS
    )
    seconds |= side_by_side({"torch": lambda: torch_hard_maze.rollout(start), "qdx2": ours}, 1)
    rate = {name: BATCH * STEPS / s for name, s in seconds.items()}
    return [
        f"qdx, one core                      {rate['qdx'] / 1e6:6.2f} M individual-steps/s",
        f"  beside naive fused Warp          {rate['qdx'] / rate['naive']:6.1f}x"
        f"   ({rate['naive'] / 1e6:.2f} M; wanted 4x)",
        f"  beside batched torch, eager      {rate['qdx2'] / rate['torch']:6.1f}x"
        f"   ({rate['torch'] / 1e6:.2f} M; wanted 10x)",
        f"  beside libfastsim as published   {rate['qdx'] / LIBFASTSIM:6.1f}x"
        f"   ({LIBFASTSIM / 1e6:.2f} M on another machine; wanted 3x)",
    ]


def threads() -> list[str]:
    """Two threads and one in turn, on all cores, the best round of each.

    The second core of a shared machine is often lent to others for a moment; the best round is the
    one in which it was not. The median tells how often it was.
    """
    open_warp()
    contestants, lines = {"one": hard_maze(1), "two": hard_maze(2)}, []
    for name, take in (("best", min), ("median", median)):
        s = side_by_side(contestants, 6 * ROUNDS, take=take)
        rate = BATCH * STEPS / s["two"] / 1e6
        lines.append(
            f"two threads beside one, {name:6s}     {s['one'] / s['two']:6.2f}x"
            f"   ({rate:.2f} M; wanted 1.8x)"
        )
    return lines


def table() -> list[str]:
    """One core in a process of its own, so that pinning does not outlive it."""
    return [*in_a_process_of_its_own("benchmarks.rollout", "one_core()"), *threads()]

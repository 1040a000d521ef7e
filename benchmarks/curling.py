"""Curling and billiard beside the Box2D Python package, policy included on both sides, one core.

Run: `python -m benchmarks.curling`. Needs Box2D 2.3.10 (the wheel on PyPI).

What bounds curling: with random policies the solver makes 27 sweeps a step on average, half of them
where an arm leans on a wall and four tenths where it pushes the ball, and in a fifth of such steps
all of Box2D's hundred. Half of a step's time goes there. A sweep is one chain of dependent float32
operations (motors, friction, normal impulse), so it waits rather than computes.
"""

import functools

import numpy as np

from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core, side_by_side
from qdx.api import evaluate
from qdx.assembly.config import load
from qdx.assembly.parts import build_policy
from qdx.encodings.direct import Direct
from qdx.rollout.device import open_warp

BATCH, BOX2D_BATCH = 400, 20
ROUNDS = 5
WANTED = {"curling": "; wanted 15x", "billiard": ""}  # times the Python package per core


def genes(task: str, batch: int) -> np.ndarray:
    policy = build_policy(load({"task": task, "searcher": "random_search", "budget": 1}))
    encoding = Direct(policy.n_genes, start=policy.initial)
    return encoding.initial(batch, np.random.default_rng(1))


def one_core() -> list[str]:
    """Random policies in turn in qdx and in a Python loop over Box2D, as lean as it goes."""
    from tests.reference import table_box2d

    pin_to_one_core()
    open_warp()
    lines = []
    for task in WANTED:
        ours, theirs = genes(task, BATCH), genes(task, BOX2D_BATCH)
        play = getattr(table_box2d, task)
        steps = {"qdx": evaluate(task, ours).length.sum()}
        steps["box2d"] = evaluate(task, theirs).length.sum()
        contestants = {
            "qdx": functools.partial(evaluate, task, ours),
            "box2d": lambda play=play, theirs=theirs: [play(genome) for genome in theirs],
        }
        seconds = side_by_side(contestants, ROUNDS)
        rate = {name: steps[name] / seconds[name] / 1e6 for name in contestants}
        lines += [
            f"{task}, one core{rate['qdx']:{27 - len(task)}.3f} M individual-steps/s",
            f"  beside the Box2D package{rate['qdx'] / rate['box2d']:11.1f}x"
            f"   ({rate['box2d']:.3f} M{WANTED[task]})",
        ]
    return lines


def table() -> list[str]:
    """A process of its own, so that pinning does not outlive it."""
    return in_a_process_of_its_own("benchmarks.curling", "one_core()")


if __name__ == "__main__":
    print(*table(), sep="\n")

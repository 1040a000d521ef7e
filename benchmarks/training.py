"""What a training of the convolutional autoencoder costs, lever by lever, and what a schedule buys.

Levers: an epoch over frames of the redundant arm, 64 pixels a side, by the network of STAX. The
first line is as configured (float32, minibatches of 128, laid out channels last), the others change
one thing each; `x` is how many times as fast. One thread in processor time; two threads in wall
time, which other programs on the machine spoil: torch's threads wait for each other at every layer.

Schedules: frames of 32 pixels; the error on episodes that no training saw, as a share of that of
the untrained network, and what it cost. Run: `python -m benchmarks training`.
"""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import qdx
from benchmarks.timing import side_by_side
from qdx.assembly.config import load
from qdx.assembly.parts import build as build_parts
from qdx.core.rng import draw
from qdx.descriptors import training
from qdx.descriptors.autoencoder import Autoencoder
from qdx.descriptors.networks import Network, build
from qdx.descriptors.parameters import AutoencoderParameters
from qdx.descriptors.setting import DescriptorSetting
from qdx.rollout.drawing import Drawing
from qdx.tasks.redundant_arm import RedundantArm

FRAMES, ROUNDS = 256, 2
SAMPLES = 5
ROWS = 200  # episodes that a schedule learns from; as many again test it
SHOWN = 2560  # frames of a short training here: there are 1 000, and a campaign has more


@functools.cache
def sketches(rows: int) -> np.ndarray:
    """Of episodes of random genomes, no two alike."""
    task, rng = "redundant_arm", draw(0, "genomes")
    genes = rng.standard_normal((rows, qdx.n_genes(task))).astype(np.float32)
    observer = {"kind": "frames", "samples": SAMPLES}
    found: np.ndarray = qdx.evaluate(task, genes, observer=observer).observations["frames"]
    return found


def epoch_of(
    *, batch: int = 128, first: bool = False, bf16: bool = False, validation: bool = False
) -> Callable[[], object]:
    """An epoch; `first` for weights and frames laid out channels first."""
    network: Network = build(AutoencoderParameters(), side=64, n_numbers=12288, seed=0)
    if first:
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, foreach=False)
    frames = Drawing(RedundantArm(), 64)(sketches(ROWS)).reshape(-1, 64, 64, 3)[:FRAMES]
    x = (torch.from_numpy(frames).float() / 255).permute(0, 3, 1, 2)
    x = x.contiguous() if first else x
    material = training.Material(FRAMES, 1, lambda rows: x[rows])
    rows = np.arange(FRAMES)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
            if validation:
                training.validation_error(network, material, rows, batch)
            else:
                training._epoch(network, optimiser, material, rows, batch)

    return run


def levers(threads: int) -> list[str]:
    contestants = {
        "as configured": epoch_of(),
        "channels first": epoch_of(first=True),
        "minibatches of 32": epoch_of(batch=32),
        "minibatches of 256": epoch_of(batch=256),
        "bfloat16": epoch_of(bf16=True),
        "validation alone": epoch_of(validation=True),
    }
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = side_by_side(contestants, ROUNDS, take=min, clock=clock)
    torch.set_num_threads(before)
    base = seconds["as configured"]
    return [
        f"{threads} thread{'s' * (threads > 1)}, {name:<20}{base / s:5.2f}x   "
        f"({1e3 * s / FRAMES:.2f} s per 1 000 frames)"
        for name, s in seconds.items()
    ]


def schedules() -> Iterator[str]:
    """A lesson by each, and further lessons by the short one, as a campaign gives them."""
    drawing = Drawing(RedundantArm(), 32)
    every = sketches(2 * ROWS)
    known, unseen = every[::2], every[1::2]
    setting = DescriptorSetting(
        "frames", ((0.0, 1.0),) * every[0].size, n_samples=SAMPLES, frame_size=32, draw=drawing
    )
    for name, keys, most in (
        ("paper", {"schedule": "paper"}, 1),
        ("short", {"max_shown": SHOWN}, 8),
        ("short, minibatches of 32", {"max_shown": SHOWN, "batch": 32}, 8),
        ("short, bfloat16", {"max_shown": SHOWN, "precision": "bfloat16"}, 8),
    ):
        descriptor = Autoencoder(AutoencoderParameters(**keys), setting)
        untrained, spent, shown = error(descriptor, unseen), 0.0, 0
        for lesson in range(1, most + 1):
            start = time.process_time()
            told = descriptor.learn({"frames": known})
            spent += time.process_time() - start
            shown += told["epochs"] * told["inputs"]
            if lesson in (1, most):
                left = error(descriptor, unseen) / untrained
                yield (
                    f"{name:<26}{lesson} training{'s' * (lesson > 1)}: {left:6.1%} of the error "
                    f"left ({spent:.0f} s, {shown} frames)"
                )


def error(descriptor: Autoencoder, rows: np.ndarray) -> float:
    return float(descriptor.describe({"frames": rows}, np.zeros(len(rows), bool)).surprise.mean())


def describing() -> Iterator[str]:
    """What describing a frame costs, and how much of that is drawing it; one thread, bfloat16."""
    torch.set_num_threads(1)
    executor, descriptor = {"kind": "local", "threads": 1}, {"precision": "bfloat16"}
    for task in ("redundant_arm", "hard_maze", "curling"):
        config = {"budget": 1, "task": task, "searcher": "stax", "executor": executor}
        parts = build_parts(load(config | {"descriptor": descriptor}))
        outcomes = parts.rollout(parts.searcher.ask())
        kept = outcomes.observations["frames"]
        each, picture = kept.reshape(-1, kept.shape[-1]), Drawing(parts.rollout.task, 64)
        n = len(np.unique(each, axis=0)) // 64 * 64  # equal ones are drawn once

        def draw_all(picture: Drawing = picture, each: np.ndarray = each[:n]) -> None:
            for some in each.reshape(-1, 64, each.shape[1]):
                picture(some)

        def describe(parts: Any = parts, outcomes: Any = outcomes) -> None:
            parts.descriptor.describe(outcomes.observations, outcomes.failed)

        by = {"draw": draw_all, "describe": describe}
        seconds = side_by_side(by, 2 * ROUNDS, clock=time.process_time)
        yield (
            f"describing, {task}".ljust(40) + f"{1e3 * seconds['describe'] / len(each):6.2f} ms a "
            f"frame, of which drawing {100 * seconds['draw'] / seconds['describe']:.0f} %"
        )


def table() -> Iterator[str]:
    yield from describing()
    yield from levers(1)
    yield from levers(2)
    yield from schedules()

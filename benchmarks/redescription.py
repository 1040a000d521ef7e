"""What a moved space costs: everything held is encoded again, 12 500 episodes of five frames.

A campaign of TAXONS on the redundant arm that holds 12 500 archived episodes; then
`Campaign.learn` with an encoder that is not trained but made anew, so that all but the training is
timed: frames drawn and encoded, surprise, records, archive, searcher, drift. A part of the episodes
is encoded and scaled to all of them; batches have one size, so time goes with their number. `used`
is processor time, over two cores; the wall time is that of the machine as it is.

Distinct: no frame is like another. Early ends: as random genomes have them, where the last frame
repeats. Run: `python -m benchmarks redescription`.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.training import SAMPLES, sketches
from qdx.campaign.campaign import Campaign
from qdx.core.rng import draw
from qdx.core.types import Described, Evaluations, Genomes, Outcomes, Purpose
from qdx.rollout.drawing import Drawing
from qdx.tasks.redundant_arm import RedundantArm

ROWS, HELD = 1_250, 12_500
WANTED_S = 40.0
SCALE = HELD / ROWS


def filled(seen: np.ndarray, n_genes: int, dimension: int) -> Evaluations:
    """Archived episodes."""
    n, rng, zeros = len(seen), draw(1, "held"), np.zeros(len(seen), np.int32)
    genes = rng.standard_normal((n, n_genes), np.float32)
    ids = np.arange(n) + (1 << 39)
    return Evaluations(
        Genomes(ids, genes, np.full(n, -1), np.full(n, Purpose.SEARCH, np.int32), zeros),
        Outcomes(
            zeros.astype(np.float32),
            zeros,
            rng.random((n, 2), np.float32),
            {"frames": seen},
            np.zeros(n, bool),
            np.full(n, -1, np.int8),
            np.full(n, ""),
        ),
        Described(rng.random((n, dimension), np.float32), np.zeros(n, np.float32), 0),
    )


def measured(seen: np.ndarray, **keys: object) -> tuple[float, float]:
    """Wall and processor seconds of everything after a training."""
    config = {
        "budget": 10**9,
        "task": "redundant_arm",
        "observer": {"kind": "frames", "samples": SAMPLES},
        "descriptor": {"kind": "autoencoder", "train": False, "reset": True, **keys},
        "searcher": "taxons",
    }
    with tempfile.TemporaryDirectory() as name, Campaign(config, Path(name) / "run") as c:
        rows = filled(seen, c.searcher.ask().genes.shape[1], c.descriptor.dimension())
        c.records.add(rows)
        c.archives["novelty"].add(rows)
        c.learn(rows.genomes.ids[:64])  # kernels and threads are ready
        wall, used = time.perf_counter(), time.process_time()
        c.learn(rows.genomes.ids)
        return time.perf_counter() - wall, time.process_time() - used


def table() -> list[str]:
    early = sketches(ROWS)
    distinct = draw(0, "postures").random(early.shape, np.float32)
    lines = []
    for name, seen, keys in (
        ("distinct, 1 thread", distinct, {"threads": 1}),
        ("distinct, 2 threads", distinct, {"threads": 2}),
        ("distinct, 2 threads, bfloat16", distinct, {"threads": 2, "precision": "bfloat16"}),
        ("early ends, 2 threads", early, {"threads": 2}),
    ):
        wall, used = (SCALE * s for s in measured(seen, **keys))
        lines.append(
            f"{HELD} episodes, {name:<30}{WANTED_S / (used / 2):5.2f}x the speed wanted "
            f"({used / 2:.0f} s on two cores used to the full; wall {wall:.0f} s, wanted below "
            f"{WANTED_S:.0f} s on two cores that are free)"
        )
    start = time.process_time()
    Drawing(RedundantArm(), 64)(distinct)
    drawn = SCALE * (time.process_time() - start) / 2
    return [*lines, f"of which frames are drawn in {drawn:.1f} s"]

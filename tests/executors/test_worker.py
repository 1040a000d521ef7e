"""What travels to a worker, and what happens there."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdx.core.types import Genomes, Lineage, Outcomes
from qdx.executors import worker
from tests.conformance.executor import Echo
from tests.conformance.making import equal, genomes


def lineage(parents: list[int]) -> Lineage:
    """Node i descends from node parents[i] < i, or from none."""
    n = len(parents)
    return Lineage(
        np.arange(n),
        np.array(parents, np.int64),
        np.arange(n).astype(np.uint64),
        np.full(n, 0.5, np.float32),
    )


@given(st.data())
def test_seed_chains_travel_with_their_ancestors_and_no_others(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    tree = lineage([data.draw(st.integers(-1, i - 1)) for i in range(n)])
    ids = np.array(data.draw(st.lists(st.integers(-1, n - 1), max_size=5)), np.int64)
    wanted = set()
    for id_ in ids.tolist():
        while id_ >= 0:
            wanted.add(id_)
            id_ = int(tree.parents[id_])
    kept = worker.ancestors(tree, ids)
    assert kept.ids.tolist() == sorted(wanted)
    assert equal(kept.seeds, tree.seeds[sorted(wanted)])


def test_what_comes_back_is_what_the_rollout_gave() -> None:
    batch = genomes(7)
    reply = worker.evaluate(worker.pack_rollout(Echo()), worker.pack(batch), 60.0)
    assert equal(worker.unpack(reply).outcomes, Echo()(batch))
    assert worker.unpack(reply).ids == worker.checksum(batch)


OPENED: list[int] = []


@dataclass(frozen=True)
class Counting(Echo):
    """Notes how many rows it is called with."""

    def __call__(self, batch: Genomes) -> Outcomes:
        OPENED.append(len(batch))
        return super().__call__(batch)


def test_a_rollout_is_opened_once_per_process() -> None:
    packed = worker.pack_rollout(Counting())
    for n in (3, 4):
        worker.evaluate(packed, worker.pack(genomes(n)), 60.0)
    assert OPENED == [0, 3, 4]  # opening is an empty batch, before the clock of a shard starts


def test_the_campaigns_own_process_has_no_watchdog() -> None:
    worker.settle(worker.here())
    assert not worker.WATCHDOG.is_armed


HANGS = """
import time
from qdx.executors import worker
worker.settle(worker.Home("elsewhere", 1, "another"))
with worker.WATCHDOG.limit(60.0), worker.WATCHDOG.limit({seconds}):
    {body}
with worker.WATCHDOG.limit(0.1):
    pass
time.sleep(0.3)
print("alive")
"""


@pytest.mark.parametrize(
    ("seconds", "body", "lives"), [(0.2, "time.sleep(60)", False), (9.0, "pass", True)]
)
def test_a_watchdog_ends_a_process_that_hangs_and_no_other(
    seconds: float, body: str, lives: bool
) -> None:
    code = HANGS.format(seconds=seconds, body=body)
    done: Any = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout == "alive\n") == lives
    assert ("Timeout" in done.stderr) != lives
    assert (done.returncode == 0) == lives


def test_genomes_travel_as_little_more_than_their_numbers() -> None:
    batch = genomes(1000, n_genes=63)
    numbers = batch.genes.nbytes + batch.ids.nbytes + batch.parents.nbytes
    numbers += batch.purpose.nbytes + batch.trial.nbytes
    assert len(worker.pack(batch)) < numbers + 1000
    assert equal(pickle.loads(worker.pack(batch)), batch)

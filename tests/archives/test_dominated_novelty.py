"""The bounded archive of Dominated Novelty Search against definitions and against pyribs."""

from __future__ import annotations

from functools import partial
from math import dist, inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ribs.archives import DNSArchive

from qdx.archives import dominated_novelty as module
from qdx.archives.dominated_novelty import DominatedNovelty, dominated_novelty
from qdx.archives.parameters import DominatedNoveltyParameters
from qdx.core.records import Records
from qdx.core.types import Described, Status
from tests.conformance.archive import ArchiveConformance, offer
from tests.conformance.making import cloud, equal, evaluations

Rows = list[tuple[int, int, int]]  # x, y, fitness


def archive_of(records: Records, *, seed: int = 0, **keys: Any) -> DominatedNovelty:
    return DominatedNovelty(DominatedNoveltyParameters(**keys), records, seed=seed)


class TestDominatedNovelty(ArchiveConformance):
    @pytest.fixture
    def build(self) -> Any:
        return partial(archive_of, capacity=40)


class TestUnlimited(ArchiveConformance):
    @pytest.fixture
    def build(self) -> Any:
        return partial(archive_of, capacity=10**6, rivals="fitter")


rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=20
)


def by_hand(some: Rows, k: int, rivals: str) -> list[float]:
    """The definition, one individual at a time."""
    scores = []
    for i, (*here, f) in enumerate(some):
        better = [
            dist(here, there)
            for j, (*there, g) in enumerate(some)
            if i != j and (g > f or (g == f and rivals == "as_fit"))
        ]
        nearest = sorted(better)[:k]
        scores.append(sum(nearest) / len(nearest) if nearest else inf)
    return scores


def scores_of(some: Rows, k: int, rivals: Any) -> Any:
    values = np.array(some, np.float32)
    return dominated_novelty(values[:, :2], values[:, 2], k, rivals=rivals)


@pytest.mark.parametrize("rivals", ["as_fit", "fitter"])
@given(some=rows, k=st.integers(1, 25))
def test_scores_are_their_definition(rivals: str, some: Rows, k: int) -> None:
    np.testing.assert_allclose(scores_of(some, k, rivals), by_hand(some, k, rivals), rtol=1e-12)


def test_scores_do_not_depend_on_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = cloud(90)
    points, fitness = batch.described.descriptors, batch.outcomes.fitness
    whole = dominated_novelty(points, fitness, 3)
    monkeypatch.setattr(module, "BLOCK", 700)  # seven rows at a time
    assert equal(dominated_novelty(points, fitness, 3), whole)


@given(seed=st.integers(0, 1000), k=st.integers(1, 6), capacity=st.integers(1, 40))
def test_survivors_are_those_of_pyribs(seed: int, k: int, capacity: int) -> None:
    """Without ties: of equal scores pyribs keeps anybody."""
    rng = np.random.default_rng(seed)
    records = Records()
    ours = archive_of(records, capacity=capacity, neighbours=k)
    theirs = DNSArchive(solution_dim=1, measure_dim=3, capacity=capacity, k_neighbors=k)
    for g in range(4):
        batch = evaluations(rng.random((15, 3)), rng.random(15), first_id=15 * g)
        points, fitness = batch.described.descriptors, batch.outcomes.fitness
        verdict = offer(ours, records, batch)
        info = theirs.add(batch.genomes.ids[:, None], fitness, points)
        assert verdict.status.tolist() == info["status"].tolist()
        np.testing.assert_allclose(verdict.novelty, info["dns"])
        kept = np.sort(theirs.data("solution")[:, 0].astype(int))
        assert np.sort(ours.members()).tolist() == kept.tolist()


@given(some=rows, capacity=st.integers(1, 12))
def test_the_highest_scores_stay_and_of_equals_the_oldest(some: Rows, capacity: int) -> None:
    records = Records()
    archive = archive_of(records, capacity=capacity)
    offer(archive, records, evaluations([r[:2] for r in some], [r[2] for r in some]))
    scores = by_hand(some, 3, "as_fit")
    best = sorted(range(len(some)), key=lambda i: (-round(scores[i], 9), i))[:capacity]
    assert archive.members().tolist() == sorted(best)


def test_the_fittest_is_never_lost() -> None:
    records = Records()
    archive = archive_of(records, capacity=5)
    fittest = 0.0
    for g in range(20):
        batch = evaluations(cloud(9, seed=g).described.descriptors, np.arange(9) * (g % 4),
                            first_id=9 * g)  # fmt: skip
        offer(archive, records, batch)
        fittest = max(fittest, float(batch.outcomes.fitness.max()))
        assert records.column("fitness", archive.members()).max() == fittest


def test_never_holds_more_than_its_capacity() -> None:
    records = Records()
    archive = archive_of(records, capacity=7)
    for g in range(5):
        offer(archive, records, cloud(4, first_id=4 * g))
        assert len(archive) == min(7, 4 * (g + 1))


def test_with_ties_as_rivals_equals_spread_out_and_without_the_first_stay() -> None:
    points = [(0.0, 0.0), (0.01, 0.0), (0.02, 0.0), (1.0, 1.0), (0.0, 1.0)]
    kept = {}
    for rivals in ("as_fit", "fitter"):
        records = Records()
        archive = archive_of(records, capacity=3, neighbours=1, rivals=rivals)
        offer(archive, records, evaluations(points))
        kept[rivals] = archive.members().tolist()
    assert kept == {"as_fit": [0, 3, 4], "fitter": [0, 1, 2]}


def test_whoever_has_no_place_in_a_moved_space_leaves() -> None:
    def lost(observations: Any, failed: Any) -> Described:
        points = observations["final"].copy()
        points[1] = np.nan
        return Described(points, None, 1)

    records = Records()
    archive = archive_of(records)
    offer(archive, records, cloud(3))
    records.redescribe(lost)
    archive.redescribe(lambda ids: records.evaluations(ids).described)
    assert archive.members().tolist() == [0, 2]


def test_rows_that_are_not_finite_spoil_nobody() -> None:
    records = Records()
    archive = archive_of(records)
    points = [(0.9, 0.9), (0.1, 0.1), (np.nan, 0.1), (0.2, np.inf)]
    verdict = offer(archive, records, evaluations(points, [0.0, np.inf, 1.0, 1.0]))
    assert verdict.status.tolist() == [Status.NEW, 0, 0, 0]

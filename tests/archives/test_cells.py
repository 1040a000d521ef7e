"""Grid and CVT archives against a dictionary of cells."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ribs.archives import GridArchive

from qdx.archives.cells import Cells, cvt, grid
from qdx.archives.parameters import (
    CvtParameters,
    GridParameters,
    SoftCvtParameters,
    SoftGridParameters,
)
from qdx.core.errors import ConfigError
from qdx.core.records import Records
from qdx.core.types import Described, Evaluations, Status, take
from tests.conformance.archive import ArchiveConformance, move, offer
from tests.conformance.making import NO_IDS, cloud, equal, evaluations

UNIT = ((0.0, 1.0), (0.0, 1.0))


def grid_archive(records: Records, *, seed: int = 0, **keys: Any) -> Cells:
    return grid(GridParameters(**{"bins": 5, **keys}), records, bounds=UNIT, seed=seed)


def soft_archive(records: Records, *, seed: int = 0, **keys: Any) -> Cells:
    values = {"bins": 5, "learning_rate": 0.3, "threshold_min": -2.0, **keys}
    return grid(SoftGridParameters(**values), records, bounds=UNIT, seed=seed)


def cvt_archive(records: Records, *, seed: int = 0, **keys: Any) -> Cells:
    parameters = CvtParameters(**{"cells": 12, "samples": 200, **keys})
    return cvt(parameters, records, bounds=UNIT, seed=seed)


class CellsConformance(ArchiveConformance):
    def test_has_one_elite_per_cell_in_cell_order(self, filled: Any, records: Records) -> None:
        cells = filled.cells_of(records.descriptors(filled.members()))
        assert (np.diff(cells) > 0).all()

    def test_has_one_elite_per_cell_in_a_moved_space(self, filled: Any, records: Records) -> None:
        before = len(filled)
        move(filled, records)
        cells = filled.cells_of(records.descriptors(filled.members()))
        assert (np.diff(cells) > 0).all()
        assert len(filled) < before  # else nobody met anybody and the test shows nothing

    def test_the_fittest_then_the_first_or_last_come_win_in_a_moved_space(
        self, filled: Any, records: Records
    ) -> None:
        before = np.sort(filled.members())
        move(filled, records)
        cells = filled.cells_of(records.descriptors(before))
        fitness = records.column("fitness", before)
        turn = before if filled._p.ties == "keep" else -before
        order = np.lexsort((turn, -fitness, cells))
        winners = before[order][np.unique(cells[order], return_index=True)[1]]
        assert equal(filled.members(), winners)

    def test_statistics_are_those_of_the_members(self, filled: Any, records: Records) -> None:
        filled.remove(filled.members()[::3])
        fitness = records.column("fitness", filled.members())
        assert filled.report()["fitness_sum"] == pytest.approx(fitness.sum(dtype=np.float64))

    def test_statistics_do_not_grow_when_the_space_moves(
        self, filled: Any, records: Records
    ) -> None:
        for _ in range(3):
            move(filled, records)
        fitness = records.column("fitness", filled.members())
        assert filled.report()["fitness_sum"] == pytest.approx(fitness.sum(dtype=np.float64))

    def test_novelty_is_not_measured(self, archive: Any, records: Records) -> None:
        assert np.isnan(offer(archive, records, cloud(4)).novelty).all()


class TestGrid(CellsConformance):
    @pytest.fixture
    def build(self) -> Any:
        return grid_archive


class TestGridThatReplacesTies(CellsConformance):
    @pytest.fixture
    def build(self) -> Any:
        return partial(grid_archive, ties="replace")


class TestSoftGrid(CellsConformance):
    @pytest.fixture
    def build(self) -> Any:
        return soft_archive


class TestCvt(CellsConformance):
    @pytest.fixture
    def build(self) -> Any:
        return cvt_archive


offers = st.lists(
    st.tuples(
        st.integers(-1, 5),  # quarters of the square in x: -1, 4 and 5 are outside
        st.integers(0, 3),
        st.sampled_from([-1.0, 0.0, 0.5, 2.0]),
        st.booleans() | st.just(False),
    ),
    max_size=25,
)
Offers = list[tuple[int, int, float, bool]]


def batch_of(rows: Offers) -> Evaluations:
    points = np.array([(0.25 * x + 0.1, 0.25 * y + 0.1) for x, y, _, _ in rows]).reshape(-1, 2)
    failed = [i for i, row in enumerate(rows) if row[3]]
    return evaluations(points, [row[2] for row in rows], failed=failed)


def elites_of(
    batch: Evaluations, archive: Cells, *, refuse: bool = False, last: bool = False
) -> dict[int, int]:
    """Cell → id of the fittest ever offered, the first or last of equals: one row at a time."""
    best: dict[int, int] = {}
    fitness, points = batch.outcomes.fitness, batch.described.descriptors
    for row in np.flatnonzero(~batch.outcomes.failed):
        inside = ((points[row] >= 0) & (points[row] <= 1)).all()
        cell = int(archive.cells_of(points[row : row + 1])[0])
        if refuse and not inside:
            continue
        elite = fitness[best[cell]] if cell in best else -np.inf
        if fitness[row] > elite or (last and fitness[row] == elite):
            best[cell] = int(row)
    return best


@pytest.mark.parametrize("ties", ["keep", "replace"])
@pytest.mark.parametrize("build", [grid_archive, cvt_archive])
@given(rows=offers, cuts=st.sets(st.integers(1, 24)))
def test_holds_the_fittest_ever_offered_however_rows_are_batched(
    build: Any, ties: str, rows: Offers, cuts: set[int]
) -> None:
    records, batch = Records(), batch_of(rows)
    archive = build(records, ties=ties)
    for part in np.split(np.arange(len(rows)), sorted(c for c in cuts if c < len(rows))):
        offer(archive, records, take(batch, part))
    best = elites_of(batch, archive, last=ties == "replace")
    assert archive.members().tolist() == [best[cell] for cell in sorted(best)]


@given(rows=offers, cut=st.integers(0, 25))
def test_pyribs_keeps_the_same_elites_and_gives_the_same_verdicts(rows: Offers, cut: int) -> None:
    records, batch = Records(), batch_of(rows)
    alive = np.flatnonzero(~batch.outcomes.failed)
    archive, theirs = grid_archive(records), GridArchive(solution_dim=1, dims=[5, 5], ranges=UNIT)
    for part in (alive[alive < cut], alive[alive >= cut]):
        some = take(batch, part)
        status = offer(archive, records, some).status
        points, fitness = some.described.descriptors, some.outcomes.fitness
        if len(part):
            info = theirs.add(part[:, None], fitness, points)["status"]
            kept = theirs.retrieve(points)[1]["solution"][:, 0] == part
            assert status.tolist() == np.where(kept, info, Status.REFUSED).tolist()
    elites = np.sort(theirs.data("solution")[:, 0].astype(int))
    assert np.sort(archive.members()).tolist() == elites.tolist()


@given(rows=offers, cuts=st.sets(st.integers(1, 24)), rate=st.sampled_from([0.0, 0.01, 0.4, 1.0]))
def test_a_soft_archive_is_that_of_pyribs(rows: Offers, cuts: set[int], rate: float) -> None:
    records, batch = Records(), batch_of(rows)
    archive = soft_archive(records, learning_rate=rate, threshold_min=-0.5)
    theirs = GridArchive(
        solution_dim=1, dims=[5, 5], ranges=UNIT, learning_rate=rate, threshold_min=-0.5
    )
    alive = np.flatnonzero(~batch.outcomes.failed)
    for part in np.split(alive, sorted(c for c in cuts if c < len(alive))):
        some = take(batch, part)
        verdict = offer(archive, records, some)
        if len(part):
            points, fitness = some.described.descriptors, some.outcomes.fitness
            value = theirs.add(part[:, None], fitness, points)["value"]
            np.testing.assert_allclose(verdict.improvement, value, atol=1e-12)
    there = theirs.data(return_type="dict")
    order = np.argsort(there["index"])
    assert archive.members().tolist() == there["solution"][order, 0].astype(int).tolist()
    thresholds = archive.state().arrays["thresholds"]
    np.testing.assert_allclose(thresholds[there["index"]], there["threshold"], atol=1e-12)
    assert (np.delete(thresholds, there["index"]) == -0.5).all()


def test_a_soft_cell_takes_less_than_its_elite() -> None:
    records = Records()
    archive = soft_archive(records, learning_rate=0.1, threshold_min=0.0)
    here = [(0.5, 0.5)]
    offer(archive, records, evaluations(here, [10.0]))  # the threshold is 1 now
    assert offer(archive, records, evaluations(here, [1.5], first_id=1)).status == Status.IMPROVED
    assert archive.members().tolist() == [1]
    assert offer(archive, records, evaluations(here, [0.5], first_id=2)).status == Status.REFUSED


def test_a_soft_tessellation_is_soft() -> None:
    records = Records()
    parameters = SoftCvtParameters(cells=12, samples=200, learning_rate=0.1)
    archive = cvt(parameters, records, bounds=UNIT, seed=0)
    offer(archive, records, evaluations([(0.5, 0.5)], [10.0]))
    offer(archive, records, evaluations([(0.5, 0.5)], [1.5], first_id=1))
    assert archive.members().tolist() == [1]


def test_improvement_is_what_a_row_beats_its_elite_by() -> None:
    records = Records()
    archive = grid_archive(records, outside="refuse")
    here, there, nowhere = (0.5, 0.5), (0.9, 0.9), (2.0, 2.0)
    offer(archive, records, evaluations([here], [3.0]))
    points = [here, here, there, here, nowhere]
    verdict = offer(archive, records, evaluations(points, [5, 1, -7, 0, 1], failed=[3], first_id=1))
    assert equal(verdict.improvement, np.array([2.0, -2.0, np.inf, np.nan, np.nan]))


def test_of_equals_in_a_batch_the_last_replaces_where_ties_do() -> None:
    records = Records()
    archive = grid_archive(records, ties="replace")
    here = (0.5, 0.5)
    verdict = offer(archive, records, evaluations([here, here, (0.9, 0.9), here], [1, 2, 0, 2]))
    assert archive.members().tolist() == [3, 2]
    assert verdict.status.tolist() == [0, 0, Status.NEW, Status.NEW]
    verdict = offer(archive, records, evaluations([here, here, here], [2, 2, 1], first_id=4))
    assert archive.members().tolist() == [5, 2]
    assert verdict.status.tolist() == [0, Status.IMPROVED, 0]


@given(rows=offers)
def test_rows_outside_are_refused_where_the_config_says_so(rows: Offers) -> None:
    records, batch = Records(), batch_of(rows)
    archive = grid_archive(records, outside="refuse")
    offer(archive, records, batch)
    best = elites_of(batch, archive, refuse=True)
    assert archive.members().tolist() == [best[cell] for cell in sorted(best)]


@pytest.mark.parametrize("outside", ["clip", "refuse"])
@given(rows=offers)
def test_rows_outside_are_counted_either_way(outside: str, rows: Offers) -> None:
    records = Records()
    archive = grid_archive(records, outside=outside)
    offer(archive, records, batch_of(rows))
    strays = sum(x in (-1, 4, 5) and not failed for x, _, _, failed in rows)
    assert archive.report()["outside"] == strays


@given(rows=offers)
def test_size_and_sum_are_those_of_the_members(rows: Offers) -> None:
    records = Records()
    archive = grid_archive(records)
    offer(archive, records, batch_of(rows))
    fitness = records.column("fitness", archive.members()) if len(archive) else NO_IDS
    assert archive.report()["size"] == len(archive) == len(fitness)
    assert archive.report()["fitness_sum"] == pytest.approx(float(fitness.sum()))


@pytest.mark.parametrize("fitness", [(2.0, 3.0), (3.0, 2.0), (3.0, 3.0)])
def test_a_challenger_must_be_strictly_better(fitness: tuple[float, float]) -> None:
    records = Records()
    archive = grid_archive(records)
    offer(archive, records, evaluations([(0.5, 0.5)], fitness[:1]))
    verdict = offer(archive, records, evaluations([(0.5, 0.5)], fitness[1:], first_id=1))
    improved = fitness[1] > fitness[0]
    assert archive.members().tolist() == [int(improved)]
    assert verdict.status.tolist() == [Status.IMPROVED if improved else Status.REFUSED]


def test_bounds_belong_to_the_inside() -> None:
    records = Records()
    archive = grid_archive(records, outside="refuse")
    offer(archive, records, evaluations([(0, 0), (1, 1), (0, 1)]))
    assert archive.report() == {"size": 3, "outside": 0, "fitness_sum": 0.0}


def test_a_move_out_of_bounds_is_refused_where_the_config_says_so() -> None:
    def away(observations: Any, failed: Any) -> Described:
        return Described(observations["final"] * np.float32(3), None, 1)

    records = Records()
    archive = grid_archive(records, outside="refuse")
    offer(archive, records, evaluations([(0.1, 0.1), (0.5, 0.5), (0.9, 0.1)]))
    records.redescribe(away)
    archive.redescribe(lambda ids: records.evaluations(ids).described)
    assert archive.members().tolist() == [0]


def test_the_count_of_strays_survives_a_restart() -> None:
    records = Records()
    archive, again = grid_archive(records), grid_archive(Records())
    offer(archive, records, evaluations([(2, 2), (0.5, 3)]))
    again.restore(archive.state())
    assert again.report()["outside"] == 2


@given(rows=offers)
def test_as_many_rows_are_new_as_the_archive_grows(rows: Offers) -> None:
    records = Records()
    archive = grid_archive(records)
    verdict = offer(archive, records, batch_of(rows))
    assert (verdict.status == Status.NEW).sum() == len(archive)


@pytest.mark.parametrize(
    ("point", "fitness"),
    [
        pytest.param((0.1, 0.1), np.nan, id="fitness nan"),
        pytest.param((0.1, 0.1), np.inf, id="fitness inf"),
        pytest.param((np.nan, 0.1), 1.0, id="descriptor nan"),
        pytest.param((np.inf, 0.1), 1.0, id="descriptor inf"),
    ],
)
def test_rows_that_are_not_finite_spoil_nobody(point: Any, fitness: float) -> None:
    records = Records()
    archive = grid_archive(records)
    verdict = offer(archive, records, evaluations([(0.9, 0.9), point], [0.0, fitness]))
    assert verdict.status.tolist() == [Status.NEW, Status.REFUSED]


@pytest.mark.parametrize("build", [grid_archive, cvt_archive])
def test_bounds_of_the_config_come_before_those_of_the_task(build: Any) -> None:
    records = Records()
    archive = build(records, bounds=((-2.0, 2.0), (-2.0, 2.0)), outside="refuse")
    offer(archive, records, evaluations([(-1.5, 1.5)]))
    assert archive.report()["outside"] == 0


@pytest.mark.parametrize("bounds", [((0.0, 1.0),), ((0.0, 1.0), (1.0, 1.0))])
@pytest.mark.parametrize("build", [grid_archive, cvt_archive])
def test_bounds_that_do_not_fit_are_refused(build: Any, bounds: Any) -> None:
    with pytest.raises(ConfigError, match=r"^bounds: expected"):
        build(Records(), bounds=bounds)


def test_a_grid_beyond_all_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="bins"):
        grid(GridParameters(bins=50), Records(), bounds=((0.0, 1.0),) * 10, seed=0)


def test_centroids_follow_from_the_seed() -> None:
    queries = cloud(200).described.descriptors
    cells = [cvt_archive(Records(), seed=seed).cells_of(queries) for seed in (1, 1, 2)]
    assert equal(cells[0], cells[1])
    assert not equal(cells[0], cells[2])


def test_a_point_falls_to_the_nearest_centroid() -> None:
    archive = cvt_archive(Records())
    queries = cloud(200).described.descriptors
    gaps = np.linalg.norm(queries[:, None] - archive._cells.centroids[None], axis=2)
    assert equal(archive.cells_of(queries), gaps.argmin(axis=1))


def test_a_grid_cell_is_where_the_point_lies() -> None:
    archive, queries = grid_archive(Records(), bins=4), cloud(200).described.descriptors
    columns, rows = np.floor(4 * queries.astype(np.float64)).astype(int).T
    assert equal(archive.cells_of(queries), 4 * columns + rows)

"""The record store against a dictionary that counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qdx.core.records import Records, columns_of, evaluations_of
from qdx.core.types import Described, Evaluations, take
from tests.conformance.making import Shelf, cloud, equal, evaluations, ids_of

someone = st.integers(0, 2**16)


class Store(RuleBasedStateMachine):
    """Rows come, are held, released, swept, committed and revived, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.records, self.shelf = Records(), Shelf()
        self.rows: dict[int, Evaluations] = {}
        self.references: dict[int, int] = {}
        self.touched: set[int] = set()  # a sweep looks at these only
        self.next_id = self.space = 0

    def some(self, seed: int, ids: Any) -> Any:
        known = np.array(sorted(ids), np.int64)
        return known[np.random.default_rng(seed).random(len(known)) < 0.4]

    @rule(n=st.integers(0, 12))
    def add(self, n: int) -> None:
        batch = self.described(cloud(n, first_id=self.next_id))
        self.records.add(batch)
        for row, id_ in enumerate(ids_of(batch).tolist()):
            self.rows[id_], self.references[id_] = take(batch, np.array([row])), 0
            self.touched.add(id_)
        self.next_id += n

    @precondition(lambda self: self.rows)
    @rule(seed=someone)
    def hold(self, seed: int) -> None:
        ids = self.some(seed, self.rows)
        self.records.hold(ids)
        for id_ in ids.tolist():
            self.references[id_] += 1

    @precondition(lambda self: self.rows)
    @rule(seed=someone)
    def release(self, seed: int) -> None:
        ids = self.some(seed, [i for i, n in self.references.items() if n])
        self.records.release(ids)
        for id_ in ids.tolist():
            self.references[id_] -= 1
            self.touched.add(id_)

    @rule()
    def sweep(self) -> None:
        self.records.sweep()
        for id_ in [i for i in self.touched if not self.references[i]]:
            del self.rows[id_], self.references[id_]
        self.touched.clear()

    @rule()
    def commit(self) -> None:
        self.sweep()
        self.shelf.commit(self.records, {})
        assert sorted(self.shelf.tables["records"]) == sorted(self.rows)

    @precondition(lambda self: self.shelf.tables.get("records"))
    @rule()
    def die_and_revive(self) -> None:
        self.commit()
        if self.rows:
            self.records = Records()
            self.shelf.unpack(self.records, {})
            self.records.space = self.space
            for id_, n in self.references.items():
                self.records.hold(np.full(n, id_))

    def described(self, batch: Evaluations) -> Evaluations:
        points = batch.outcomes.observations["final"] + np.float32(self.space)
        return Evaluations(batch.genomes, batch.outcomes, Described(points, None, self.space))

    @invariant()
    def ids_are_those_of_the_dictionary(self) -> None:
        assert self.records.ids().tolist() == sorted(self.rows)
        assert len(self.records) == len(self.rows)

    @invariant()
    def rows_are_those_of_the_dictionary(self) -> None:
        for id_, row in list(self.rows.items())[::5]:
            stored = self.records.evaluations(np.array([id_]))
            assert equal(columns_of(stored), columns_of(self.described(row)))
            assert stored.described.space == self.space


class MovingStore(Store):
    """The same while the behaviour space moves."""

    @precondition(lambda self: self.rows)
    @rule()
    def move(self) -> None:
        self.space += 1
        space = self.space

        def describe(observations: Any, failed: Any) -> Described:
            return Described(observations["final"] + np.float32(space), None, space)

        self.records.redescribe(describe)


SMALL = settings(max_examples=20, stateful_step_count=25)
TestStore = Store.TestCase
TestStore.settings = SMALL
TestMovingStore = MovingStore.TestCase
TestMovingStore.settings = settings(SMALL, phases=[Phase.generate])  # shrinking takes long


@pytest.fixture
def crowd() -> Records:
    """Three thousand rows of which every seventh is held once and every fourteenth twice."""
    records = Records()
    for g in range(30):
        records.add(cloud(100, first_id=100 * g))
    records.hold(np.arange(0, 3000, 7))
    records.hold(np.arange(0, 3000, 14))
    return records


def test_a_store_that_was_packed_keeps_its_rows(crowd: Records) -> None:
    kept = np.arange(0, 3000, 7)
    before = crowd.evaluations(kept)
    crowd.sweep()
    assert equal(crowd.ids(), kept)
    assert equal(crowd.evaluations(kept[::-1].copy()), take(before, np.arange(len(kept))[::-1]))


def test_a_store_that_was_packed_keeps_counting(crowd: Records) -> None:
    crowd.sweep()
    crowd.release(np.arange(0, 3000, 7))
    crowd.sweep()
    assert equal(crowd.ids(), np.arange(0, 3000, 14))


def test_a_store_that_was_packed_takes_new_rows(crowd: Records) -> None:
    crowd.sweep()
    crowd.add(cloud(100, first_id=5000))
    assert equal(crowd.genes(np.array([5003])), cloud(100, first_id=5000).genomes.genes[3:4])


def test_a_store_that_grew_keeps_counting() -> None:
    records = Records()
    records.add(cloud(3))
    records.hold(np.array([1]))
    records.add(cloud(3000, first_id=10))
    records.sweep()
    assert records.ids().tolist() == [1]


def test_a_row_that_came_and_went_between_commits_was_never_there() -> None:
    records = Records()
    records.add(cloud(5))
    records.hold(np.array([1]))
    records.sweep()
    for changes in records.changes().values():
        assert changes.added["id"].tolist() == [1]
        assert changes.removed.tolist() == []


def test_a_committed_row_that_went_is_removed_once() -> None:
    records = Records()
    records.add(cloud(2))
    records.hold(np.array([0, 1]))
    records.committed()
    records.release(np.array([0]))
    records.sweep()
    assert [c.removed.tolist() for c in records.changes().values()] == [[0], [0]]
    records.committed()
    assert [c.removed.tolist() for c in records.changes().values()] == [[], []]


def test_a_moved_space_voids_the_descriptions_and_nothing_else() -> None:
    records = Records()
    records.add(cloud(3))
    records.committed()
    records.redescribe(lambda o, failed: Described(o["final"] * np.float32(2), None, 1))
    changes = records.changes()
    assert changes["descriptions"].reset
    assert changes["descriptions"].added["id"].tolist() == [0, 1, 2]
    assert set(changes["descriptions"].added) == {"id", "descriptor"}
    assert not changes["records"].reset
    assert not len(changes["records"].added["id"])
    assert records.space == 1


def test_a_moved_space_describes_a_chunk_of_rows_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr("qdx.core.records.CHUNK", 7)
    records, seen = Records(), []
    records.add(cloud(30))

    def describe(observations: Any, failed: Any) -> Described:
        seen.append(len(failed))
        return Described(observations["final"] * np.float32(2), None, 1)

    records.redescribe(describe)
    assert seen == [7, 7, 7, 7, 2]
    everyone = records.evaluations(records.ids())
    twice = everyone.outcomes.observations["final"] * np.float32(2)
    assert equal(everyone.described.descriptors, twice)


def test_a_held_row_survives_a_move() -> None:
    records = Records()
    records.add(cloud(1))
    records.hold(np.array([0]))
    records.redescribe(lambda o, failed: Described(o["final"], None, 1))
    records.hold(np.array([0]))
    records.release(np.array([0]))
    records.sweep()
    assert records.ids().tolist() == [0]


def test_a_row_nobody_holds_leaves_after_a_move() -> None:
    records = Records()
    records.add(cloud(2))
    records.redescribe(lambda o, failed: Described(o["final"], None, 1))
    records.sweep()
    assert len(records) == 0


def test_unknown_ids_are_errors() -> None:
    records = Records()
    records.add(cloud(2))
    for act in (records.hold, records.release, records.genes, records.evaluations):
        with pytest.raises(KeyError):
            act(np.array([7]))


def test_columns_and_evaluations_are_each_others_inverse() -> None:
    batch = cloud(6, failed=[2])
    again = evaluations_of(columns_of(batch), batch.described.space)
    assert equal(columns_of(again), columns_of(batch))
    assert equal(again.outcomes.failed, batch.outcomes.failed)


def test_surprise_is_kept_where_there_is_one() -> None:
    batch, records = evaluations([(0, 0), (1, 1)]), Records()
    surprise = np.array([0.5, 2], np.float32)
    described = Described(batch.described.descriptors, surprise, 0)
    records.add(Evaluations(batch.genomes, batch.outcomes, described))
    assert equal(records.evaluations(np.array([1, 0])).described.surprise, surprise[::-1])


def test_a_commit_without_rows_can_be_loaded() -> None:
    records = Records()
    records.load({"id": np.zeros(0, np.int64)})  # what storage gives back of it
    records.add(cloud(2))
    assert len(records) == 2

"""What every archive must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qdx.core.errors import QdxError
from qdx.core.records import Records
from qdx.core.types import Described, Evaluations, Status, Verdict
from tests.conformance.making import NO_IDS, Shelf, cloud, equal, evaluations, ids_of, travelled

Build = Callable[..., Any]  # (records, seed=0) → an empty archive over 2-D descriptors in [0, 1]²


def offer(archive: Any, records: Records, batch: Evaluations) -> Verdict:
    """A generation as an archive sees it."""
    records.add(batch)
    verdict: Verdict = archive.add(batch)
    records.sweep()
    return verdict


def fill(archive: Any, records: Records, generations: int = 3) -> None:
    """Three batches of thirty, two of them failed."""
    for g in range(generations):
        offer(archive, records, cloud(30, first_id=30 * g, failed=[1, 8]))


def squeezed(observations: Any, failed: Any) -> Described:
    """A moved space: axes swapped, everything in a fifth of the old square."""
    points = np.float32(0.2) * observations["final"][:, ::-1]
    return Described(np.where(failed[:, None], np.float32(np.nan), points), None, 1)


def move(archive: Any, records: Records) -> None:
    """The space moves, as a campaign does it."""
    records.redescribe(squeezed)
    archive.redescribe(lambda ids: records.evaluations(ids).described)


def nearest(points: Any, queries: Any, ids: Any, k: int) -> Any:
    """Ids of the k nearest by distance, then id: every distance, one query at a time."""
    gaps = [np.sqrt(((points - q).astype(np.float64) ** 2).sum(axis=1)) for q in queries]
    return np.array([ids[np.lexsort((ids, g))][:k] for g in gaps])


class ArchiveConformance:
    """Subclass in the archive's own test module and say how it is built."""

    @pytest.fixture
    def build(self) -> Build:
        raise NotImplementedError

    @pytest.fixture
    def records(self) -> Records:
        return Records()

    @pytest.fixture
    def archive(self, build: Build, records: Records) -> Any:
        return build(records)

    @pytest.fixture
    def filled(self, archive: Any, records: Records) -> Any:
        fill(archive, records)
        return archive

    def test_is_empty_at_first(self, archive: Any) -> None:
        assert len(archive) == 0
        assert equal(archive.members(), NO_IDS)
        assert archive.report()["size"] == 0

    def test_gives_every_row_a_verdict(self, archive: Any, records: Records) -> None:
        verdict = offer(archive, records, cloud(30))
        assert len(verdict) == 30
        assert set(verdict.status.tolist()) <= {int(s) for s in Status}

    def test_keeps_only_rows_it_did_not_refuse(self, filled: Any, records: Records) -> None:
        before = filled.members()
        batch = cloud(40, first_id=500, seed=3)
        verdict = offer(filled, records, batch)
        accepted = ids_of(batch)[verdict.status != Status.REFUSED]
        assert set(filled.members()) <= set(before) | set(accepted)

    def test_keeps_verdicts_in_the_order_of_rows(self, archive: Any, records: Records) -> None:
        corners = [(0.05, 0.05), (0.5, 0.5), (0.05, 0.95), (0.5, 0.5), (0.95, 0.05)]
        verdict = offer(archive, records, evaluations(corners, failed=[1, 3]))
        refused = verdict.status == Status.REFUSED
        assert refused.tolist() == [False, True, False, True, False]

    def test_a_lone_row_is_new(self, archive: Any, records: Records) -> None:
        assert offer(archive, records, cloud(1)).status.tolist() == [Status.NEW]
        assert archive.members().tolist() == [0]

    def test_no_rows_change_nothing(self, filled: Any, records: Records) -> None:
        before = filled.members()
        assert len(filled.add(evaluations(np.zeros((0, 2))))) == 0
        assert equal(filled.members(), before)

    def test_never_keeps_failed_rows(self, archive: Any, records: Records) -> None:
        verdict = offer(archive, records, cloud(10, failed=[0, 4, 9]))
        assert (verdict.status[[0, 4, 9]] == Status.REFUSED).all()
        assert not {0, 4, 9} & set(archive.members().tolist())

    def test_a_batch_that_failed_changes_nothing(self, filled: Any, records: Records) -> None:
        before = filled.members()
        verdict = offer(filled, records, cloud(5, first_id=900, failed=range(5)))
        assert not verdict.status.any()
        assert equal(filled.members(), before)

    def test_takes_a_failed_batch_first(self, archive: Any, records: Records) -> None:
        offer(archive, records, cloud(5, failed=range(5)))
        assert len(archive) == 0

    def test_counts_each_member_once(self, filled: Any) -> None:
        members = filled.members().tolist()
        assert len(members) == len(set(members)) == len(filled) == filled.report()["size"]

    def test_equal_batches_give_equal_archives(self, build: Build) -> None:
        first, second = Records(), Records()
        one, other = build(first), build(second)
        fill(one, first)
        fill(other, second)
        assert equal(one.members(), other.members())
        assert one.report() == other.report()

    def test_the_same_key_draws_the_same_parents(self, filled: Any) -> None:
        assert equal(filled.parents(50, key=7), filled.parents(50, key=7))

    def test_another_key_draws_other_parents(self, filled: Any) -> None:
        assert not equal(filled.parents(50, key=7), filled.parents(50, key=8))

    def test_another_seed_draws_other_parents(self, build: Build) -> None:
        here, there = Records(), Records()
        one, other = build(here, seed=1), build(there, seed=2)
        for archive, records in ((one, here), (other, there)):
            offer(archive, records, cloud(1))
            offer(archive, records, evaluations([(0.01, 0.01), (0.99, 0.99)], first_id=1))
        assert not equal(one.parents(50, key=7), other.parents(50, key=7))

    def test_any_member_may_become_a_parent_and_nobody_else(self, filled: Any) -> None:
        assert set(filled.parents(4000, key=0)) == set(filled.members())

    def test_a_lone_member_is_every_parent(self, archive: Any, records: Records) -> None:
        offer(archive, records, cloud(1, first_id=42))
        assert filled_with(archive.parents(5, key=0), 42)

    def test_finds_the_nearest_members(self, filled: Any, records: Records) -> None:
        queries = cloud(6, seed=9).described.descriptors
        distances, ids = filled.neighbours(queries, 4)
        members = filled.members()
        assert equal(ids, nearest(records.descriptors(members), queries, members, 4))
        assert (np.diff(distances, axis=1) >= 0).all()

    def test_an_excluded_member_is_no_neighbour(self, filled: Any, records: Records) -> None:
        members = filled.members()
        _, ids = filled.neighbours(records.descriptors(members), 4, exclude=members)
        assert not (ids == members[:, None]).any()

    def test_has_no_more_neighbours_than_members(self, archive: Any, records: Records) -> None:
        queries = cloud(3, seed=9).described.descriptors
        records.add(cloud(1))
        assert archive.neighbours(queries, 4)[1].shape == (3, 0)
        offer(archive, records, evaluations([(0.1, 0.1), (0.9, 0.9)]))
        assert archive.neighbours(queries, 4)[1].shape == (3, 2)

    def test_a_member_offered_again_changes_nothing(self, filled: Any, records: Records) -> None:
        before = filled.members()
        again = records.evaluations(before[:5])
        assert filled.add(again).status.tolist() == [Status.REFUSED] * 5
        filled.remove(before[:5])
        records.sweep()
        assert equal(records.ids(), np.sort(before[5:]))

    def test_removed_members_are_forgotten(self, filled: Any, records: Records) -> None:
        kept, gone = filled.members()[::2], filled.members()[1::2]
        filled.remove(gone)
        queries = cloud(6, seed=9).described.descriptors
        found = filled.neighbours(queries, 3)[1]
        assert equal(np.sort(filled.members()), np.sort(kept))
        assert equal(found, nearest(records.descriptors(kept), queries, kept, 3))

    def test_a_removed_place_can_be_taken_again(self, filled: Any, records: Records) -> None:
        gone = filled.members()[:1]
        place = records.descriptors(gone)
        filled.remove(gone)
        assert offer(filled, records, evaluations(place, first_id=700)).status.tolist() == [
            Status.NEW
        ]

    def test_unknown_ids_cannot_be_removed(self, filled: Any) -> None:
        before = filled.members()
        with pytest.raises(QdxError, match="12345"):
            filled.remove(np.append(before[:1], 12345))
        assert equal(filled.members(), before)

    def test_holds_its_members_and_nobody_else(self, filled: Any, records: Records) -> None:
        filled.remove(filled.members()[:3])
        records.sweep()
        assert equal(records.ids(), np.sort(filled.members()))

    def test_a_moved_space_adds_nobody(self, filled: Any, records: Records) -> None:
        before = set(filled.members())
        move(filled, records)
        assert 0 < len(filled) == len(set(filled.members()))
        assert set(filled.members()) <= before

    def test_neighbours_are_found_in_the_moved_space(self, filled: Any, records: Records) -> None:
        move(filled, records)
        members, queries = filled.members(), np.float32(0.2) * cloud(6).described.descriptors
        points = squeezed(records.evaluations(members).outcomes.observations, np.zeros(1, bool))
        found = filled.neighbours(queries, 3)[1]
        assert equal(found, nearest(points.descriptors, queries, members, 3))

    def test_an_empty_archive_can_move(self, archive: Any, records: Records) -> None:
        records.add(cloud(2))
        move(archive, records)
        assert len(archive) == 0

    def test_a_moved_space_loses_nobody_it_holds(self, filled: Any, records: Records) -> None:
        move(filled, records)
        filled.remove(filled.members()[:1])
        records.sweep()
        assert equal(records.ids(), np.sort(filled.members()))

    def test_changes_are_told_until_they_are_committed(self, filled: Any) -> None:
        assert equal(np.sort(filled.changes().added), np.sort(filled.members()))
        filled.committed()
        assert equal(tuple(filled.changes()), (NO_IDS, NO_IDS))

    def test_changes_lead_from_commit_to_commit(self, build: Build) -> None:
        records, shelf = Records(), Shelf()
        archive = build(records)
        for g in range(6):
            offer(archive, records, cloud(15, first_id=15 * g, failed=[g]))
            if g % 2:
                archive.remove(archive.members()[:2])
                shelf.commit(records, {"it": archive})
        assert sorted(shelf.members["it"]) == sorted(archive.members().tolist())

    def test_changes_lead_over_a_moved_space(self, filled: Any, records: Records) -> None:
        shelf = Shelf()
        shelf.commit(records, {"it": filled})
        move(filled, records)
        shelf.commit(records, {"it": filled})
        assert sorted(shelf.members["it"]) == sorted(filled.members().tolist())

    def test_loads_a_commit_that_came_before_any_row(self, build: Build) -> None:
        records, again = Records(), Records()
        archive, revived = build(records), build(again)
        revived.load(archive.changes().added)
        assert equal(offer(revived, again, cloud(9)), offer(archive, records, cloud(9)))

    def test_goes_on_from_a_commit_as_if_nothing_had_been(self, build: Build) -> None:
        records, again, shelf = Records(), Records(), Shelf()
        archive, revived = build(records), build(again)
        for g in range(3):
            offer(archive, records, cloud(30, first_id=30 * g, failed=[2]))
            shelf.commit(records, {"it": archive})
        shelf.unpack(again, {"it": revived})
        revived.restore(travelled(archive.state()))
        assert revived.report() == archive.report()
        assert equal(tuple(revived.changes()), (NO_IDS, NO_IDS))
        assert equal(revived.parents(50, key=3), archive.parents(50, key=3))
        batch = cloud(40, first_id=600, seed=5)
        assert equal(offer(revived, again, batch), offer(archive, records, batch))
        assert equal(revived.members(), archive.members())
        assert equal(again.ids(), records.ids())


def filled_with(values: Any, value: int) -> bool:
    """Whether there is something, and all of it is `value`."""
    return len(values) > 0 and bool((values == value).all())

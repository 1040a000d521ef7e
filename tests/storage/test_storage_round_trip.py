"""What is committed is what is read, whatever was merged and however often the run was reopened."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_scenario import N_COMMITS, Model, assert_commit, assert_tables, campaign

from qdx.core.errors import ConfigError
from qdx.core.types import State
from qdx.storage import Delta, RunDirectory, compaction, read, read_config, read_timings, verify

Change = dict[str, Any]
NO_IDS = np.zeros(0, np.int64)
DTYPES = ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float32"]
DTYPES += ["float64", "complex64"]

changes: st.SearchStrategy[Change] = st.fixed_dictionaries(
    {
        "added": st.lists(st.integers(0, 30), unique=True, max_size=8),
        "removed": st.lists(st.integers(0, 40), max_size=8),
        "reset": st.integers(0, 9).map(lambda n: n < 2),
        "is_bare": st.booleans(),
    }
)
commits = st.lists(
    st.dictionaries(st.sampled_from(["records", "members/novelty", "a#b %/ü"]), changes),
    max_size=14,
)


def delta_of(change: Change, stamp: int) -> Delta:
    ids = np.array(change["added"], np.int64)
    values = np.stack([ids, np.full_like(ids, stamp)], axis=1).astype(np.float32)
    added = {"id": ids, "values": values, "flag": ids % 2 == 0}
    if change["is_bare"] and not len(ids):
        added = {}
    return Delta(added, np.array(change["removed"], np.int64), reset=change["reset"])


@settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(commits=commits, fan=st.sampled_from([2, 3, 8]), reopened=st.integers(0, 2**14))
def test_tables_equal_a_plain_dictionary_after_every_commit(
    commits: list[dict[str, Change]], fan: int, reopened: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "FAN", fan)
        run, model = RunDirectory.create(Path(folder) / "run", ""), Model()
        for number, changed in enumerate(commits):
            deltas = {table: delta_of(change, number) for table, change in changed.items()}
            for table, delta in deltas.items():
                model.apply(table, delta)
            run.commit({}, deltas, {})
            assert_tables(read(run.path), model)
            if reopened >> number & 1:
                run.close()
                run, snapshot = RunDirectory.open(run.path)
                assert_tables(snapshot, model)
        assert verify(run.path).damaged == []
        run.close()


def test_a_run_reopened_at_every_commit_equals_one_in_one_piece(
    tmp_path: Path, small_fan: None
) -> None:
    class StopError(Exception):
        pass

    def stop(commit: int) -> None:
        if commit > before:
            raise StopError

    before = -1
    for commit in range(N_COMMITS + 1):
        before = commit - 1
        with pytest.raises(StopError):
            campaign(tmp_path / "run", stop)
        assert_commit(read(tmp_path / "run"), commit)


def test_a_created_run_is_empty(run: RunDirectory) -> None:
    snapshot = read(run.path)
    assert snapshot.commit == 0
    assert (snapshot.states, snapshot.tables, snapshot.journal) == ({}, {}, [])
    run.close()
    reopened, snapshot = RunDirectory.open(run.path)
    reopened.close()
    assert snapshot.commit == 0
    assert verify(run.path).is_sound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 3)])
def test_arrays_of_any_kind_and_shape_come_back(
    run: RunDirectory, dtype: str, shape: tuple[int, ...]
) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    run.commit({"p/a#t": State({"x/#y": array, "t": array.T}, {})}, {}, {})
    arrays = read(run.path).states["p/a#t"].arrays
    assert arrays["x/#y"].dtype == array.dtype
    np.testing.assert_array_equal(arrays["x/#y"], array, strict=True)
    np.testing.assert_array_equal(arrays["t"], array.T, strict=True)
    arrays["t"][...] = 1  # restored state can be written to


def test_extreme_values_come_back_to_the_bit(run: RunDirectory) -> None:
    seeds = np.array([0, 2**64 - 1], np.uint64)
    odd = np.array([np.nan, -0.0, np.inf, 5e-324, 1.7976931348623157e308])
    run.commit({"p": State({"seeds": seeds, "odd": odd}, {"x": 0.1, "n": 2**70})}, {}, {})
    state = read(run.path).states["p"]
    assert state.arrays["seeds"].tolist() == seeds.tolist()
    assert state.arrays["odd"].tobytes() == odd.tobytes()
    assert state.json == {"x": 0.1, "n": 2**70}


def test_an_id_added_again_moves_to_the_end(run: RunDirectory) -> None:
    for ids, removed in [([1, 2, 3], []), ([1], [1]), ([2], [])]:
        added = {"id": np.array(ids, np.int64)}
        run.commit({}, {"t": Delta(added, np.array(removed, np.int64))}, {})
    assert read(run.path).tables["t"]["id"].tolist() == [3, 1, 2]


def test_a_reset_in_the_middle_of_a_merge_still_forgets_what_came_before(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "FAN", 2)
    for n in range(1, 7):  # the sixth commit merges the fifth and itself only
        delta = Delta({"id": np.array([n])}, NO_IDS, reset=n == 5)
        run.commit({}, {"t": delta}, {})
    assert read(run.path).tables["t"]["id"].tolist() == [5, 6]


def test_a_reset_may_bring_other_columns(run: RunDirectory) -> None:
    run.commit({}, {"t": Delta({"id": np.arange(3), "d": np.zeros((3, 2))}, NO_IDS)}, {})
    wider: dict[str, np.ndarray] = {"id": np.arange(2), "d": np.ones((2, 5), np.float32)}
    with pytest.raises(ConfigError, match="reset=True"):
        run.commit({}, {"t": Delta(wider, NO_IDS)}, {})
    run.commit({}, {"t": Delta(wider, NO_IDS, reset=True)}, {})
    assert read(run.path).tables["t"]["d"].shape == (2, 5)
    run.commit({}, {"t": Delta({}, NO_IDS, reset=True)}, {})
    assert read(run.path).tables["t"]["d"].shape == (0, 5)
    assert verify(run.path).is_sound


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ({"x": np.zeros(2)}, "expected a column 'id'"),
        ({"id": np.array([1, 1])}, "each added id once"),
        ({"id": np.array([1, 2], np.int32)}, r"expected int64 \(R,\), got int32"),
        ({"id": np.arange(2), "x": np.zeros(3)}, "expected 2 rows"),
        ({"id": np.arange(2), "x": np.array(["a", "b"])}, "'x': expected a numpy array"),
    ],
)
def test_a_delta_that_cannot_be_stored_is_refused(
    run: RunDirectory, added: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run.commit({}, {"t": Delta(added, NO_IDS)}, {})
    assert read(run.path).commit == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, np.float32(1), object()])
def test_json_that_would_not_read_back_is_refused(run: RunDirectory, value: object) -> None:
    with pytest.raises(ConfigError, match="state 'p'"):
        run.commit({"p": State({}, {"x": [value]})}, {}, {})
    with pytest.raises(ConfigError, match="meta"):
        run.commit({}, {}, {"x": value})
    with pytest.raises(ConfigError, match="journal record"):
        run.append({"x": value})


def test_what_was_not_committed_is_not_read(run: RunDirectory) -> None:
    run.append({"generation": 1})
    run.commit({}, {}, {})
    run.append({"generation": 2})
    assert len(read(run.path).journal) == 1
    assert verify(run.path).notes == [
        "journal.jsonl: 17 bytes beyond the newest commit, not counted"
    ]
    run.close()
    reopened, snapshot = RunDirectory.open(run.path)
    reopened.append({"generation": 3})
    reopened.commit({}, {}, {})
    reopened.close()
    assert snapshot.journal == [{"generation": 1}]
    assert read(run.path).journal == [{"generation": 1}, {"generation": 3}]


def test_timings_survive_a_torn_line(run: RunDirectory) -> None:
    run.time({"wall_s": 1.0})
    run.close()
    with open(run.path / "timings.jsonl", "ab") as file:
        file.write(b'{"wall_s": 2')
    reopened, _ = RunDirectory.open(run.path)
    reopened.time({"wall_s": 3.0})
    reopened.close()
    assert read_timings(run.path) == [{"wall_s": 1.0}, {"wall_s": 3.0}]
    assert read_timings(run.path / "nowhere") == []


def test_the_config_is_kept_to_the_byte(tmp_path: Path) -> None:
    text = "name: ü\r\n# σ\n"
    RunDirectory.create(tmp_path / "deep" / "run", text).close()
    assert read_config(tmp_path / "deep" / "run") == text


def test_a_used_directory_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found a run\. Go on with it by `qdx resume"):
        RunDirectory.create(run.path, "")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match=r"found 'thesis\.txt'"):
        RunDirectory.create(tmp_path / "other", "")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["", "nowhere", "file"])
def test_what_is_no_run_is_a_config_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    for function in (read, read_config, verify, RunDirectory.open):
        with pytest.raises(ConfigError, match="expected a run directory"):
            function(tmp_path / name)


def test_a_closed_run_takes_nothing(run: RunDirectory) -> None:
    run.close()
    run.close()
    with pytest.raises(ValueError, match="closed"):
        run.commit({}, {}, {})

"""Islands take in what others published at declared moments, whatever befalls them."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.core.errors import ConfigError, DamagedRunError, InterruptedRun, RolloutError
from qdx.storage import published
from qdx.storage.published import island_folder, moments, read_moment
from tests.campaign.islands import config, digests, of_island, sail


def whole(folder: Path, **more: Any) -> list[tuple[str, str, str]]:
    sail(*(Campaign(config(folder, i, **more), folder / str(i)) for i in range(3)))
    return [digests(folder / str(i)) for i in range(3)]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three islands that nothing befell."""
    folder = tmp_path_factory.mktemp("calm")
    whole(folder)
    return folder


@pytest.mark.slow
def test_islands_are_the_same_again(calm: Path, tmp_path: Path) -> None:
    assert whole(tmp_path) == [digests(calm / str(i)) for i in range(3)]


def test_each_holds_individuals_of_all_under_their_own_ids(calm: Path) -> None:
    for island in range(3):
        run = StoredRun.open(calm / str(island))
        ids = run.archive_ids()
        assert of_island(ids).tolist() == [0, 1, 2]
        assert run.tally().evaluations == 500  # its own alone


def test_they_publish_once_and_their_own_alone(calm: Path) -> None:
    for island in range(3):
        folder = island_folder(calm / "exchange", island)
        found = [read_moment(folder, moment) for moment in moments(folder)]
        assert moments(folder) == [1, 2, 3, 4, 5]
        assert [p.is_last for p in found if p] == [False] * 4 + [True]
        ids = np.concatenate([p.columns["id"] for p in found if p and p.columns])
        assert of_island(ids).tolist() == [island]
        assert len(np.unique(ids)) == len(ids)
        assert read_moment(folder, 6) is not None  # the end tells that there is nothing more


def test_what_was_taken_in_is_what_a_map_would_keep(calm: Path) -> None:
    """The fittest of each cell of all that an island could see, its own among them."""
    run, best = StoredRun.open(calm / "0"), {}
    for other in (1, 2):
        folder = island_folder(calm / "exchange", other)
        for moment in (1, 2, 3):  # at moment 4, the last before the end, it took in moment 3
            columns = read_moment(folder, moment).columns  # type: ignore[union-attr]
            for point, fitness in zip(columns["truth"], columns["fitness"], strict=True):
                cell = tuple(np.clip((point + 1) * 6, 0, 11).astype(int).tolist())
                best[cell] = max(best.get(cell, -np.inf), float(fitness))
    held = run.evaluations(run.archive_ids()).outcomes
    cells = np.clip((held.truth + 1) * 6, 0, 11).astype(int).tolist()
    fitness_of = dict(zip(map(tuple, cells), held.fitness.tolist(), strict=True))
    assert best.keys() <= fitness_of.keys()
    assert all(fitness_of[cell] >= fitness for cell, fitness in best.items())


@pytest.mark.slow
@pytest.mark.parametrize("island", range(3))
@pytest.mark.parametrize("generations", [3, 8])
def test_an_island_that_was_dropped_resumes_to_the_same_bytes(
    island: int, generations: int, calm: Path, tmp_path: Path
) -> None:
    others = [Campaign(config(tmp_path, i), tmp_path / str(i)) for i in range(3) if i != island]
    cut = Campaign(config(tmp_path, island), tmp_path / str(island))
    sailing = threading.Thread(target=sail, args=others)
    sailing.start()
    for _ in range(generations):
        cut.step()
    cut.close()
    with Campaign.resume(tmp_path / str(island)) as campaign:
        campaign.run()
    sailing.join(120)
    assert [digests(tmp_path / str(i)) for i in range(3)] == [
        digests(calm / str(i)) for i in range(3)
    ]


def test_an_island_nobody_answers_says_so_and_goes_on_later(tmp_path: Path, calm: Path) -> None:
    shared = {**config(tmp_path, 0)["islands"], "wait_s": 0.2}
    (tmp_path / "c.yaml").write_text(json.dumps(config(tmp_path, 0, islands=shared)))
    command = ["run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "0")]
    assert call(command) == 4
    run = StoredRun.open(tmp_path / "0")
    assert run.snapshot.meta["status"] == "failed"
    assert run.snapshot.meta["generation"] == 4  # moment 2 takes in moment 1
    others = [Campaign(config(tmp_path, i), tmp_path / str(i)) for i in (1, 2)]
    sail(*others, Campaign.resume(tmp_path / "0", ["islands.wait_s=60"]))
    assert digests(tmp_path / "0")[0] == digests(calm / "0")[0]


def test_who_waits_is_named(tmp_path: Path) -> None:
    shared = {**config(tmp_path, 0)["islands"], "wait_s": 0}
    with (
        Campaign(config(tmp_path, 0, islands=shared), tmp_path / "0") as campaign,
        pytest.raises(RolloutError, match=r"islands.wait_s: expected moment 1 of island 1 in .*"),
    ):
        campaign.run()


def test_who_waits_can_be_stopped(tmp_path: Path) -> None:
    with Campaign(config(tmp_path, 0), tmp_path / "0") as campaign:
        threading.Timer(0.5, campaign.stop).start()
        with pytest.raises(InterruptedRun):
            campaign.run()
    assert digests(tmp_path / "0")[2] == "interrupted"


def test_a_larger_budget_goes_on_alone(calm: Path, tmp_path: Path) -> None:
    before = moments(island_folder(calm / "exchange", 0))
    shutil.copytree(calm / "0", tmp_path / "0")
    with Campaign.resume(tmp_path / "0", ["budget=700"]) as campaign:
        campaign.run()
    assert StoredRun.open(tmp_path / "0").tally().evaluations == 700
    assert moments(island_folder(calm / "exchange", 0)) == before


def test_an_island_that_ends_where_it_waited_says_so_to_the_others(tmp_path: Path) -> None:
    campaign = Campaign(config(tmp_path, 0, n=2), tmp_path / "0")
    own = island_folder(tmp_path / "exchange", 0)
    waits = campaign.exchange._awaited

    def stopped(*arguments: Any) -> Any:
        campaign.stop()
        return waits(*arguments)

    campaign.exchange._awaited = stopped  # type: ignore[method-assign]
    with campaign, pytest.raises(InterruptedRun):
        campaign.run()
    assert moments(own) == [1, 2]  # the second one published and not met
    with Campaign.resume(tmp_path / "0", ["budget=200"]) as campaign:
        campaign.run()
    found = [read_moment(own, moment) for moment in moments(own)]
    assert [p.is_last for p in found if p] == [False, False, True]
    sail(Campaign(config(tmp_path, 1, n=2), tmp_path / "1"))  # waits for nobody
    with Campaign.resume(tmp_path / "0", ["budget=500"]) as campaign:
        campaign.run()
    assert moments(own) == [1, 2, 3]
    assert [digests(tmp_path / i)[2] for i in ("0", "1")] == ["finished"] * 2


def test_no_file_is_read_again_and_again(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by who waits for the next one nor by who has published many."""
    files: list[Path] = []
    reads = published._read
    monkeypatch.setattr(published, "_read", lambda path: files.append(path) or reads(path))
    for moment in (1, 2):
        path = island_folder(calm / "exchange", 1) / f"moment-{moment:08d}.safetensors"
        shutil.copy(path, tmp_path)
    waited = published.Publications(tmp_path)
    assert [waited.read(3) for _ in range(5)] == [None] * 5
    assert len(files) == 1
    del files[:]
    each = {**config(tmp_path, 0, n=1)["islands"], "exchange": 1}
    with Campaign(config(tmp_path, 0, n=1, islands=each), tmp_path / "0") as campaign:
        campaign.run()
    assert len(files) == len(set(files)) >= 8


@pytest.mark.parametrize(
    ("section", "unlike"),
    [("task", {"task": "redundant_arm"}), ("islands.exchange", {"exchange": 3})],
)
def test_islands_of_different_worlds_are_refused(
    section: str, unlike: dict[str, Any], tmp_path: Path
) -> None:
    raw = config(tmp_path, 1, n=2)
    raw = raw | unlike if "." not in section else raw | {"islands": {**raw["islands"], **unlike}}
    with Campaign(raw, tmp_path / "1") as other:
        for _ in range(4):
            other.step()
    with (
        Campaign(config(tmp_path, 0, n=2), tmp_path / "0") as campaign,
        pytest.raises(ConfigError, match=f"islands: expected the same {section} on all islands"),
    ):
        campaign.run()


def test_an_island_that_does_not_say_what_it_is_is_refused(tmp_path: Path) -> None:
    with Campaign(config(tmp_path, 1, n=2), tmp_path / "1") as other:
        for _ in range(3):
            other.step()
    (island_folder(tmp_path / "exchange", 1) / "config.yaml").unlink()
    with (
        Campaign(config(tmp_path, 0, n=2), tmp_path / "0") as campaign,
        pytest.raises(ConfigError, match=r"islands.folder: expected config.yaml in .*island-00001"),
    ):
        campaign.run()


def test_a_folder_of_an_earlier_run_is_refused(calm: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"islands.folder: expected no moments of island 1"):
        Campaign(config(calm, 1), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_that_cannot_be_leaves_no_run_behind(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").touch()
    raw = config(tmp_path, 0, n=1)
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    command = ["run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "0")]
    assert call([*command, f"islands.folder={tmp_path / 'file'}"]) == 2
    said = f"islands.folder: expected a folder that can be written to, got {tmp_path / 'file'}: "
    assert said in capsys.readouterr().err
    assert not (tmp_path / "0").exists()
    assert call(command) == 0


def test_a_folder_may_be_moved_with_what_is_in_it(tmp_path: Path) -> None:
    before, after = tmp_path / "exchange", tmp_path / "elsewhere"
    with Campaign(config(tmp_path, 0, n=1), tmp_path / "0") as campaign:
        for _ in range(3):
            campaign.step()
        campaign.commit("running")
    there = [f"islands.folder={after}"]
    said = rf"islands.folder: expected the moments of island 0, 1 of them, in {after}/island-00000"
    with pytest.raises(ConfigError, match=said):
        Campaign.resume(tmp_path / "0", there)
    shutil.copytree(before, after, dirs_exist_ok=True)
    with Campaign.resume(tmp_path / "0", there) as campaign:
        campaign.run()
    assert moments(island_folder(before, 0)) == [1]
    assert moments(island_folder(after, 0)) == [1, 2, 3, 4, 5]


def test_an_island_whose_folder_was_lost_says_again_what_it_is(tmp_path: Path) -> None:
    Campaign(config(tmp_path, 0, n=2), tmp_path / "0").close()
    sail(Campaign.resume(tmp_path / "0", [f"islands.folder={tmp_path / 'new'}", "budget=50"]))
    one = Campaign(config(tmp_path, 1, n=2), tmp_path / "1")
    one.close()
    sail(Campaign.resume(tmp_path / "1", [f"islands.folder={tmp_path / 'new'}"]))
    assert digests(tmp_path / "1")[2] == "finished"


def test_a_damaged_moment_is_refused(calm: Path, tmp_path: Path) -> None:
    path = island_folder(calm / "exchange", 2) / "moment-00000002.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    copy = tmp_path / path.name
    copy.write_bytes(data)
    with pytest.raises(DamagedRunError, match="damaged"):
        read_moment(tmp_path, 2)


def test_the_shared_archive_is_the_fittest_of_each_cell_of_all_that_was_published(
    calm: Path, tmp_path: Path, capsys: Any
) -> None:
    command = ["gather", str(calm / "exchange"), "--out"]
    assert call([*command, str(tmp_path / "one")]) == call([*command, str(tmp_path / "two")]) == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    best: dict[tuple[int, ...], tuple[float, int]] = {}
    for moment in range(1, 6):
        for island in range(3):
            found = read_moment(island_folder(calm / "exchange", island), moment)
            columns = found.columns if found else {}
            rows = [columns[name] for name in ("truth", "fitness", "id")] if columns else [[]] * 3
            for point, fitness, id_ in zip(*rows, strict=True):
                cell = tuple(np.clip((point + 1) * 6, 0, 11).astype(int).tolist())
                if cell not in best or fitness > best[cell][0]:
                    best[cell] = float(fitness), int(id_)
    shared = StoredRun.open(tmp_path / "one")
    assert shared.archive_ids().tolist() == sorted(id_ for _, id_ in best.values())
    assert of_island(shared.archive_ids()).tolist() == [0, 1, 2]


def test_a_gathering_that_was_cut_short_never_was(
    calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    shared = tmp_path / "shared"
    command = ["gather", str(calm / "exchange"), "--out", str(shared)]
    with monkeypatch.context() as patch:
        patch.setattr(Campaign, "commit", killed)
        with pytest.raises(Killed):
            call(command)
    assert not shared.exists()
    assert call(command) == 0
    assert digests(shared)[2] == "finished"
    assert [path.name for path in tmp_path.iterdir()] == ["shared"]
    assert call(command) == 2
    assert "expected a new directory, found a run" in capsys.readouterr().err


def test_one_may_go_on_from_the_shared_archive(calm: Path, tmp_path: Path) -> None:
    assert call(["gather", str(calm / "exchange"), "--out", str(tmp_path / "shared")]) == 0
    before = StoredRun.open(tmp_path / "shared").tally().evaluations
    with Campaign.resume(tmp_path / "shared", [f"budget={before + 100}"]) as campaign:
        campaign.run()
    assert 3 in of_island(StoredRun.open(tmp_path / "shared").archive_ids())
    digests(tmp_path / "shared")

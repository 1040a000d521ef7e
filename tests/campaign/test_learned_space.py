"""Campaigns whose behaviour space is learned: killed anywhere, in a training too, and resumed."""

import json

import numpy as np
import pytest

from qdx.assembly.config import load
from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from qdx.core.errors import ConfigError
from qdx.core.records import joined
from qdx.descriptors import training
from qdx.storage import Delta, RunDirectory


def config(**more):
    return {
        "budget": 460,
        "seed": 3,
        "task": "point",
        "observer": {"kind": "frames", "size": 16, "samples": 2},
        "descriptor": {"kind": "autoencoder", "latent": 3, "max_epochs": 2, "max_inputs": 80},
        "searcher": {"kind": "taxons", "population": 20, "chunk": 100, "selection": "pareto"},
        "checkpoint": {"generations": 2, "seconds": 1000},
        **more,
    }


def digests(path):
    run = StoredRun.open(path)
    return run.digest(), run.state_digest(), run.snapshot.meta["status"]


def finish(path, raw=None):
    with Campaign(raw, path) if raw else Campaign.resume(path) as campaign:
        campaign.run()
    return digests(path)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """An uninterrupted run: trainings after generations 3 and 9."""
    path = tmp_path_factory.mktemp("calm") / "run"
    return path, finish(path, config())


class Killed(BaseException):
    """Nothing catches it on the way out, as nothing catches a kill."""


@pytest.mark.parametrize("minibatch_pass", [1, 2, 3, 4])
def test_a_kill_within_a_training_resumes_to_the_same_digests(
    tmp_path, calm, monkeypatch, minibatch_pass
):
    passes, real = [], training._epoch

    def killing(*arguments):
        passes.append(1)
        if len(passes) == minibatch_pass:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(training, "_epoch", killing)
    with pytest.raises(Killed):
        finish(tmp_path / "cut", config())
    monkeypatch.setattr(training, "_epoch", real)
    assert finish(tmp_path / "cut") == calm[1]


@pytest.mark.parametrize("part", ["records", "searcher", "archives"])
def test_a_kill_within_a_redescription_resumes_to_the_same_digests(tmp_path, calm, part):
    def killing(*arguments):
        raise Killed

    with Campaign(config(), tmp_path / "cut") as campaign:
        timed = campaign.archives["novelty"] if part == "archives" else getattr(campaign, part)
        timed._part.redescribe = killing
        with pytest.raises(Killed):
            campaign.run()
    assert finish(tmp_path / "cut") == calm[1]


@pytest.mark.parametrize("generations", [3, 4])
def test_a_kill_between_generations_resumes_to_the_same_digests(tmp_path, calm, generations):
    with Campaign(config(), tmp_path / "cut") as campaign:
        for _ in range(generations):
            campaign.step()
    assert finish(tmp_path / "cut") == calm[1]


def test_the_journal_says_what_a_training_came_to_and_nothing_where_there_was_none(calm):
    lines = [json.loads(line) for line in (calm[0] / "journal.jsonl").read_text().splitlines()]
    lessons = {line["generation"]: line["lesson"] for line in lines if "lesson" in line}
    assert list(lessons) == [3, 9]
    assert [line["space"] for line in lines] == [0, 0, *[1] * 6, *[2] * (len(lines) - 8)]
    for lesson in lessons.values():
        assert 40 < lesson["samples"] < 400
        assert lesson["inputs"] == 80
        assert lesson["epochs"] == 2
        assert 0 < lesson["drift"] < 2
        assert -1 <= lesson["distance_correlation"] <= 1
        assert -1 <= lesson["truth_correlation"] <= 1
        assert lesson["validation_loss"] > 0


def test_the_timings_tell_trainings_from_descriptions_and_redescriptions(calm):
    run = StoredRun.open(calm[0])
    seconds = run.seconds_by_phase()
    assert min(seconds.values()) > 0  # nothing is counted twice: that would leave a rest below 0
    assert sum(seconds.values()) == pytest.approx(sum(run.seconds_by_generation().values()))


def test_everything_held_is_described_in_the_present_space(calm):
    with Campaign.resume(calm[0]) as campaign:
        ids = campaign.records.ids()
        rows = campaign.records.evaluations(ids)
        again = campaign.descriptor.describe(rows.outcomes.observations, rows.outcomes.failed)
        assert np.array_equal(rows.described.descriptors, again.descriptors)
        assert np.array_equal(rows.described.surprise, again.surprise)
        assert rows.described.space == again.space == 2
        members = campaign.archives["novelty"].members()
        points = campaign.records.descriptors(members)
        assert (campaign.archives["novelty"].neighbours(points, 1)[0] == 0).all()


def test_a_cell_archive_settles_a_learned_space_anew(tmp_path):
    """Bounds of the latents are given by hand, for they have none."""
    cells = {"kind": "grid", "bins": 40, "bounds": [[-0.5, 0.5]] * 3}
    raw = config(
        searcher={"kind": "map_elites", "batch": 40},
        archives={"cells": cells},
        observer={"kind": "frames", "size": 16},
    )
    with Campaign(raw, tmp_path / "run") as campaign:
        for _ in range(3):
            campaign.step()
        campaign.learn(campaign.archives["cells"].members())
        members = campaign.archives["cells"].members()
        described = campaign.records.described(members)
        assert described.space == 1
        assert len(members) == len(campaign.archives["cells"])
        cells_of = campaign.archives["cells"].cells_of(described.descriptors)
        assert len(np.unique(cells_of)) == len(members)


@pytest.mark.parametrize("kind", ["genome", "random", "pixels"])
def test_baselines_run_to_the_end_and_never_move(tmp_path, kind):
    raw = config(descriptor=kind, searcher={"kind": "novelty_search", "population": 20})
    finish(tmp_path / "run", raw)
    run = StoredRun.open(tmp_path / "run")
    assert run.space == 0
    points = run.evaluations(run.archive_ids()).described.descriptors
    assert points.shape[1] == {"genome": 48, "random": 10, "pixels": 2 * 3 * 256}[kind]
    assert np.isfinite(points).all()


def test_an_untrained_encoder_never_moves(tmp_path):
    raw = config()
    raw["descriptor"] = {**raw["descriptor"], "train": False}
    finish(tmp_path / "run", raw)
    run = StoredRun.open(tmp_path / "run")
    assert run.space == 0
    assert not any("lesson" in line for line in run.snapshot.journal)


def test_a_grid_needs_bounds_that_a_learned_space_does_not_have(tmp_path):
    raw = config(searcher="map_elites")
    with pytest.raises(ConfigError, match=r"archives\.cells"):
        Campaign(raw, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"descriptor": "identity"}, r"searcher\.selection: expected novelty"),
        ({"observer": "final"}, r"descriptor\.network: expected mlp"),
        ({"observer": "final", "descriptor": "pixels"}, r"pixels: expected observer frames"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_runs(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        Campaign(config(**keys), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_searcher_brings_its_observer_and_descriptor():
    plain = load({"budget": 1, "task": "point", "searcher": "taxons"})
    assert (plain.observer.kind, plain.descriptor.kind) == ("frames", "autoencoder")
    given = load(
        {
            "budget": 1,
            "task": "point",
            "searcher": {"kind": "taxons", "selection": "novelty"},
            "observer": {"samples": 3},
            "descriptor": "genome",
        }
    )
    assert given.observer.parameters.samples == 3
    assert (given.observer.kind, given.descriptor.kind) == ("frames", "genome")


def test_switches_are_read_as_switches():
    assert load(config(descriptor={"kind": "autoencoder", "train": False})).descriptor
    with pytest.raises(ConfigError, match=r"descriptor\.latent: expected a finite number"):
        load(config(descriptor={"kind": "autoencoder", "latent": True}))


def test_a_run_with_descriptors_among_its_records_goes_on_to_the_same_digests(tmp_path, calm):
    """As runs of format 1 have them."""
    with Campaign(config(), tmp_path / "cut") as campaign:
        for _ in range(4):
            campaign.step()
        campaign.commit("running")
    run = StoredRun.open(tmp_path / "cut")
    tables = {**run.snapshot.tables, "records": joined(run.snapshot.tables)}
    del tables["descriptions"]
    older = RunDirectory.create(tmp_path / "older", (tmp_path / "cut" / "config.yaml").read_text())
    for line in run.snapshot.journal:
        older.append(line)
    nobody = np.zeros(0, np.int64)
    deltas = {name: Delta(columns, nobody) for name, columns in tables.items()}
    older.commit(run.snapshot.states, deltas, run.snapshot.meta)
    older.close()
    assert StoredRun.open(tmp_path / "older").digest() == run.digest()
    assert finish(tmp_path / "older") == calm[1]

"""Configs: what is left open is filled in, what is wrong is said, what is written is read again."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qdx.assembly.config import changed, check, load
from qdx.assembly.parts import build
from qdx.assembly.tables import DESCRIPTORS, EXECUTORS, OBSERVERS, POLICIES, SEARCHERS, TASKS
from qdx.assembly.written import assign, parse_override, read_yaml
from qdx.core.errors import ConfigError
from tests.conformance.making import equal

SMALL = {"budget": 100, "task": "point", "searcher": "map_elites"}
SECTIONS = {
    "task": TASKS,
    "searcher": SEARCHERS,
    "observer": OBSERVERS,
    "descriptor": DESCRIPTORS,
    "policy": POLICIES,
}
EVERYTHING = [  # every pair of kinds of two sections; sections are read one by one
    {"task": "point", "searcher": "map_elites"} | {first: one, second: other}
    for first, second in combinations(SECTIONS, 2)
    for one, other in product(SECTIONS[first], SECTIONS[second])
]
BOUNDS = [[-2.0, 2.0], [0, 1e-9]]
GIVEN = [
    {"archives": {"cells": {"kind": "grid", "bins": 7, "bounds": BOUNDS, "outside": "refuse"}}},
    {"archives": {"cells": {"kind": "cvt", "cells": 9, "samples": 50, "bounds": BOUNDS}}},
    {"searcher": {"kind": "map_elites", "sigma": 1e-7, "variation": "iso_line"}},
    {"searcher": {"kind": "novelty_search", "admission": "novel"}},
    {"policy": {"hidden": 9}},
    {"task": {"kind": "gymnasium:CartPole-v1"}},
    {
        "task": {
            "kind": "gymnasium:ALE/Pong-v5",
            "descriptor": [3, "x_position"],
            "bounds": BOUNDS,
            "bins": 7,
            "horizon": 200,
            "goals": [{"name": "there", "centre": [0.5, 0], "radius": 1}],
            "episode_seed": "per_genome",
            "kwargs": {"frame_skip": 2, "flag": True, "range": [0.2, 1.5], "inner": {"a": None}},
        }
    },
    {"policy": {"kind": "dmp", "degree": 0, "action_length": "used"}},
    {"name": "yes", "seed": 2**60, "max_failed_fraction": 1, "island": 8191},
    {"name": "schön-1.0+a", "checkpoint": {"generations": 1, "seconds": 0}},
    {"observer": {"kind": "checkpoints", "samples": 3}, "executor": {"threads": 2, "shard": 5}},
    {"mode": "steady", "steady": {"shard": 3, "in_flight": 1, "keep_events": True}},
    *({"executor": {"kind": kind}} for kind in EXECUTORS),
    {"executor": {"kind": "dask", "address": "tcp://h:1", "resources": {"GPU": 0.5}}},
    {"executor": {"kind": "dask", "cluster": "slurm", "options": {"queue": "x", "n": [1, None]}}},
    {"executor": {"kind": "ray", "device": "cuda", "timeout_s": 1.5, "deaths": 1, "tries": 9}},
]


def wrong(**keys: Any) -> str:
    """What is said of a config with something wrong in it."""
    with pytest.raises(ConfigError) as error:
        load({**SMALL, **keys})
    return str(error.value)


@pytest.mark.parametrize("parts", EVERYTHING, ids=lambda p: "-".join(p.values()))
def test_defaults_come_back_from_yaml(parts: dict[str, str]) -> None:
    config = load({"budget": 9, **parts})
    assert load(yaml.safe_load(config.text())) == config


@pytest.mark.parametrize("keys", GIVEN, ids=lambda keys: next(iter(keys)))
def test_what_is_given_comes_back_from_yaml(keys: Any) -> None:
    config = load({**SMALL, **keys})
    again = load(yaml.safe_load(config.text()))
    assert again == config
    assert again.hash() == config.hash()


@pytest.mark.parametrize("keys", GIVEN, ids=lambda keys: next(iter(keys)))
def test_what_is_given_is_in_the_resolved_config(keys: Any) -> None:
    resolved = load({**SMALL, **keys}).resolved()
    for name, value in keys.items():
        if isinstance(value, dict) and "kind" in value:
            assert value.items() <= resolved[name].items()
        elif not isinstance(value, dict):
            assert resolved[name] == value


def test_the_resolved_config_leaves_nothing_open() -> None:
    resolved = load(SMALL).resolved()
    assert resolved["searcher"]["sigma"] == 0.05
    assert resolved["archives"] == {
        "cells": {"kind": "grid", "bins": 50, "bounds": None, "outside": "clip", "ties": "keep"}
    }
    assert resolved["observer"] == {"kind": "final"}
    assert resolved["name"] == "point-map_elites"


def test_defaults_are_the_papers() -> None:
    searcher = load({**SMALL, "searcher": "novelty_search"}).resolved()["searcher"]
    papers = {"population": 100, "offspring": 2, "sigma": 0.05, "neighbours": 15, "additions": 5}
    assert papers.items() <= searcher.items()
    assert searcher["admission"] == "random"


def test_another_value_has_another_hash() -> None:
    assert load(SMALL).hash() != load({**SMALL, "seed": 1}).hash()


def test_a_file_names_its_campaign(tmp_path: Path) -> None:
    file = tmp_path / "first-try.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    assert load(file).campaign.name == "first-try"


def test_a_section_may_be_its_kind_alone() -> None:
    assert load({**SMALL, "searcher": {"kind": "map_elites"}}) == load(SMALL)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sed": 3}, "sed: unknown key. Did you mean 'seed'?"),
        (
            {"searcher": {"kind": "map_elites", "btach": 3}},
            "searcher.btach: unknown key. Did you mean 'batch'?",
        ),
        (
            {"archives": {"cells": {"kind": "grid", "bin": 3}}},
            "archives.cells.bin: unknown key. Did you mean 'bins'?",
        ),
        ({"checkpoint": {"second": 3}}, "checkpoint.second: unknown key. Did you mean 'seconds'?"),
        ({"task": "hard_mase"}, "Did you mean 'hard_maze'?"),
        ({"searcher": "map-elites"}, "Did you mean 'map_elites'?"),
    ],
)
def test_the_nearest_name_is_offered(keys: Any, said: str) -> None:
    assert said in wrong(**keys)


def test_nothing_is_offered_where_nothing_is_near() -> None:
    assert wrong(zzzzzz=1) == "zzzzzz: unknown key."


@pytest.mark.parametrize(
    ("keys", "path", "came"),
    [
        ({"budget": 0}, "budget", "0"),
        ({"budget": "many"}, "budget", "'many'"),
        ({"seed": -1}, "seed", "-1"),
        ({"seed": 1.5}, "seed", "1.5"),
        ({"island": 8192}, "island", "8192"),
        ({"max_failed_fraction": 1.01}, "max_failed_fraction", "1.01"),
        ({"checkpoint": {"generations": 0}}, "checkpoint.generations", "0"),
        ({"checkpoint": 7}, "checkpoint", "7"),
        ({"policy": {"hidden": 0}}, "policy.hidden", "0"),
        ({"executor": {"shard": -1}}, "executor.shard", "-1"),
        ({"executor": {"device": 3}}, "executor.device", "3"),
        ({"searcher": {"kind": "map_elites", "sigma": 0}}, "searcher.sigma", "0"),
        ({"searcher": {"kind": "map_elites", "sigma": "nan"}}, "searcher.sigma", "'nan'"),
        ({"searcher": {"kind": "map_elites", "variation": "x"}}, "searcher.variation", "'x'"),
        ({"searcher": 7}, "searcher", "7"),
        ({"archives": {"cells": {"kind": "grid", "bins": []}}}, "archives.cells.bins", "[]"),
        ({"archives": [1]}, "archives", "[1]"),
        (
            {"archives": {"cells": {"kind": "grid", "bounds": [[0, 1], [0, "x"]]}}},
            "archives.cells.bounds.1.1",
            "'x'",
        ),
    ],
)
def test_a_wrong_value_is_named_by_its_path(keys: Any, path: str, came: str) -> None:
    message = wrong(**keys)
    assert message.startswith(f"{path}: expected ")
    assert message.rstrip(".").endswith(f", got {came}")


def test_an_unknown_archive_kind_is_named_by_its_path() -> None:
    assert wrong(archives={"cells": "gird"}).startswith("archives.cells: expected one of cvt, ")


def test_an_archive_that_does_not_fit_is_named_as_the_user_named_it() -> None:
    raw = {"budget": 1, "task": "point", "searcher": "taxons", "archives": {"novelty": "grid"}}
    with pytest.raises(ConfigError, match=r"^archives\.novelty\.bounds: expected finite"):
        build(load(raw))


def test_a_mistake_in_a_searcher_does_not_hide_the_sections_it_brings() -> None:
    searcher = {"kind": "stax", "chunk": 0}
    said = wrong(searcher=searcher, observer={"size": 16}, descriptor={"latent": 2})
    assert said == "searcher.chunk: expected greater than or equal to 1, got 0."


def test_an_archive_without_a_kind_is_the_searchers_own() -> None:
    config = load(SMALL, ["archives.cells.bins=7"])
    assert config.archives["cells"].kind == "grid"
    assert config.archives["cells"].parameters.bins == 7


@pytest.mark.parametrize("key", ["budget", "task", "searcher"])
def test_what_has_no_default_must_be_given(key: str) -> None:
    given_keys = {k: v for k, v in SMALL.items() if k != key}
    with pytest.raises(ConfigError, match=f"^{key}: missing"):
        load(given_keys)


def test_an_archive_the_searcher_does_not_know_is_refused() -> None:
    message = wrong(archives={"novelty": "novelty"})
    assert message == "archives.novelty: unknown name; map_elites works with: cells."


CELLS = "one of grid, cvt, soft_grid, soft_cvt"
UNFIT = [  # searcher, parameters, archive, a kind it cannot be, what it may be
    ("serene", {}, "rewarding", "grid", "novelty"),
    ("serene", {}, "novelty", "dominated_novelty", "novelty"),
    ("dns", {}, "population", "grid", "dominated_novelty"),
    ("cma_mae", {}, "cells", "novelty", CELLS),
    ("cma_me", {"ranking": "improvement"}, "cells", "dominated_novelty", CELLS),
]


@pytest.mark.parametrize(("searcher", "keys", "name", "kind", "wanted"), UNFIT)
def test_an_archive_of_a_kind_that_a_searcher_cannot_use_is_refused(
    searcher: str, keys: dict[str, str], name: str, kind: str, wanted: str
) -> None:
    message = wrong(searcher={"kind": searcher, **keys}, archives={name: kind})
    default = load({**SMALL, "searcher": searcher}).archives[name].kind
    assert message == (
        f"archives.{name}: expected {wanted} for {searcher} with its parameters, got {kind!r}. "
        f"Leave the kind out to have {default}."
    )


def test_an_archive_of_cells_need_not_be_the_default_one() -> None:
    cells = {"archives": {"cells": "cvt"}}
    for searcher in ({"kind": "cma_me", "ranking": "improvement"}, "cma_mae"):
        assert load({**SMALL, "searcher": searcher, **cells}).archives["cells"].kind == "cvt"
    by_reward = load({**SMALL, "searcher": "cma_me", "archives": {"cells": "novelty"}})
    assert by_reward.archives["cells"].kind == "novelty"


def test_all_mistakes_are_told_at_once() -> None:
    message = wrong(sead=1, budget=-1, executor={"shard": -1}, task="nowhere")
    starts = [line.split(":")[0] for line in message.splitlines()]
    assert sorted(starts) == ["budget", "executor.shard", "sead", "task"]


@pytest.mark.parametrize("text", ["just words", "- 1\n- 2", "", "a: [", "a: \x00"])
def test_a_file_without_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"^config: "):
        read_yaml(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("seed=3", ["seed"], 3),
        ("searcher.sigma=0.1", ["searcher", "sigma"], 0.1),
        ("a.b.c=[1, 2]", ["a", "b", "c"], [1, 2]),
        ("name=a=b", ["name"], "a=b"),
        ("archives.cells.bounds=null", ["archives", "cells", "bounds"], None),
        ("searcher={kind: map_elites, batch: 3}", ["searcher"], {"kind": "map_elites", "batch": 3}),
    ],
)
def test_overrides_are_paths_and_yaml_values(text: str, path: Any, value: Any) -> None:
    assert parse_override(text) == (path, value)


@pytest.mark.parametrize("text", ["seed", "=3", "a..b=1", ".a=1", "a.=1", "seed=[1"])
def test_overrides_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^override: "):
        parse_override(text)


def test_an_override_reaches_into_a_section_given_by_kind() -> None:
    config = load(SMALL, ["searcher.batch=7", "policy.hidden=4", "checkpoint.seconds=1"])
    assert config.searcher.kind == "map_elites"
    assert config.searcher.parameters.batch == 7
    assert config.policy.parameters.hidden == 4
    assert config.checkpoint.seconds == 1


def test_the_policy_is_the_tasks_own_kind_where_none_is_named() -> None:
    billiard = {**SMALL, "task": "billiard"}
    assert load(SMALL).policy.kind == "mlp"
    assert load(billiard).policy.kind == "dmp"
    assert load({**billiard, "policy": "mlp"}).policy.kind == "mlp"
    assert load(billiard, ["policy.degree=3"]).resolved()["policy"] == {
        "kind": "dmp",
        "degree": 3,
        "action_length": "ignored",
    }


def test_parameters_of_another_kind_of_policy_are_refused() -> None:
    text = wrong(task="billiard", policy={"hidden": 9})
    assert text == "policy.hidden: unknown key."


def test_an_unknown_task_is_the_only_thing_said_of_a_policy_that_may_be_its_own() -> None:
    text = wrong(task="billiards", policy={"degree": 3})
    assert text.startswith("task: expected one of ")
    assert "policy" not in text


def test_the_last_override_wins() -> None:
    assert load(SMALL, ["seed=3", "seed=4"]).campaign.seed == 4


def test_overrides_leave_the_mapping_they_came_with_alone() -> None:
    raw = {**SMALL, "searcher": {"kind": "map_elites", "batch": 5}}
    load(raw, ["searcher.batch=7", "executor.shard=3"])
    assert raw == {**SMALL, "searcher": {"kind": "map_elites", "batch": 5}}


leaves = st.integers() | st.text(max_size=3)
trees = st.recursive(leaves, lambda t: st.dictionaries(st.sampled_from("abc"), t, max_size=3))


@given(tree=st.dictionaries(st.sampled_from("abc"), trees), path=st.lists(st.sampled_from("abc")))
def test_assigned_values_are_found_at_their_path(tree: Any, path: list[str]) -> None:
    path = path or ["a"]
    assign(tree, path, 42)
    for key in path:
        tree = tree[key]
    assert tree == 42


@given(old=trees, new=trees)
def test_what_changed_is_nothing_only_between_equals(old: Any, new: Any) -> None:
    assert changed(old, old) == []
    assert (changed(old, new) == []) == (old == new)


def test_what_changed_is_named_by_its_path() -> None:
    old, new = load(SMALL), load(SMALL, ["seed=2", "searcher.sigma=1.0"])
    assert changed(old.resolved(), new.resolved()) == ["searcher.sigma", "seed"]


SURPRISED = ("taxons", "surprise_search", "stax")  # they select for the surprise of a learned space


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_every_searcher_is_built_with_its_archives(searcher: str) -> None:
    learned = {"observer": "frames", "descriptor": "autoencoder"}
    config = check({**SMALL, "searcher": searcher, **(learned if searcher in SURPRISED else {})})
    parts = build(config)
    parts.executor.close()
    assert parts.archives.keys() == config.searcher.parameters.archives.keys()
    asked = parts.searcher.ask()
    assert asked.seeds is not None or asked.genes.shape[1] == parts.policy.n_genes


@pytest.mark.parametrize(("observer", "dimension"), [("final", 2), ("checkpoints", 10)])
def test_the_descriptor_is_as_wide_as_what_the_observer_keeps(
    observer: str, dimension: int
) -> None:
    parts = build(check({**SMALL, "searcher": "novelty_search", "observer": observer}))
    outcomes = parts.rollout(parts.searcher.ask())
    parts.executor.close()
    described = parts.descriptor.describe(outcomes.observations, outcomes.failed)
    assert parts.descriptor.dimension() == described.descriptors.shape[1] == dimension


def test_an_island_gives_out_ids_of_its_own() -> None:
    parts = build(check({**SMALL, "island": 3}))
    parts.executor.close()
    assert parts.searcher.ask().ids[0] == 3 << 40


def test_the_seed_of_the_campaign_is_the_seed_of_every_draw() -> None:
    asked = []
    for seed in (1, 1, 2):
        parts = build(check({**SMALL, "seed": seed}))
        parts.executor.close()
        asked.append(parts.searcher.ask().genes)
    assert equal(asked[0], asked[1])
    assert not equal(asked[0], asked[2])

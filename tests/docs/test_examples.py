"""The documentation does what it says: examples run, configs finish, nothing is left out."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from qdx.api import run
from qdx.assembly.config import DEFAULTS, SECTIONS, load
from qdx.assembly.sections import CampaignSection, CheckpointSection
from qdx.assembly.tables import (
    ARCHIVES,
    EXECUTORS,
    OBSERVERS,
    POLICIES,
    SEARCHERS,
    TASK_FAMILIES,
    TASKS,
    resolve,
)
from qdx.cli.app import call
from qdx.report.export import to_torch

ROOT = Path(__file__).resolve().parents[2]
RIVER = ROOT / "docs" / "examples" / "river"
CONFIGS = sorted([*(ROOT / "configs").rglob("*.yaml"), RIVER / "river.yaml"])
SMOKE = sorted((ROOT / "configs" / "smoke").glob("*.yaml"))
EXAMPLE = re.compile(r"^<!-- run -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    document
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if EXAMPLE.search(document.read_text())
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def river(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example package, as pip would install it: its module and its entry points."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((RIVER / "pyproject.toml").read_text())["project"]
    told = site / "qdx_river-0.1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n"
    )
    points = project["entry-points"]["qdx.tasks"].items()
    (told / "entry_points.txt").write_text(
        "[qdx.tasks]\n" + "".join(f"{key} = {value}\n" for key, value in points)
    )
    shutil.copy(RIVER / "qdx_river.py", site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield
        sys.modules.pop("qdx_river", None)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the documentation's paths lead somewhere: a short demo with its exports."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("configs", "docs"):
        (folder / part).symlink_to(ROOT / part)
    demo = folder / "archives" / "demo"
    run(ROOT / "configs" / "hard_maze.yaml", demo, overrides=["budget=1000"])
    for export in ("parquet", "ribs", "torch"):
        assert call(["export", str(demo), "--format", export]) == 0
    return folder


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_the_examples_of_a_page_run_one_after_the_other(
    document: Path, checkout: Path, river: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    text = document.read_text()
    variables: dict[str, object] = {"__name__": "example"}
    for example in EXAMPLE.finditer(text):
        above = "\n" * text.count("\n", 0, example.start(1))  # errors then tell the page's line
        exec(compile(above + example[1], str(document), "exec"), variables)


@pytest.mark.parametrize("config", SMOKE, ids=name)
def test_a_smoke_config_finishes(config: Path, tmp_path: Path) -> None:
    summary = run(config, tmp_path / "run").summary
    assert summary["status"] == "finished"
    assert summary["failed"] == 0
    assert summary["archive_size"] > 0
    assert summary["coverage"] > 0


@pytest.mark.parametrize("config", CONFIGS, ids=name)
def test_a_config_is_valid(config: Path, river: None) -> None:
    resolved = load(config)
    assert load(resolved.resolved()).hash() == resolved.hash()


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_searcher_has_a_config_a_smoke_config_and_a_page_with_its_parameters(
    searcher: str,
) -> None:
    used = {load(config).searcher.kind for config in CONFIGS if config.parent.name == "configs"}
    smoked = {load(config).searcher.kind for config in SMOKE}
    assert searcher in used & smoked
    page = (ROOT / "docs" / "searchers" / f"{searcher}.md").read_text()
    schema = resolve(SEARCHERS[searcher].parameters)
    assert [f.name for f in fields(schema) if f"| `{f.name}` | " not in page] == []


def test_an_exported_network_plays_in_ten_lines(tmp_path: Path, monkeypatch: Any) -> None:
    page = (ROOT / "docs" / "searchers" / "deep_ga.md").read_text()
    example = page.split("play it elsewhere")[1].split("```python\n")[1].split("```")[0]
    assert len(example.strip().splitlines()) <= 10
    overrides = ["policy.padding=same", "budget=2"]
    finished = run(ROOT / "configs/smoke/image_maze.yaml", tmp_path / "run", overrides=overrides)
    to_torch(finished.stored, tmp_path / "export.pt", finished.best().id)
    monkeypatch.chdir(tmp_path)
    frames = torch.randint(256, (1, 4, 84, 84), generator=torch.Generator().manual_seed(0))
    variables: dict[str, Any] = {"frames": frames}
    exec(example, variables)
    there = torch.stack([variables["turn"], variables["speed"]])
    assert torch.equal(there, finished.best().policy()(frames[0].byte()))


def test_every_archive_and_task_has_a_smoke_config() -> None:
    configs = [load(config) for config in SMOKE]
    kinds = {section.kind for config in configs for section in config.archives.values()}
    assert kinds == set(ARCHIVES)
    tasks = {config.task.kind.partition(":")[0] for config in configs}
    assert tasks == {*TASKS, *TASK_FAMILIES}


def test_the_configuration_page_names_every_key() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    tables = [ARCHIVES, EXECUTORS, OBSERVERS, POLICIES, TASKS, TASK_FAMILIES]
    schemas = [resolve(row.parameters) for table in tables for row in table.values()]
    schemas += [CampaignSection, CheckpointSection]
    keys = {f.name for schema in schemas for f in fields(schema)}
    keys |= {*SECTIONS, *DEFAULTS.values()}
    keys |= {kind for table in tables[:-1] for kind in table}
    keys |= {f"{family}:<Id>" for family in TASK_FAMILIES}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []

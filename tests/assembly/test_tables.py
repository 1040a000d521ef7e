"""The tables of names."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

from qdx.assembly.tables import TABLES, TASK_FAMILIES, resolve, row
from qdx.core.errors import ConfigError
from qdx.core.protocols import Observer, Task

ROWS = [(table, name) for table, rows in TABLES.items() for name in rows]
ROWS += [("task", f"{family}:Some-v0") for family in TASK_FAMILIES]


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_every_name_stands_for_something(table: str, name: str) -> None:
    found = row(table, name)
    assert is_dataclass(resolve(found.parameters))
    assert not found.build or callable(resolve(found.build))


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_every_parameter_is_documented(table: str, name: str) -> None:
    schema = resolve(row(table, name).parameters)
    documented = "".join(parent.__doc__ or "" for parent in schema.__mro__)
    for field in fields(schema):
        assert f"{field.name}:" in documented


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_every_parameter_has_a_default(table: str, name: str) -> None:
    resolve(row(table, name).parameters)()


@pytest.mark.parametrize("name", TABLES["observer"])
def test_observers_are_observers(name: str) -> None:
    assert isinstance(resolve(row("observer", name).parameters)(), Observer)


@pytest.mark.parametrize("name", TABLES["task"])
def test_tasks_are_tasks_under_their_own_name(name: str) -> None:
    task = resolve(row("task", name).parameters)()
    assert isinstance(task, Task)
    assert task.facts.name == name


@pytest.mark.parametrize("family", TASK_FAMILIES)
@pytest.mark.parametrize("name", ["{}", "{}:", "x{}:CartPole-v1"])
def test_a_family_is_no_task_without_an_id(family: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"expected one of .*, {family}:<Id>, got"):
        row("task", name.format(family))


@pytest.mark.parametrize("name", TABLES["searcher"])
def test_searchers_work_with_archives_of_the_table(name: str) -> None:
    parameters = resolve(row("searcher", name).parameters)
    assert parameters.archives
    assert set(parameters.archives.values()) <= TABLES["archive"].keys()


def test_an_unknown_name_is_refused_with_all_that_are_known() -> None:
    known = "cvt, dominated_novelty, grid, novelty, soft_cvt, soft_grid"
    with pytest.raises(ConfigError, match=rf"archive: expected one of {known}, got 'x'"):
        row("archive", "x")


def test_reading_a_config_imports_no_torch() -> None:
    code = (
        "import sys; from qdx.assembly.config import load;"
        "load({'budget': 1, 'task': 'point', 'searcher': 'novelty_search'});"
        "load({'budget': 1, 'task': 'gymnasium:CartPole-v1', 'searcher': 'novelty_search'});"
        "heavy = ('torch', 'ribs', 'dask', 'ray', 'sklearn', 'gymnasium');"
        "print(*(m for m in heavy if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1:] in ([], [""])

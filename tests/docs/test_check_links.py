"""The link check finds what is broken and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "check_links.py"


@pytest.fixture(scope="module")
def check_links() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_links", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def broken(check_links: ModuleType, root: Path, text: str) -> list[str]:
    (root / "page.md").write_text(
        "# A page\n\n## `code`, and more\n\n## Twice\n\n## Twice\n" + text
    )
    return list(check_links.broken_links(root / "page.md", root))


@pytest.mark.parametrize(
    "link",
    [
        "[file](page.md)",
        "[folder](.)",
        "[anchor](#code-and-more)",
        "[second of two](page.md#twice-1)",
        "[elsewhere](https://example.org/nothing)",
        "`[in code](nothing.md)`",
        "```\n[in a block](nothing.md)\n```",
        "<!-- [in a comment](nothing.md) -->",
    ],
)
def test_a_good_link_is_passed_over(check_links: ModuleType, tmp_path: Path, link: str) -> None:
    assert broken(check_links, tmp_path, link) == []


@pytest.mark.parametrize(
    "link",
    [
        "[file](nothing.md)",
        "![image](nothing.png)",
        "[anchor](#nothing)",
        "[third of two](page.md#twice-2)",
        "[outside](../..)",
        "[absolute](/page.md)",
        "[name]: nothing.md",
        '<img src="nothing.png">',
    ],
)
def test_a_broken_link_is_found(check_links: ModuleType, tmp_path: Path, link: str) -> None:
    problems = broken(check_links, tmp_path, link)
    assert len(problems) == 1
    assert problems[0].startswith("page.md:8: ")


def test_a_run_directory_is_not_looked_into(check_links: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run" / "segments").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").touch()
    (tmp_path / "run" / "notes.md").write_text("[file](nothing.md)")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "notes.md").touch()
    (tmp_path / "page.md").touch()
    assert list(check_links.markdown_files(tmp_path)) == [tmp_path / "page.md"]

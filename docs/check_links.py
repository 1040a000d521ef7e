"""Check every relative link, image and heading anchor in the Markdown files of the repository.

Prints what is broken, a line each, and exits with 1; says nothing when all is well. Links to other
sites are not looked at.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|href)=\"([^\"]+)\"")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    """Check all files; the exit code."""
    problems = [problem for file in markdown_files() for problem in broken_links(file)]
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


def markdown_files(root: Path = ROOT) -> Iterator[Path]:
    """The *.md files outside hidden folders and outside run directories."""
    for folder, folders, files in os.walk(root):
        if "config.yaml" in files and "segments" in folders:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".md"))


def broken_links(file: Path, root: Path = ROOT) -> Iterator[str]:
    """A sentence per link of a file that leads nowhere."""
    text = COMMENT.sub(_blank, file.read_text(encoding="utf-8"))
    prose = CODE.sub(_blank, text)
    for match in [*LINK.finditer(prose), *REFERENCE.finditer(prose)]:
        target = next(group for group in match.groups() if group)
        if ELSEWHERE.match(target) or target.startswith("//"):
            continue
        problem = check(file, unquote(target), root)
        if problem:
            line = prose.count("\n", 0, match.start()) + 1
            yield f"{file.relative_to(root)}:{line}: {target}: {problem}"


def check(file: Path, target: str, root: Path) -> str:
    """What is wrong with a link, or nothing."""
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return "expected a relative link"
    aim = (file.parent / path).resolve() if path else file
    if not aim.is_relative_to(root):
        return "leads out of the repository"
    if not aim.exists():
        return "no such file"
    if anchor and aim.suffix == ".md" and anchor not in anchors(aim):
        return f"no heading with the anchor {anchor!r}"
    return ""


def anchors(file: Path) -> set[str]:
    """The anchors of a file's headings, as code hosts make them."""
    found: dict[str, int] = {}
    names = set()
    for match in HEADING.finditer(FENCE.sub("", file.read_text(encoding="utf-8"))):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1])
        slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        seen = found.get(slug, 0)
        found[slug] = seen + 1
        names.add(f"{slug}-{seen}" if seen else slug)
    return names


def _blank(match: re.Match[str]) -> str:
    """Nothing, over as many lines, so that line numbers stay right."""
    return "\n" * match[0].count("\n")


if __name__ == "__main__":
    sys.exit(main())

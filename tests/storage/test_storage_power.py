"""A power cut leaves what was flushed, and that is a whole commit.

A kill keeps the page cache; a power cut does not. The file operations of the scenario are recorded
with what a disk may have kept of them at worst, in two ways: names become durable with the flush of
their folder, or at once and before the bytes they name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from storage_scenario import N_COMMITS, assert_commit, campaign

from qdx.core.errors import ConfigError
from qdx.storage import read, verify

Names = dict[str, int]  # path → inode


class Disk:
    """What the operations under one folder have made durable."""

    def __init__(self, root: Path, *, are_names_eager: bool) -> None:
        self.root = root
        self.are_names_eager = are_names_eager
        self.bytes: dict[int, bytes] = {}
        self.names: Names = {}
        self.folders: set[str] = set()
        self.version = 0

    def flush(self, fd: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if path.is_dir():
            self.take_names(path)
        else:
            status = os.fstat(fd)
            self.bytes[status.st_ino] = path.read_bytes() if path.exists() else b""
        self.version += 1

    def take_names(self, folder: Path) -> None:
        if not folder.is_relative_to(self.root):
            return
        inside = {p: n for p, n in self.names.items() if Path(p).parent != folder}
        for path in folder.iterdir():
            if path.is_dir():
                self.folders.add(str(path))
            else:
                inside[str(path)] = path.stat().st_ino
        self.names = inside

    def renamed(self) -> None:
        if self.are_names_eager and self.root.exists():
            for folder in [self.root, *(p for p in self.root.iterdir() if p.is_dir())]:
                self.take_names(folder)
            self.version += 1

    def after_power_cut(self, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for folder in self.folders:
            (target / Path(folder).relative_to(self.root)).mkdir()
        for path, inode in self.names.items():
            copy = target / Path(path).relative_to(self.root)
            copy.write_bytes(self.bytes.get(inode, b""))
        return target


def record(patch: pytest.MonkeyPatch, disk: Disk, check: Callable[[], None]) -> None:
    """Check the disk after each operation that makes something durable."""

    def wrap(real: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            before = disk.version
            note(*args)
            if disk.version != before:
                patch.undo()
                check()
                record(patch, disk, check)
            return result

        return call

    real_open = os.open

    def opening(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        fd = real_open(path, flags, *args, **kwargs)
        if flags & os.O_TRUNC:  # a new file, perhaps with the inode of one that is gone
            disk.bytes.pop(os.fstat(fd).st_ino, None)
        return fd

    patch.setattr(os, "open", opening)
    patch.setattr(os, "fsync", wrap(os.fsync, disk.flush))
    for name in ("replace", "rename", "link", "unlink", "mkdir"):
        patch.setattr(os, name, wrap(getattr(os, name), lambda *_: disk.renamed()))


@pytest.mark.parametrize("are_names_eager", [False, True])
def test_a_power_cut_leaves_the_last_commit(
    tmp_path: Path, small_fan: None, are_names_eager: bool
) -> None:
    disk = Disk(tmp_path / "run", are_names_eager=are_names_eager)
    told: list[int] = []
    cuts: list[int] = []

    def check() -> None:
        root = disk.after_power_cut(tmp_path / "after")
        try:
            found = read(root)
        except ConfigError:
            assert not told  # its creation was cut short
            return
        last = told[-1] if told else 0
        assert found.commit in (last, last + 1)
        assert_commit(found, found.commit)
        assert found.skipped == []
        assert verify(root).damaged == []
        cuts.append(found.commit)

    with pytest.MonkeyPatch.context() as patch:
        record(patch, disk, check)
        campaign(tmp_path / "run", told.append)
    check()
    assert set(cuts) == set(range(N_COMMITS + 1))

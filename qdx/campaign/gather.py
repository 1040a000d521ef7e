"""The shared archive of islands: a run of its own, made of what all of them published.

Moment by moment, in the order of the islands, everything is offered to one archive. So it follows
from the published files alone, whoever gathers them and when.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from qdx.campaign.campaign import Campaign
from qdx.campaign.exchange import CONFIG, refuse_stranger, take_in
from qdx.campaign.window import Window
from qdx.core.errors import ConfigError, LockedRunError
from qdx.core.types import Json
from qdx.storage import is_held
from qdx.storage.files import fsync_folder, machine_errors
from qdx.storage.housekeeping import refuse_used
from qdx.storage.published import Published, island_folder, moments, read_moment

OWN = ("islands", "mode", "steady", "budget_steps")  # what only a running island needs
UNFINISHED = ".unfinished"  # how the folder of a shared archive ends that is being made


def gather(folder: str | Path, out: str | Path) -> Path:
    """Make a run of what islands published, up to the last moment that all of them reached.

    It has the config of island 0, and ids of its own for whoever goes on with it. It is made in a
    folder beside `out` and then renamed: what has that name is whole, whenever this is killed.

    Args:
        folder: Where they published.
        out: The run directory to make.

    Raises:
        ConfigError: Nothing was published there, by islands that are alike; or `out` is in use.
        DamagedRunError: A file is damaged.
        LockedRunError: Another process gathers there.
    """
    root, path = Path(folder), Path(out).absolute()
    refuse_used(path)
    config, n = _common(root)
    published = _published(root, n)
    total = sum(len(p.columns["id"]) for moment in published for p in moment)
    shared = {key: value for key, value in config.items() if key not in OWN}
    shared |= {"name": f"{config['name']}-shared", "island": n, "budget": max(total, 1)}
    making = path.with_name(f".{path.name}{UNFINISHED}")
    _clear(making)
    with Campaign(shared, making) as campaign:
        for moment in published:
            _add(campaign, moment)
        campaign.commit("finished")
    with machine_errors(path, "Nothing was gathered", then="try again"):
        _clear(path)  # empty, or what a creation that was cut short has left
        making.rename(path)
        fsync_folder(path.parent)
    return Path(out)


def _clear(path: Path) -> None:
    """Remove what an earlier process left.

    Raises:
        LockedRunError: It is at work there.
    """
    if is_held(path):
        raise LockedRunError(f"{path}: another process gathers there. Wait for it.")
    if path.exists():
        shutil.rmtree(path)


def _add(c: Campaign, moment: list[Published]) -> None:
    """What was published at a moment, as a generation."""
    window = Window.of(list(c.archives))
    for published in moment:
        evaluations, verdicts = take_in(c, published)
        c.tally.add(evaluations)
        window.add(evaluations, verdicts)
    c.records.sweep()
    c.tally.end_generation()
    c.journal(c.line(window), is_new=False)  # it took no time worth telling


def _common(root: Path) -> tuple[Json, int]:
    """The config of island 0, and how many islands there are."""
    file = island_folder(root, 0) / CONFIG
    if not file.exists():
        raise ConfigError(
            f"{root}: expected a folder in which islands publish, found no {file.parent.name} in "
            "it. It is named in the config, as islands.folder."
        )
    config: Json = yaml.safe_load(file.read_text())
    n: int = config["islands"]["n"]
    for island in range(1, n):
        if (island_folder(root, island) / CONFIG).exists():
            refuse_stranger(island_folder(root, island), config, 0)
    return config, n


def _published(root: Path, n: int) -> list[list[Published]]:
    """What all islands published, by moment; of each moment those that kept somebody new."""
    folders = [island_folder(root, island) for island in range(n)]
    last = max((moments(folder)[-1] for folder in folders if moments(folder)), default=0)
    found: list[list[Published]] = []
    for moment in range(1, last + 1):
        there = [read_moment(folder, moment) for folder in folders]
        if None in there:
            break
        found.append([p for p in there if p is not None and p.columns])
    if not any(found):
        raise ConfigError(
            f"{root}: expected a moment that all {n} islands have published, got none. Let them "
            "run."
        )
    return found

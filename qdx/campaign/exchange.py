"""Islands: campaigns that publish what they keep at declared moments, and take in what others did.

Moment m comes after m x `exchange` generations. Then an island publishes those of its individuals
that its archives took in since the last moment, and takes in what all others published at moment
m - 1, in the order of the islands: nobody waits for the slowest of the present moment. What is
taken in follows from moments, never from clocks, so islands are as reproducible as their searchers.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import yaml
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.assembly.parts import ISLAND_BITS
from qdx.assembly.sections import IslandsSection
from qdx.core.errors import ConfigError, InterruptedRun, RolloutError
from qdx.core.records import DESCRIPTION, columns_of, evaluations_of
from qdx.core.types import Evaluations, Json, State, Verdict, seen
from qdx.storage.files import write_file
from qdx.storage.published import (
    Publications,
    Published,
    island_folder,
    moments,
    publish,
    read_moment,
)

if TYPE_CHECKING:
    from qdx.campaign.campaign import Campaign

LOOK_S = 0.1  # how often a waiting island looks whether others have published
CONFIG = "config.yaml"  # in the folder of an island: what it is
# what islands must have in common
COMMON = ("task", "policy", "encoding", "observer", "islands.n", "islands.exchange")


class Sent(NamedTuple):
    """What others have of this island since a moment."""

    ids: Int64[Array, " N"]
    is_last: bool


@final
class Exchange:
    """An island's dealings with the others; none where a campaign is alone."""

    def __init__(self, parameters: IslandsSection | None, island: int) -> None:
        """No moment has been yet."""
        self._is_alone = parameters is None
        self._p, self._island = parameters or IslandsSection(n=1, folder=""), island
        self._folder = Path(self._p.folder)
        self._own = island_folder(self._folder, island)
        self.moment = 0
        self._others: dict[int, Publications] = {}  # islands whose config was looked at
        self._sent: dict[int, Sent] = {}  # own moments, read once

    def begin(self, config: str) -> None:
        """Say in the folder what this island is."""
        if not self._is_alone:
            write_file(self._own / CONFIG, config.encode())

    def go_on(self, config: str) -> None:
        """Look whether the folder is the one of before; it may have been moved.

        Raises:
            ConfigError: What this island published is not there.
        """
        if self._is_alone:
            return
        if self.moment and self.moment not in moments(self._own):
            raise ConfigError(
                f"islands.folder: expected the moments of island {self._island}, {self.moment} of "
                f"them, in {self._own}, got {len(moments(self._own))}. Move what islands published "
                "there, or name the folder of before."
            )
        make_folder(self._own)
        if not (self._own / CONFIG).exists():
            self.begin(config)

    def meet(self, c: Campaign) -> None:
        """The moments that are due: publish, then take in what others did a moment before.

        Raises:
            RolloutError: Another island did not publish in time.
            InterruptedRun: Asked to stop while it waited.
            ConfigError: Another island runs something else.
        """
        if self._is_alone:
            return
        others = [i for i in range(self._p.n) if i != self._island]
        while c.tally.generation // self._p.exchange > self.moment and not self._has_ended(
            self.moment + 1
        ):
            self._publish(c, self.moment + 1, is_last=False)
            if self.moment:
                found = [self._awaited(c, island, self.moment) for island in others]
                for published in found:  # all or none: a commit in between would have some twice
                    self._take_in(c, published)
            self.moment += 1

    def end(self, c: Campaign) -> None:
        """Publish what is left: others go on without this island."""
        if self._is_alone:
            return
        newest = max(moments(self._own), default=0)
        if not self._has_ended(newest):  # beyond a moment that it published and did not meet
            self._publish(c, max(self.moment, newest) + 1, is_last=True)

    def state(self) -> State:
        """How many moments have been."""
        return State({}, {"moment": self.moment})

    def restore(self, state: State) -> None:
        """The inverse of `state`."""
        self.moment = state.json["moment"]

    def _has_ended(self, moment: int) -> bool:
        """Whether others no longer wait for it at a moment: a larger budget goes on alone."""
        newest = max(moments(self._own), default=0)
        return 0 < newest <= moment and self._own_moment(newest).is_last

    def _own_moment(self, moment: int) -> Sent:
        """What the file of a moment holds, which is read once, as it never changes."""
        if moment not in self._sent:
            found = read_moment(self._own, moment) or Published({}, False)
            self._sent[moment] = Sent(found.columns.get("id", np.zeros(0, np.int64)), found.is_last)
        return self._sent[moment]

    def _publish(self, c: Campaign, moment: int, *, is_last: bool) -> None:
        ids = np.setdiff1d(self._members(c), self._published(moment))
        columns = columns_of(c.records.evaluations(ids)) if len(ids) else {}
        kept = {name: values for name, values in columns.items() if name not in DESCRIPTION}
        publish(self._own, moment, Published(kept, is_last))

    def _members(self, c: Campaign) -> Int64[Array, " N"]:
        """Who of this island's own is in any of its archives, by id."""
        ids = np.unique(np.concatenate([archive.members() for archive in c.archives.values()]))
        own: Array = ids[ids >> ISLAND_BITS == self._island]
        return own

    def _published(self, before: int) -> Int64[Array, " N"]:
        """Whom this island has published at earlier moments."""
        ids = [self._own_moment(m).ids for m in moments(self._own) if m < before]
        return np.concatenate([np.zeros(0, np.int64), *ids])

    def _awaited(self, c: Campaign, island: int, moment: int) -> Published:
        folder, since = island_folder(self._folder, island), time.monotonic()
        publications = self._others.get(island, Publications(folder))
        while (found := publications.read(moment)) is None:
            if c.is_stopping():
                raise InterruptedRun("asked to stop")
            if time.monotonic() - since > self._p.wait_s:
                raise RolloutError(
                    f"islands.wait_s: expected moment {moment} of island {island} in {folder} "
                    f"within {self._p.wait_s:g} s, got none. Start or resume that island."
                )
            time.sleep(LOOK_S)
        if island not in self._others:
            refuse_stranger(folder, c.config.resolved(), self._island)
            self._others[island] = publications
        return found

    def _take_in(self, c: Campaign, published: Published) -> None:
        if published.columns:
            take_in(c, published)
            c.records.sweep()


def prepare(parameters: IslandsSection | None, island: int) -> None:
    """Make the folder of an island that begins, before there is a run.

    Raises:
        ConfigError: It cannot be made, or an earlier run has published there.
    """
    if parameters is None:
        return
    own = island_folder(Path(parameters.folder), island)
    make_folder(own)
    if moments(own):
        raise ConfigError(
            f"islands.folder: expected no moments of island {island} in {parameters.folder}, got "
            "those of an earlier run. Resume that one, or name another folder."
        )


def make_folder(own: Path) -> None:
    """Make the folder of an island, unless it is there, in which files can be put.

    Raises:
        ConfigError: The system does not let us.
    """
    try:
        own.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=own):
            pass
    except OSError as error:
        raise ConfigError(
            f"islands.folder: expected a folder that can be written to, got {own.parent}: "
            f"{error.strerror or error}. Name another one."
        ) from error


def take_in(c: Campaign, published: Published) -> tuple[Evaluations, dict[str, Verdict]]:
    """Describe individuals of another island anew, and offer them to every archive."""
    columns: dict[str, Any] = dict(published.columns)
    n, dimension = len(columns["id"]), c.descriptor.dimension()
    bare = evaluations_of({**columns, "descriptor": np.zeros((n, dimension), np.float32)}, 0)
    genomes, outcomes = bare.genomes, bare.outcomes
    described = c.descriptor.describe(seen(genomes, outcomes), outcomes.failed)
    evaluations = Evaluations(genomes, outcomes, described)
    c.records.add(evaluations)
    verdicts = {
        name: archive.add(c.records.evaluations(genomes.ids))
        for name, archive in c.archives.items()
    }
    return evaluations, verdicts


def refuse_stranger(folder: Path, resolved: Json, island: int) -> None:
    """Refuse an island that runs something else.

    Raises:
        ConfigError: Names the section.
    """
    try:
        other = yaml.safe_load((folder / CONFIG).read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            f"islands.folder: expected {CONFIG} in {folder}, which says what that island is, found "
            "none. Resume that island."
        ) from error
    refuse_unlike(resolved, other, f"on island {island}", f"in {folder}")


def refuse_unlike(one: Json, other: Json, here: str, there: str) -> None:
    """Refuse islands of resolved configs that cannot exchange what they keep.

    Raises:
        ConfigError: Names the section or key.
    """
    for path in COMMON:
        a, b = (_value(config, path) for config in (one, other))
        if a != b:
            raise ConfigError(
                f"islands: expected the same {path} on all islands, got {b} {there} and {a} "
                f"{here}. Make them the same, or name another folder."
            )


def _value(config: Json, path: str) -> Any:
    """What a config has under a dotted key; None where it has not."""
    value: Any = config
    for key in path.split("."):
        value = (value or {}).get(key)
    return value

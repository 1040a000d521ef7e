"""Islands: campaigns that publish what they keep at declared moments, and take in what others did.

Moment m comes after m x `exchange` generations. Then an island publishes those of its individuals
that its archives took in since the last moment, and takes in what all others published at moment
m - 1, in the order of the islands: nobody waits for the slowest of the present moment. What is
taken in follows from moments, never from clocks, so islands are as reproducible as their searchers.
"""

from __future__ import annotations

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
COMMON = ("task", "policy", "encoding", "observer")  # what islands must have in common


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
        if self._is_alone:
            return
        self._own.mkdir(parents=True, exist_ok=True)
        write_file(self._own / "config.yaml", config.encode())

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
        while c.tally.generation // self._p.exchange > self.moment and not self._has_ended(self.moment + 1):
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


def refuse_used(parameters: IslandsSection | None, island: int) -> None:
    """Refuse a folder in which an earlier run has published as this island.

    Raises:
        ConfigError: It has.
    """
    if parameters is not None and moments(island_folder(Path(parameters.folder), island)):
        raise ConfigError(
            f"islands.folder: expected no moments of island {island} in {parameters.folder}, got "
            "those of an earlier run. Resume that one, or name another folder."
        )


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
    other = yaml.safe_load((folder / "config.yaml").read_text())
    for section in COMMON:
        if other.get(section) != resolved.get(section):
            raise ConfigError(
                f"islands: expected the same {section} on all islands, got {other.get(section)} in "
                f"{folder} and {resolved.get(section)} on island {island}. Name another folder."
            )

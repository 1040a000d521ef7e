"""SERENE: exploration by novelty, exploitation by emitters, in turn.

Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty search and emitters",
GECCO 2021. The budget is spent in chunks of K evaluations:

    explore(K):  Novelty Search; every rewarded x of P u O becomes a candidate emitter, once,
                 and enters the rewarding archive A_R
    exploit(K):  R <- P u O u A_N u A_R, frozen
                 1. bootstrap: candidates by decreasing novelty with regard to A_R, while more than
                    K / 3 is left: 6 founders and 5 steps; those that improved become emitters
                 2. exploitation: an emitter of the Pareto front of (novelty, improvement) steps on
                    until the chunk ends or it stagnates
                 3. hand-over: of every emitter that ended, 5 novelty candidates enter A_N

Deviations, each an extension that changes nothing at its default: `concurrent_emitters` n > 1 lets
n emitters step in one batch, of the first front and, where it is too small, of the next; the
candidates of a chunk are bootstrapped in one batch, which is the same as one after the other, since
nothing one does enters another's. Neighbours are averaged over those there are (the released code
drops the nearest even where it is no self). Elders of an emitter are measured in the same R as
their children (the released code keeps the novelty they had in an earlier one). A chunk that the
end of the budget cuts short hands nothing over (the released code does), so that a run that is
given a larger budget goes on as if it had always had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Int64
from numpy import ndarray as Array

from qdx.core.protocols import Describe
from qdx.core.records import empty_ids
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Verdict
from qdx.searchers.emitters import step_size
from qdx.searchers.exploitation import Exploitation
from qdx.searchers.lessons import Lessons, pupils
from qdx.searchers.novelty_search import (
    NoveltySearch,
    NoveltySearchParameters,
    Survive,
    most_novel,
)
from qdx.searchers.parameters import EmitterParameters
from qdx.searchers.schedules import Kind, Schedule
from qdx.searchers.setting import Setting


@dataclass(frozen=True)
class SereneParameters(EmitterParameters, NoveltySearchParameters):
    """The papers' values are the defaults; those of Novelty Search and of emitters come with it.

    Attributes:
        chunk: K, evaluations of a turn of exploring or exploiting.
        schedule: Who has the next turn: alternating (the papers), fixed_sampling, time_sampling,
            bandit.
    """

    chunk: Annotated[int, Ge(1)] = 1000
    schedule: Kind = "alternating"

    archives: ClassVar[dict[str, str]] = {"novelty": "novelty", "rewarding": "novelty"}
    # R is frozen by counting their members, so they may only grow
    archive_kinds: ClassVar[dict[str, tuple[str, ...]]] = {
        "novelty": ("novelty",),
        "rewarding": ("novelty",),
    }


@final
class Serene:
    """Explores for novelty and exploits every reward it meets."""

    def __init__(
        self,
        parameters: SereneParameters,
        setting: Setting,
        survive: Survive = most_novel,
        lessons: Lessons | None = None,
    ) -> None:
        """Exploring, with a whole chunk before it.

        Args:
            parameters: Of the search.
            setting: Its world.
            survive: The population update of the exploring half.
            lessons: When the behaviour space is learned; None for one that is not. With both, the
                exploring half is that of TAXONS.
        """
        self._p = parameters
        self._setting = setting
        self._records = setting.records
        self._explore = NoveltySearch(parameters, setting, survive)
        self._lessons = lessons
        self._is_due = False  # a lesson, after this generation
        self._has_just_begun = False  # an exploiting chunk, with this generation's end
        self._exploit = Exploitation(
            parameters, setting, neighbours=parameters.neighbours, pool=self._pool
        )
        self._schedule = Schedule(parameters.schedule)
        self._offspring = empty_ids()  # O
        self._flagged: set[int] = set()  # members of P that became candidates
        self._left = parameters.chunk  # of K, while exploring
        self._n_before = 0  # candidates and emitters when the chunk began

    def ask(self) -> Genomes:
        if self._exploit.is_over:
            return self._explore.ask()
        return self._exploit.ask(self._explore.next_id)

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        if not self._exploit.is_over:
            return self._exploit.admit(evaluations)
        rewarded = self._create_candidates(evaluations)  # before novelty and population update
        return self._explore.admit(evaluations) | {"rewarding": rewarded}

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        explored = self._exploit.is_over
        if explored:
            self._explore.tell(evaluations, verdicts)
            self._hold_offspring(evaluations.genomes.ids)
            self._left -= len(evaluations)
            is_over = self._left <= 0
        else:
            self._explore.next_id += len(evaluations)
            self._exploit.tell(len(evaluations), self._explore.next_id)
            is_over = self._exploit.is_over
        chunk_explored = explored and is_over
        self._is_due = bool(chunk_explored and self._lessons and self._lessons.chunk_over())
        self._has_just_begun = False
        if is_over:
            self._next_chunk()

    def lesson(self) -> Int64[Array, " L"] | None:
        if not self._is_due:
            return None
        archived = [archive.members() for archive in self._setting.archives.values()]
        return pupils(self._records, *archived, self._explore.population, self._offspring)

    def redescribe(self, describe: Describe) -> None:
        self._exploit.redescribe()
        if self._has_just_begun:
            self._exploit.begin_anew(self._p.chunk, self._explore.next_id)

    def report(self) -> Json:
        learned = {"lessons": self._lessons.given} if self._lessons else {}
        return self._exploit.report() | learned

    def state(self) -> State:
        explore, exploit = self._explore.state(), self._exploit.state()
        arrays = {f"explore/{k}": v for k, v in explore.arrays.items()}
        arrays |= {f"exploit/{k}": v for k, v in exploit.arrays.items()}
        arrays |= {"offspring": self._offspring}
        arrays |= {"flagged": np.array(sorted(self._flagged), np.int64)}
        json = {"explore": explore.json, "exploit": exploit.json, "left": self._left}
        json |= {"lessons": self._lessons.state()} if self._lessons else {}
        return State(
            arrays, json | {"schedule": self._schedule.state(), "n_before": self._n_before}
        )

    def restore(self, state: State) -> None:
        for name, part in (("explore", self._explore), ("exploit", self._exploit)):
            own = {k: v for k, v in state.arrays.items() if k.startswith(f"{name}/")}
            arrays = {k.removeprefix(f"{name}/"): v for k, v in own.items()}
            part.restore(State(arrays, state.json[name]))
        self._offspring = state.arrays["offspring"]
        self._records.hold(self._offspring)
        self._flagged = set(state.arrays["flagged"].tolist())
        self._schedule.restore(state.json["schedule"])
        if self._lessons:
            self._lessons.restore(state.json["lessons"])
        self._left, self._n_before = state.json["left"], state.json["n_before"]

    def _pool(self) -> Int64[Array, " B"]:
        """P u O."""
        return np.union1d(self._explore.population, self._offspring)

    def _create_candidates(self, evaluations: Evaluations) -> Int64[Array, " R"]:
        """Every rewarded x of P u O, once; those of the first P wait for the first O."""
        if not len(self._explore.population):
            return empty_ids()
        pool = np.concatenate([self._explore.population, evaluations.genomes.ids])
        fitness = self._records.column("fitness", pool)  # NaN where failed, which is no reward
        rewarded = [x for x in pool[fitness > 0].tolist() if x not in self._flagged]
        for x in rewarded:
            sigma = step_size(x, pool, self._records, fallback=self._p.default_sigma)
            self._exploit.add(x, sigma)
        self._flagged.update(rewarded)
        return np.array(rewarded, np.int64)

    def _hold_offspring(self, ids: Int64[Array, " B"]) -> None:
        self._records.hold(ids)
        self._records.release(self._offspring)
        self._offspring = ids
        self._flagged &= set(self._explore.population.tolist())

    def _next_chunk(self) -> None:
        """Whose turn it is. With nothing to exploit it is exploration's again, at no cost."""
        next_id = self._explore.next_id
        self._schedule.reward(len(self._exploit) - self._n_before)
        self._n_before = len(self._exploit)
        turn = self._schedule.choose(
            draw(self._setting.seed, "schedule", next_id),
            spent=min((next_id - self._setting.first_id) / self._setting.budget, 1.0),
            can_exploit=self._n_before > 0,
        )
        self._left = self._p.chunk
        if turn == "exploit":
            self._exploit.begin(self._p.chunk, next_id)
            self._has_just_begun = True
            if self._exploit.is_over:  # nobody could step after all
                self._schedule.last = "explore"

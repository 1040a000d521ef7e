"""CMA-ME: evolution strategies that fill a map of elites.

Fontaine, Togelius, Nikolaidis & Hoover, "Covariance matrix adaptation for the rapid illumination of
behavior space", GECCO 2020. Emitters, each an evolution strategy, take turns:

    e <- the emitter whose turn it is
    x_1 .. x_λ ~ e, evaluated and offered to the map
    rank them, move e; if e has nothing more to give, restart it at a random elite

The defaults are the baseline of SERENE (Paolo et al., GECCO 2021), its "optimising emitters": a
hundred of six samples, started at random genes; the emitter that has stored the fewest has the
turn; it ranks by reward, and restarts when none of its samples was stored. Ranking by
`improvement` is Fontaine's improvement emitter: new cells first, then by how much a sample beats
the elite of its cell; those that do are the parents, and an emitter without any restarts. In his
scheduler the emitter that was asked least has the turn.

Deviations: `emitters_per_batch` n > 1 lets n emitters work in one generation, each judged against
the map as it was before. In a steady campaign a shard is the λ samples of one emitter, which has no
other turn until they are back. A strategy that has collapsed or diverged restarts in any case.
Initial genes of the emitters are not evaluated; the SERENE baseline does not store them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple, final

import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Describe
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, State, Status, Verdict, take
from qdx.searchers.evolution_strategies import EvolutionStrategy, Kind, restore, state_of
from qdx.searchers.parameters import CELLS
from qdx.searchers.setting import Setting, newborn


@dataclass(frozen=True)
class CmaMeParameters:
    """The SERENE baseline's values are the defaults.

    Attributes:
        emitters: Evolution strategies.
        population: λ, samples of an emitter a turn.
        sigma: First step size, also after a restart.
        ranking: What samples are ranked by: reward (SERENE) or improvement (Fontaine).
        turn: Which emitter has it: the one that has stored the fewest individuals (SERENE), or the
            one that was asked the fewest times (Fontaine).
        emitters_per_batch: Emitters that have the turn in one generation, at most all.
        strategy: cma_es, or sep_cma_es for many genes.
    """

    emitters: Annotated[int, Ge(1)] = 100
    population: Annotated[int, Ge(2)] = 6
    sigma: Annotated[float, Gt(0)] = 0.5
    ranking: Literal["reward", "improvement"] = "reward"
    turn: Literal["fewest_stored", "fewest_asked"] = "fewest_stored"
    emitters_per_batch: Annotated[int, Ge(1)] = 1
    strategy: Kind = "cma_es"

    archives: ClassVar[dict[str, str]] = {"cells": "grid"}

    @property
    def steady_batch(self) -> int:
        """Evaluations that stand for a generation in a steady campaign."""
        return self.population * min(self.emitters_per_batch, self.emitters)

    @property
    def archive_kinds(self) -> dict[str, tuple[str, ...]]:
        """Improvement is measured from the elite of a cell."""
        return {"cells": CELLS} if self.ranking == "improvement" else {}


class Judgement(NamedTuple):
    """What an emitter is told of its samples.

    Attributes:
        values: What they are ranked by; NaN for failed ones.
        n_parents: How many of the best are recombined; None for half.
        is_done: The emitter is to restart.
    """

    values: Float64[Array, "L K"]
    n_parents: int | None
    is_done: bool


Judge = Callable[[Float32[Array, " L"], Verdict], Judgement]


def by_reward(fitness: Float32[Array, " L"], verdict: Verdict) -> Judgement:
    """Half are parents by reward; done when none was stored."""
    is_done = not (verdict.status != Status.REFUSED).any()
    return Judgement(fitness[:, None].astype(np.float64), None, is_done)


def by_improvement(fitness: Float32[Array, " L"], verdict: Verdict) -> Judgement:
    """Parents are those that beat the map as it was: first new cells, then the better ones."""
    gain = improvement_of(verdict)
    is_new = np.isinf(gain)
    values = np.column_stack([is_new, np.where(is_new, fitness, gain)])
    n_parents = int((gain > 0).sum())
    return Judgement(values, n_parents, n_parents == 0)


def improvement_of(verdict: Verdict) -> Float64[Array, " L"]:
    """What each row beat the archive by.

    Raises:
        ConfigError: The archive does not look at fitness.
    """
    if verdict.improvement is None:
        raise ConfigError(
            "archives.cells.kind: expected an archive of cells, for samples are ranked by what "
            "they beat an elite by; got one without. Use grid, cvt, soft_grid or soft_cvt."
        )
    return verdict.improvement


JUDGES: dict[str, tuple[Judge, int]] = {
    "reward": (by_reward, 10**9),
    "improvement": (by_improvement, 1),
}


@final
class CmaMe:
    """Emitters, each a Gaussian on its way through the map."""

    def __init__(
        self,
        parameters: CmaMeParameters,
        setting: Setting,
        judge: Judge | None = None,
    ) -> None:
        """Emitters at random genes.

        Args:
            parameters: Of the search.
            setting: Its world. The archive `cells` guides the emitters; all are offered everything.
            judge: Another ranking than the parameters name.
        """
        self._p = p = parameters
        self._setting = setting
        ranked, self._patience = JUDGES[p.ranking]
        self._judge = judge or ranked
        self.next_id = setting.first_id
        rng = draw(setting.seed, "initial", setting.first_id)
        self._strategies = [
            EvolutionStrategy(
                mean, p.sigma, setting.encoding, population=p.population, kind=p.strategy
            )
            for mean in setting.encoding.initial(p.emitters, rng)
        ]
        self._stored = np.zeros(p.emitters, np.int32)
        self._asked = np.zeros(p.emitters, np.int32)
        self._origins: dict[int, int] = {}  # emitter → the elite it restarted from
        self._under_way: dict[int, int] = {}  # first id of a shard → its emitter
        self._n_restarts = 0

    def ask(self) -> Genomes:
        turn, size = self._turn(), self._p.population
        genes = [self._samples(i, self.next_id + n * size) for n, i in enumerate(turn)]
        parents = np.repeat([self._origins.get(i, -1) for i in turn], size)
        return newborn(self.next_id, np.concatenate(genes), parents=parents)

    def ask_more(self, n: int) -> Genomes:
        free = [i for i in self._in_turn() if i not in self._under_way.values()]
        if not free:
            return newborn(self.next_id, np.zeros((0, self._setting.encoding.n_genes), np.float32))
        emitter, first = free[0], self.next_id
        genes = self._samples(emitter, first)
        self._under_way[first] = emitter
        self.next_id += len(genes)
        parents = np.full(len(genes), self._origins.get(emitter, -1))
        return newborn(first, genes, parents=parents)

    def admit_some(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return self.admit(evaluations)

    def tell_some(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        first = int(evaluations.genomes.ids[0])
        emitter = self._under_way.pop(first)
        self._learn(emitter, evaluations.outcomes.fitness, verdicts["cells"], key=first)

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        return dict.fromkeys(self._setting.archives, evaluations.genomes.ids)

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        size = self._p.population
        for n, i in enumerate(self._turn()):
            rows = np.arange(n * size, (n + 1) * size)
            fitness, verdict = evaluations.outcomes.fitness[rows], take(verdicts["cells"], rows)
            self._learn(i, fitness, verdict, key=self.next_id + n * size)
        self.next_id += len(evaluations)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # strategies know genes alone

    def report(self) -> Json:
        return {"restarts": self._n_restarts}

    def state(self) -> State:
        arrays = {f"strategy/{k}": v for k, v in state_of(self._strategies).arrays.items()}
        arrays |= {"stored": self._stored.copy(), "asked": self._asked.copy()}
        arrays |= {"restarted": np.array(list(self._origins), np.int32)}
        arrays |= {"origins": np.array(list(self._origins.values()), np.int64)}
        json: Json = {"next_id": self.next_id, "restarts": self._n_restarts}
        if self._under_way:
            json["under_way"] = list(self._under_way.items())
        return State(arrays, json)

    def restore(self, state: State) -> None:
        own = {k: v for k, v in state.arrays.items() if k.startswith("strategy/")}
        arrays = {k.removeprefix("strategy/"): v for k, v in own.items()}
        restore(self._strategies, State(arrays, {}))
        self._stored, self._asked = (state.arrays[name].copy() for name in ("stored", "asked"))
        origins = state.arrays["origins"]
        self._origins = dict(zip(state.arrays["restarted"].tolist(), origins.tolist(), strict=True))
        self._setting.records.hold(origins)
        self.next_id, self._n_restarts = state.json["next_id"], state.json["restarts"]
        self._under_way = dict(state.json.get("under_way", []))
        for first, emitter in self._under_way.items():
            self._samples(emitter, first)  # a strategy is told of what it last gave

    def _turn(self) -> list[int]:
        """Emitters of this generation, in their order."""
        return sorted(self._in_turn()[: self._p.emitters_per_batch])

    def _in_turn(self) -> list[int]:
        """All emitters, the one that has the next turn first."""
        count = self._stored if self._p.turn == "fewest_stored" else self._asked
        order: list[int] = np.argsort(count, kind="stable").tolist()
        return order

    def _samples(self, emitter: int, first_id: int) -> Float32[Array, "L G"]:
        rng = draw(self._setting.seed, "strategy", first_id)
        return self._strategies[emitter].ask(rng)

    def _learn(
        self, emitter: int, fitness: Float32[Array, " L"], verdict: Verdict, *, key: int
    ) -> None:
        """Move the emitter whose samples these are, or let it begin anew."""
        self._stored[emitter] += (verdict.status != Status.REFUSED).sum()
        self._asked[emitter] += 1
        judgement = self._judge(fitness, verdict)
        if not judgement.is_done:
            self._strategies[emitter].tell(judgement.values, judgement.n_parents)
        if judgement.is_done or self._strategies[emitter].is_over(self._patience):
            self._restart(emitter, key)

    def _restart(self, emitter: int, key: int) -> None:
        """At a random elite, or at random genes while there is none."""
        records, cells = self._setting.records, self._setting.archives["cells"]
        gone = self._origins.pop(emitter, None)
        if gone is not None:
            records.release(np.array([gone]))
        if len(cells):
            elite = cells.parents(1, key=key)
            records.hold(elite)
            self._origins[emitter] = int(elite[0])
            mean = records.genes(elite)[0]
        else:
            mean = self._setting.encoding.initial(1, draw(self._setting.seed, "restart", key))[0]
        self._strategies[emitter].restart(mean)
        self._n_restarts += 1

"""Emitters: small populations that climb a reward from where it was found.

Paolo, Coninx, Doncieux & Laflaquière, "Sparse reward exploration via novelty search and emitters",
GECCO 2021 (SERENE), section 3.2; the elitist emitter, its novelty variant, and emitters that are
evolution strategies. Elitist emitters of one batch are varied and selected as one array program; an
`Emitter` itself is a record of ids and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.core.records import Records, empty_ids
from qdx.core.types import State
from qdx.encodings.direct import Direct
from qdx.searchers import evolution_strategies
from qdx.searchers.evolution_strategies import EvolutionStrategy
from qdx.searchers.stagnation import Stagnation

SIZE = 6  # members of an emitter's population
CHILDREN = 2  # of each member, a step
FIRST = 3  # steps of the reference window of the improvement
LAST = 3  # steps of the window compared with it

EmitterKind = Literal["fitness", "novelty", "cma_es", "sep_cma_es"]
Found = Callable[["Emitter"], EvolutionStrategy]


@final
@dataclass(eq=False)
class Emitter:
    """One emitter.

    Attributes:
        ancestor: The rewarded individual it starts from.
        sigma: Standard deviation of its mutations, constant for life.
        population: Ids of its members; empty until it is founded.
        strategy: What draws its members, in an emitter that is an evolution strategy.
        reference: Rewards that its improvement is measured from: of its first three steps.
        values: Rewards of the population after each step, the last W; NaN where a member failed.
            The founding and the bootstrap are steps here.
        n_steps: Steps taken since; those of the bootstrap do not count.
        improvement: I(e) when it was last looked at.
        best_archived: Highest reward it has put into the rewarding archive.
        most_novel: The most novel individual it has met, its ancestor at first.
        buffer: Novelty candidates: individuals more novel than any before them.
    """

    ancestor: int
    sigma: float
    population: Int64[Array, " L"] = field(default_factory=empty_ids)
    strategy: EvolutionStrategy | None = None
    reference: list[list[float]] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)
    n_steps: int = 0
    improvement: float = 0.0
    best_archived: float = -np.inf
    most_novel: int = -1
    buffer: list[int] = field(default_factory=list)

    def held(self) -> Int64[Array, " R"]:
        """Ids it needs in the record store, with repeats."""
        return np.array(
            [self.ancestor, self.most_novel, *self.population.tolist(), *self.buffer], np.int64
        )

    def settle(self, members: Int64[Array, " L"], records: Records, stagnation: Stagnation) -> None:
        """A new population, and its rewards; those of the last W steps are kept."""
        records.hold(members)
        records.release(self.population)
        self.population = members
        rewards = records.column("fitness", members).astype(np.float64).tolist()
        self.values = [*self.values, rewards][-stagnation.window(self.n_steps) :]
        if len(self.reference) < FIRST:
            self.reference.append(rewards)

    def look_back(self, *, local: bool) -> None:
        """Measure the improvement; a local one is measured from here the next time."""
        self.improvement = improvement(self.reference, self.values)
        if local:
            self.reference = self.values[-LAST:]

    def rewarding(self, records: Records) -> list[int]:
        """Who enters A_R: at first the best, then each member above all it archived before."""
        fitness = records.column("fitness", self.population).astype(np.float64)
        fitness = np.where(np.isnan(fitness), -np.inf, fitness)  # failed
        if self.best_archived == -np.inf:
            better = [int(np.argmax(fitness))] if fitness.max() > 0 else []
        else:
            better = np.flatnonzero(fitness > self.best_archived).tolist()
        if better:
            self.best_archived = float(fitness[better].max())
        return [int(self.population[i]) for i in better]

    def collect_novel(self, novelties: Float64[Array, " L"], most: float, records: Records) -> None:
        """Buffer the members more novel than the most novel so far, and see who that is now.

        Args:
            novelties: Of the population, all measured against the same reference; NaN for failed.
            most: The novelty of `most_novel`, measured against it too.
            records: Where individuals are held.
        """
        found = np.where(np.isnan(novelties), -np.inf, novelties)
        more = [i for i in self.population[found > most].tolist() if i not in self.buffer]
        records.hold(np.array(more, np.int64))
        self.buffer += more
        if found.max() > most:
            best = int(self.population[np.argmax(found)])
            records.hold(np.array([best]))
            records.release(np.array([self.most_novel]))
            self.most_novel = best


def step_size(x: int, others: Int64[Array, " S"], records: Records, *, fallback: float) -> float:
    """sigma0: a third of the distance in genome space to the nearest other individual.

    Args:
        x: The ancestor.
        others: P u O; x itself does not count.
        records: Where genes are.
        fallback: Where that distance is 0 or nobody else is there.
    """
    rest = others[others != x]
    if not len(rest):
        return fallback
    gaps = records.genes(rest).astype(np.float64) - records.genes(np.array([x])).astype(np.float64)
    sigma = float(np.sqrt((gaps**2).sum(axis=1)).min()) / 3
    return sigma if sigma > 0 else fallback


def founders(
    emitters: Sequence[Emitter], records: Records, encoding: Direct, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Genes and parents of the first populations: SIZE x clip(ancestor + N(0, sigma² I))."""
    return _vary(
        np.repeat([[e.ancestor] for e in emitters], SIZE, axis=1),
        emitters,
        records,
        encoding=encoding,
        rng=rng,
    )


def children(
    emitters: Sequence[Emitter], records: Records, encoding: Direct, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Genes and parents of the next children: CHILDREN of each member of each emitter."""
    parents = np.repeat(np.stack([e.population for e in emitters]), CHILDREN, axis=1)
    return _vary(parents, emitters, records, encoding=encoding, rng=rng)


def _vary(
    parents: Int64[Array, "E C"],
    emitters: Sequence[Emitter],
    records: Records,
    *,
    encoding: Direct,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    flat = parents.ravel()
    genes = records.genes(flat)
    sigma = np.repeat([e.sigma for e in emitters], parents.shape[1]).astype(np.float32)
    moved = genes + sigma[:, None] * rng.standard_normal(genes.shape, np.float32)
    return encoding.clip(moved), flat


def survivors(scores: Float64[Array, "E C"], ids: Int64[Array, "E C"]) -> Int64[Array, "E L"]:
    """Columns of the SIZE best of each emitter, the older of equals; failed rows score -inf."""
    order = np.lexsort((ids, -scores), axis=1)[:, :SIZE]
    return np.sort(order, axis=1)


def improvement(reference: Sequence[Sequence[float]], values: Sequence[Sequence[float]]) -> float:
    """I(e) = max(mean reward of the last three steps - mean reward of the reference, 0).

    Failed members, NaN, have no reward and are left out; where nobody is left to compare, it is 0.
    """
    before, after = (np.array(rows, np.float64) for rows in (reference, values[-LAST:]))
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if not (len(before) and len(after)):
        return 0.0
    return max(float(after.mean() - before.mean()), 0.0)


def samples(
    emitters: Sequence[Emitter], found: Found, draws: Callable[[int], np.random.Generator]
) -> tuple[Array, Array]:
    """Genes and parents of SIZE samples of each strategy, which is founded at its first step.

    Args:
        emitters: Evolution strategies.
        found: Makes the strategy of an emitter.
        draws: The generator for the samples from a given row on.
    """
    genes = []
    for n, e in enumerate(emitters):  # each has a covariance and a stream of its own
        e.strategy = e.strategy or found(e)
        genes.append(e.strategy.ask(draws(n * SIZE)))
    return np.concatenate(genes), np.repeat([e.ancestor for e in emitters], SIZE)


def choose(ranks: Int64[Array, " E"], n: int, rng: np.random.Generator) -> list[int]:
    """At most n rows, front after front, uniformly within a front."""
    chosen: list[int] = []
    for rank in range(int(ranks.max()) + 1):
        members = rng.permutation(np.flatnonzero(ranks == rank))
        chosen += members[: n - len(chosen)].tolist()
        if len(chosen) == n:
            break
    return sorted(chosen)


def state_of(emitters: Sequence[Emitter]) -> State:
    """Emitters as arrays, for a commit; ids are int64, counts int32."""
    columns: dict[str, Any] = {
        "ancestor": np.array([e.ancestor for e in emitters], np.int64),
        "sigma": np.array([e.sigma for e in emitters], np.float64),
        "n_steps": np.array([e.n_steps for e in emitters], np.int32),
        "improvement": np.array([e.improvement for e in emitters], np.float64),
        "best_archived": np.array([e.best_archived for e in emitters], np.float64),
        "most_novel": np.array([e.most_novel for e in emitters], np.int64),
        "members": np.array([len(e.population) for e in emitters], np.int32),
        "population": np.concatenate([empty_ids(), *[e.population for e in emitters]]),
        "referred": np.array([len(e.reference) for e in emitters], np.int32),
        "reference": _rows([v for e in emitters for v in e.reference]),
        "rows": np.array([len(e.values) for e in emitters], np.int32),
        "values": _rows([v for e in emitters for v in e.values]),
        "buffered": np.array([len(e.buffer) for e in emitters], np.int32),
        "buffer": np.array([i for e in emitters for i in e.buffer], np.int64),
    }
    strategies = [e.strategy for e in emitters if e.strategy is not None]
    columns["is_strategy"] = np.array([e.strategy is not None for e in emitters], bool)
    own = evolution_strategies.state_of(strategies).arrays
    return State(columns | {f"strategy/{name}": rows for name, rows in own.items()}, {})


def emitters_of(state: State, found: Found) -> list[Emitter]:
    """The inverse of `state_of`; `found` makes the strategy of an emitter that had one."""
    a = state.arrays
    members, values = iter(a["population"].tolist()), iter(a["values"].tolist())
    buffer, reference = iter(a["buffer"].tolist()), iter(a["reference"].tolist())
    emitters = [
        Emitter(
            ancestor=int(a["ancestor"][i]),
            sigma=float(a["sigma"][i]),
            population=np.array(list(islice(members, int(a["members"][i]))), np.int64),
            reference=list(islice(reference, int(a["referred"][i]))),
            values=list(islice(values, int(a["rows"][i]))),
            n_steps=int(a["n_steps"][i]),
            improvement=float(a["improvement"][i]),
            best_archived=float(a["best_archived"][i]),
            most_novel=int(a["most_novel"][i]),
            buffer=list(islice(buffer, int(a["buffered"][i]))),
        )
        for i in range(len(a["ancestor"]))
    ]
    strategic = [e for e, has_one in zip(emitters, a["is_strategy"], strict=True) if has_one]
    for e in strategic:
        e.strategy = found(e)
    own = {k.removeprefix("strategy/"): v for k, v in a.items() if k.startswith("strategy/")}
    strategies = [e.strategy for e in strategic if e.strategy is not None]
    evolution_strategies.restore(strategies, State(own, {}))
    return emitters


def _rows(values: Sequence[Sequence[float]]) -> Float64[Array, "N L"]:
    return np.array(values, np.float64).reshape(-1, SIZE)

"""Deep GA: truncation selection and mutation alone, on policies that are seed chains.

Such, Madhavan, Conti, Lehman, Stanley & Clune, "Deep neuroevolution: genetic algorithms are a
competitive alternative for training deep neural networks for reinforcement learning", 2017
(arXiv 1712.06567), in the form of its third version and the released GPU code:

    while budget left:
        O <- N children: a uniform draw of the T parents + sigma eps(seed); at first N fresh genomes
        every child plays one episode
        C <- the elite E and the V - 1 best children (the V best while there is no elite)
        every candidate of C plays M new episodes, the same ones for all of them
        E <- the candidate with the best mean of these M
        parents <- the T best children, with E in the last one's place where it is not among them

T = 0 is random search with the same elite. With a weight of novelty the children are ranked by
novelty, or by a mix (`score`), instead of by reward: GA-NS of the same paper. Its parents are the T
best of the children and the previous generation's best, whose novelty is measured anew; the elite
is found as before and is only what the search reports.

Deviations from the paper: in the first generation, as in all others, the elite is one of its own
candidates, never replayed as a member of the population (so is the released code; the paper's text
copies it into the next generation). Without candidates (V = 0) the elite is the best by the reward
it was selected with, which is right for deterministic tasks only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge, Gt, Interval
from jaxtyping import Float64, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Describe
from qdx.core.records import empty_ids
from qdx.core.rng import draw
from qdx.core.types import Evaluations, Genomes, Json, Purpose, State, Verdict
from qdx.encodings.seed_chain import SeedChain
from qdx.searchers.novelty_score import pool_novelty
from qdx.searchers.setting import Setting
from qdx.searchers.sigma_schedule import Decay, SigmaSchedule
from qdx.searchers.truncation import means, mixed, truncated


@dataclass(frozen=True)
class DeepGaParameters:
    """The defaults are those of the released Atari configuration.

    Attributes:
        population: N, children of a generation.
        parents: T, the best that have children; 0 for random search.
        sigma: Standard deviation of a mutation of every parameter.
        sigma_decay: Whether and how it goes from there to `sigma_end`.
        sigma_end: From generation `sigma_generations` on; given where sigma is not constant.
        sigma_generations: After how many the end is reached.
        repeats: Episodes of every child, whose mean is its reward.
        candidates: V, individuals whose episodes decide who the elite is; 0 for none.
        episodes: M, fresh episodes of each of them.
        novelty: Weight of novelty against reward in the ranking of children: 0 the GA, 1 GA-NS.
        neighbours: k of the novelty.
        admission: Probability that a child enters the novelty archive.
    """

    population: Annotated[int, Ge(1)] = 1000
    parents: Annotated[int, Ge(0)] = 20
    sigma: Annotated[float, Gt(0)] = 0.002
    sigma_decay: Decay = "constant"
    sigma_end: Annotated[float, Gt(0)] | None = None
    sigma_generations: Annotated[int, Ge(1)] = 1000
    repeats: Annotated[int, Ge(1)] = 1
    candidates: Annotated[int, Ge(0)] = 10
    episodes: Annotated[int, Ge(1)] = 30
    novelty: Annotated[float, Interval(ge=0, le=1)] = 0.0
    neighbours: Annotated[int, Ge(1)] = 25
    admission: Annotated[float, Interval(ge=0, le=1)] = 0.01

    archives: ClassVar[dict[str, str]] = {"novelty": "novelty", "elites": "novelty"}
    defaults: ClassVar[dict[str, str]] = {"encoding": "seed_chain"}


@final
class DeepGa:
    """Selects by truncation; the elite by the mean of fresh episodes."""

    def __init__(self, parameters: DeepGaParameters, setting: Setting) -> None:
        """No parents, no elite; the first `ask` gives fresh genomes.

        Raises:
            ConfigError: Individuals are no seed chains, a single candidate, or half a schedule.
        """
        if parameters.candidates == 1:
            raise ConfigError(
                "searcher.candidates: expected at least 2, the elite and somebody to replace it, "
                "or 0 for none, got 1."
            )
        if setting.chains is None:
            raise ConfigError("encoding.kind: expected seed_chain, for deep_ga, got genes.")
        self._p = p = parameters
        self._sigma = SigmaSchedule(p.sigma_decay, p.sigma, p.sigma_end, p.sigma_generations)
        self._setting = setting
        self._chains: SeedChain = setting.chains
        self._next_id = setting.first_id
        self._next_trial = 0
        self._generation = 0
        self._parents = empty_ids()  # best first
        self._elite = empty_ids()  # one or none
        self._reward = -np.inf  # the elite's, by which it was chosen
        self._lead = -np.inf  # the first parent's
        self._ranked = empty_ids()  # T best children, while their elite is validated
        self._candidates = empty_ids()  # C, likewise; nobody between generations
        self._decided = (empty_ids(), -np.inf)  # elite and its reward, between `admit` and `tell`

    def ask(self) -> Genomes:
        return self._validation() if len(self._candidates) else self._children()

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        rewards = means(evaluations, self._n_individuals(evaluations))
        if len(self._candidates):
            self._decided = self._best(self._candidates, rewards)
            return {"elites": self._newcomer()}
        ids = self._individuals(evaluations)
        if not self._p.candidates:
            pool, values = np.append(self._elite, ids), rewards
            if len(self._elite):
                values = np.append(self._reward, rewards)
            self._decided = self._best(pool, values)
        chosen = draw(self._setting.seed, "admission", self._next_id).random(len(ids))
        alive = ids[(chosen < self._p.admission) & np.isfinite(rewards)]
        return {"novelty": alive} | ({} if self._p.candidates else {"elites": self._newcomer()})

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        if len(self._candidates):
            self._next_trial += self._p.episodes
            self._succeed(self._ranked)
        else:
            self._next_trial += self._p.repeats
            self._rank(evaluations)
        self._next_id += len(evaluations)

    def _children(self) -> Genomes:
        """N children, or N fresh genomes; each as often as it has episodes."""
        p, seed, n = self._p, self._setting.seed, self._p.population
        seeds = self._chains.seeds(n, draw(seed, "mutation", self._next_id))
        parents, sigma = np.full(n, -1), np.zeros(n, np.float32)
        if len(self._parents):
            rng = draw(seed, "parents", self._next_id)
            parents = self._parents[rng.integers(len(self._parents), size=n)]
            sigma[:] = self._sigma.at(self._generation)
        twice = np.repeat(np.arange(n), p.repeats)
        return self._batch(
            (parents[twice], seeds[twice], sigma[twice]), p.repeats, purpose=Purpose.SEARCH
        )

    def _validation(self) -> Genomes:
        """M episodes of every candidate, the same trials for all of them."""
        again = np.repeat(self._candidates, self._p.episodes)
        chain = [self._setting.records.column(name, again) for name in ("parent", "seed", "sigma")]
        return self._batch(tuple(chain), self._p.episodes, purpose=Purpose.VALIDATION)

    def _batch(self, chain: tuple[Array, ...], repeats: int, *, purpose: Purpose) -> Genomes:
        """Genomes with the next ids, `repeats` in a row the same one, a trial each."""
        parents, seeds, sigmas = chain
        n = len(parents)
        trials = self._next_trial + np.arange(n) % repeats
        return Genomes(
            ids=np.arange(self._next_id, self._next_id + n),
            genes=np.zeros((n, 0), np.float32),
            parents=parents,
            purpose=np.full(n, purpose, np.int32),
            trial=trials.astype(np.int32),
            seeds=seeds,
            sigmas=sigmas,
            lineage=self._setting.records.lineage(parents),
        )

    def _n_individuals(self, evaluations: Evaluations) -> int:
        repeats = self._p.episodes if len(self._candidates) else self._p.repeats
        return len(evaluations) // repeats

    def _individuals(self, evaluations: Evaluations) -> Int64[Array, " n"]:
        """Ids of the children: those of the first episode of each."""
        return evaluations.genomes.ids[:: self._p.repeats]

    def _best(
        self, ids: Int64[Array, " C"], rewards: Float64[Array, " C"]
    ) -> tuple[Int64[Array, " E"], float]:
        """The elite and its reward: the best, the oldest of equals; the old one where all fail."""
        alive = np.isfinite(rewards)
        if not alive.any():
            return self._elite, self._reward
        best = np.lexsort((ids[alive], -rewards[alive]))[0]
        return ids[alive][[best]], float(rewards[alive][best])

    def _newcomer(self) -> Int64[Array, " E"]:
        """The elite, where it is another one than before."""
        return np.setdiff1d(self._decided[0], self._elite)

    def _rank(self, evaluations: Evaluations) -> None:
        """Who may be a parent and who is validated; without candidates the generation ends."""
        rewards = means(evaluations, self._n_individuals(evaluations))
        pool = ids = self._individuals(evaluations)
        if self._p.novelty > 0 and len(self._parents):  # the best so far competes anew
            pool = np.append(self._parents[:1], ids)
            all_rewards = np.append(self._lead, rewards)
        else:
            all_rewards = rewards
        ranked = truncated(pool, self._score(pool, all_rewards), self._p.parents)
        if len(ranked):
            self._lead = float(all_rewards[pool == ranked[0]][0])
        if not self._p.candidates:
            self._succeed(ranked)
            return
        best = truncated(ids, rewards, self._p.candidates - len(self._elite))
        if not len(best):  # all failed: there is nothing to validate
            self._decided = (self._elite, self._reward)
            self._succeed(ranked)
            return
        self._hold(ranked=ranked, candidates=np.append(self._elite, best))

    def _succeed(self, ranked: Int64[Array, " T"]) -> None:
        """The next generation's parents and its elite."""
        elite, self._reward = self._decided
        parents = ranked if len(ranked) else self._parents
        if self._p.novelty == 0 and self._p.parents and len(elite) and elite[0] not in parents:
            parents = np.append(elite, parents[: self._p.parents - 1])
        self._hold(parents=parents, elite=elite, ranked=empty_ids(), candidates=empty_ids())
        self._generation += 1

    def _hold(self, **groups: Int64[Array, " _"]) -> None:
        """Replace some of the groups of individuals that are held."""
        records = self._setting.records
        for ids in groups.values():
            records.hold(ids)
        for name, ids in groups.items():
            records.release(getattr(self, f"_{name}"))
            setattr(self, f"_{name}", ids)

    def _score(
        self, ids: Int64[Array, " B"], rewards: Float64[Array, " B"]
    ) -> Float64[Array, " B"]:
        """Reward, novelty, or between them a mix of the ranks by both; -inf where one failed."""
        weight = self._p.novelty
        if weight == 0:
            return rewards
        archives = [self._setting.archives["novelty"]]
        records, k = self._setting.records, self._p.neighbours
        novelty, _ = pool_novelty(ids, records, archives, k, power=2)  # squared distances
        if weight == 1:
            return novelty
        return mixed(rewards, novelty, weight)

    def lesson(self) -> Int64[Array, " L"] | None:
        return None

    def redescribe(self, describe: Describe) -> None:
        pass  # novelty is measured anew every generation

    def report(self) -> Json:
        return {
            "ga_generation": self._generation,
            "validating": len(self._candidates),
            "elite": int(self._elite[0]) if len(self._elite) else None,
            "elite_reward": self._reward if len(self._elite) else None,
            **({} if self._p.sigma_end is None else {"sigma": self._sigma.at(self._generation)}),
        }

    def state(self) -> State:
        arrays = {name: getattr(self, f"_{name}") for name in GROUPS}
        return State(
            arrays,
            {
                "next_id": self._next_id,
                "next_trial": self._next_trial,
                "generation": self._generation,
                "elite": int(self._elite[0]) if len(self._elite) else -1,
                "reward": self._reward if len(self._elite) else None,
                "lead": self._lead if np.isfinite(self._lead) else None,
            },
        )

    def restore(self, state: State) -> None:
        self._hold(**{name: state.arrays[name] for name in GROUPS})
        self._next_id, self._next_trial = state.json["next_id"], state.json["next_trial"]
        self._generation = state.json["generation"]
        reward, lead = state.json["reward"], state.json["lead"]
        self._reward = -np.inf if reward is None else reward
        self._lead = -np.inf if lead is None else lead


GROUPS = ("parents", "elite", "ranked", "candidates")  # of individuals that are held

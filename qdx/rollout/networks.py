"""Rollouts of networks: many different ones as one batch, an episode after another in every slot.

For policies of `policies/network.py`, on any task. A piece of work has P networks with R slots
each. R is 1 where every individual has one episode; individuals under validation have many, and
play R of them side by side. Wherever an episode ends the next one of its network begins, and a
network without any is replaced by the next individual; so no slot waits for the longest episode of
a batch. Near the end, with nobody left to replace them, the networks that still play are packed
together.

Pieces share one queue. While one moves its worlds, another one evaluates its networks; who takes
which individual depends on the clock, what comes of it does not: an answer has the same bits in
every slot (`policies/network_torch.py`).
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.protocols import Observer
from qdx.core.types import Genomes, Outcomes, Purpose
from qdx.encodings.on_device import device_decoder
from qdx.encodings.seed_chain import SeedChain, decoder
from qdx.policies.network import Network
from qdx.policies.network_torch import FEWEST, Networks
from qdx.rollout.episodes import INVALID, Ends, episode_seeds, not_finite, outcomes
from qdx.rollout.fused import samples_of
from qdx.rollout.slots import Slots, open_slots
from qdx.signatures.threads import one_thread


@final
@dataclass(frozen=True)
class NetworkRollout:
    """Task x network x observer.

    Attributes:
        task: Fused or stepped.
        policy: The shape of the networks.
        observer: What is kept of an episode.
        chains: The encoding of seed chains; None with genes.
        device: Where networks, and the worlds of fused tasks, are.
        seed: Seed of the episodes.
    """

    task: Any
    policy: Network
    observer: Observer
    chains: SeedChain | None = None
    device: str = "cpu"
    seed: int = 0

    def __call__(self, genomes: Genomes) -> Outcomes:
        pieces, finish = self.divide(genomes, 0)
        for piece in pieces:
            piece()
        return finish()

    def divide(
        self, genomes: Genomes, size: int
    ) -> tuple[list[Callable[[], None]], Callable[[], Outcomes]]:
        """Pieces that share the episodes of a batch; how many says the policy, not `size`.

        Raises:
            ShapeError: Genes that do not fit the policy.
            ConfigError: Seed chains where genes are expected, or the other way round.
        """
        batch = _Batch(self, genomes)
        pieces: list[Callable[[], None]] = []
        for jobs, lanes in batch.jobs():
            n = min(self.policy.pipelines, -(-len(jobs) // FEWEST))
            width = max(min(self.policy.slots // lanes, -(-len(jobs) // max(n, 1))), 1)
            queue = deque(jobs)
            pieces += [functools.partial(_run, batch, queue, width, lanes) for _ in range(n)]
        return pieces, batch.outcomes

    def open(self, n: int) -> Slots:
        """Slots for this task."""
        return open_slots(self.task, n, self.device, samples_of(self.observer))


class _Batch:
    """Genomes to play, and what came of them so far."""

    def __init__(self, rollout: NetworkRollout, genomes: Genomes) -> None:
        self.rollout, self.genomes = rollout, genomes
        facts, n = rollout.task.facts, len(genomes)
        self.invalid = np.zeros(n, bool)
        if rollout.chains is None:
            self.invalid = not_finite(genomes, rollout.policy, facts)
        elif genomes.seeds is None:
            raise ConfigError("genomes: expected seed chains, got genes. Use encoding direct.")
        self.seeds = episode_seeds(facts, rollout.seed, genomes)
        steps = rollout.observer.steps(facts.horizon)
        self.sample_of = np.full(facts.horizon + 1, -1)  # t → which sample is due, -1 for none
        self.sample_of[steps] = np.arange(len(steps))
        self.steps, self.horizon = steps, facts.horizon
        kind = samples_of(rollout.observer)
        n_sampled = len(facts.measures if kind == "measures" else facts.sketch)
        self.ends = Ends(
            samples=np.full((n, len(steps), n_sampled), np.nan, np.float32),
            truth=np.full((n, len(facts.measures)), np.nan, np.float32),
            fitness=np.full(n, np.nan, np.float32),
            area=np.full(n, -1, np.int32),
            length=np.zeros(n, np.int32),
        )
        self.reason = np.where(self.invalid, INVALID, "").astype(object)

    def jobs(self) -> list[tuple[list[list[int]], int]]:
        """Rows to play, network by network, and the slots that each network has."""
        single: list[list[int]] = []
        several: dict[Any, list[int]] = {}
        validated = self.genomes.purpose == Purpose.VALIDATION
        for row in np.flatnonzero(~self.invalid).tolist():
            if validated[row]:
                several.setdefault(self._network(row), []).append(row)
            else:
                single.append([row])
        return [(single, 1), (list(several.values()), self.rollout.policy.lanes)]

    def _network(self, row: int) -> Any:
        """What tells networks apart."""
        g = self.genomes
        if g.seeds is None or g.sigmas is None:
            return g.genes[row].tobytes()
        return int(g.parents[row]), int(g.seeds[row]), float(g.sigmas[row])

    def load(self, networks: Networks, at: int, row: int) -> None:
        """Write the network of a row into a place."""
        chains, device = self.rollout.chains, self.rollout.device
        if chains is None:
            genes = torch.from_numpy(self.genomes.genes[row]).to(device)
        else:
            genes = torch.empty(self.rollout.policy.n_genes, device=device)
            if device == "cpu":
                decoder(chains).write(self.genomes, row, genes.numpy())
            else:
                device_decoder(chains, device).write(self.genomes, row, genes)
        networks.load(at, genes)

    def outcomes(self) -> Outcomes:
        """Of all rows, when all have been played."""
        r = self.rollout
        return outcomes(self.ends, r.observer, r.task.facts, self.reason.astype(str))


def film(rollout: NetworkRollout, genomes: Genomes) -> UInt8[Array, "T H W"]:
    """The newest frame that the first row's policy sees before each step.

    Raises:
        ConfigError: The task has no frames.
    """
    if not rollout.task.facts.image:
        raise ConfigError(f"video: {rollout.task.facts.name} has no frames to film.")
    slots = _Filmed(rollout.open(1))
    try:
        with torch.inference_mode():
            _Piece(_Batch(rollout, genomes), deque([[0]]), slots, (1, 1)).play()
    finally:
        slots.close()
    return np.stack(slots.frames)


class _Filmed:
    """Slots whose first one is filmed."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.frames: list[Array] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slots, name)

    def observe(self, slots: Int64[Array, " R"]) -> torch.Tensor | Array:
        sights = self._slots.observe(slots)
        self.frames.append(torch.as_tensor(sights[0, -1]).cpu().numpy().copy())
        return sights


def _run(batch: _Batch, queue: deque[list[int]], width: int, lanes: int) -> None:
    """One piece: play until the queue is empty."""
    slots = batch.rollout.open(width * lanes)
    try:
        with torch.inference_mode(), one_thread():  # pieces side by side use the cores
            _Piece(batch, queue, slots, (width, lanes)).play()
    finally:
        slots.close()


class _Piece:
    """P networks and their slots. Place p of the batch has the slots `seats[p]`."""

    def __init__(
        self, batch: _Batch, queue: deque[list[int]], slots: Slots, size: tuple[int, int]
    ) -> None:
        width, lanes = size
        self._batch, self._queue, self._slots = batch, queue, slots
        self._networks = Networks(batch.rollout.policy, width, batch.rollout.device)
        self._seats = np.arange(width * lanes).reshape(width, lanes)
        self._waiting: list[deque[int]] = [deque() for _ in range(width)]
        self._row = np.full(width * lanes, -1)  # played in a slot, -1 for none
        self._t = np.zeros(width * lanes, int)

    def play(self) -> None:
        """Until nobody plays and nobody waits."""
        while self._fill():
            playing = np.flatnonzero(self._row >= 0)
            self._sample(playing)
            over = self._slots.step(playing, self._actions(playing))
            self._t[playing] += 1
            self._end(playing[over | (self._t[playing] >= self._batch.horizon)])
            self._pack()

    def _fill(self) -> bool:
        """Begin an episode in every idle slot there is one for; whether anybody plays."""
        while True:
            begun = [slot for at in range(len(self._seats)) for slot in self._seated(at)]
            if not begun:
                return bool((self._row >= 0).any())
            slots = np.sort(np.array(begun))
            self._t[slots] = 0
            over = self._slots.begin(slots, self._batch.seeds[self._row[slots]])
            self._end(slots[over])  # failed at once: there may be room again

    def _seated(self, at: int) -> list[int]:
        """Slots of a network that were given a row; a network without rows is replaced."""
        waiting, seats = self._waiting[at], self._seats[at]
        idle = seats[self._row[seats] < 0]
        if not waiting and len(idle) == len(seats):
            try:
                waiting.extend(self._queue.popleft())
            except IndexError:  # nobody is left; others may have taken the last one
                return []
            self._batch.load(self._networks, at, waiting[0])
        begun: list[int] = idle[: len(waiting)].tolist()
        for slot in begun:
            self._row[slot] = waiting.popleft()
        return begun

    def _actions(self, playing: Int64[Array, " R"]) -> torch.Tensor:
        """Outputs of all networks, (N, A) by slot."""
        sights = torch.as_tensor(self._slots.observe(playing))
        p, lanes = self._seats.shape
        seats = torch.from_numpy(self._seats.ravel()).to(sights.device)
        if len(seats) < len(sights):
            sights = sights[seats]
        seen = sights.reshape(p, lanes, *sights.shape[1:]).to(self._networks.device)
        if p < FEWEST:  # a batch of one is computed otherwise
            seen = torch.cat([seen] * FEWEST)
        out = self._networks(seen)[:p].flatten(0, 1)
        actions = torch.zeros(len(self._row), out.shape[1], device=out.device)
        actions[seats.to(out.device)] = out
        return actions

    def _sample(self, playing: Int64[Array, " R"]) -> None:
        """What the observer asks for before this step."""
        which = self._batch.sample_of[self._t[playing]]
        due = playing[which >= 0]
        if len(due):
            self._batch.ends.samples[self._row[due], which[which >= 0]] = self._slots.sample(due)

    def _end(self, slots: Int64[Array, " R"]) -> None:
        """Keep what the episodes of some slots left behind, and free them."""
        if not len(slots):
            return
        batch, ends, rows = self._batch, self._batch.ends, self._row[slots]
        ends.truth[rows] = self._slots.measure(slots)
        last = self._slots.sample(slots)
        for row, t, sample in zip(rows, self._t[slots], last, strict=True):
            ends.samples[row, batch.steps >= t] = sample
        ends.length[rows] = self._t[slots]
        ends.fitness[rows], ends.area[rows], batch.reason[rows] = self._slots.finish(slots)
        self._row[slots] = -1

    def _pack(self) -> None:
        """At the end, when half of the places are empty for good, leave them out.

        On the CPU, where an answer does not depend on how many there are; a GPU has them for free.
        """
        if self._queue or self._batch.rollout.device != "cpu" or len(self._seats) <= FEWEST:
            return
        busy = (self._row[self._seats] >= 0).any(axis=1)
        busy |= np.array([len(w) > 0 for w in self._waiting])
        if 2 * busy.sum() > len(busy) or not busy.any():
            return
        kept = np.flatnonzero(busy)
        self._networks = self._networks.picked(kept)
        self._seats = self._seats[kept]
        self._waiting = [self._waiting[at] for at in kept]

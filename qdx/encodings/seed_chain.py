"""Seed chains: a policy of millions of parameters as one seed and one (seed, sigma) per mutation.

Such et al. 2017 (arXiv 1712.06567), section "compact encoding": with phi the initialisation and eps
the noise that a seed stands for (`noise.py`),

    theta_0 = phi(eps(seed_0)),    theta_g = theta_(g-1) + sigma_g eps(seed_g)

in float32, product and sum each rounded by itself: torch's fused forms round once, and where they
do depends on how an array is cut. So a chain decodes to the same bits in every process, whatever it
has decoded before, and on the CPU as on a GPU.

A safe mutation moves a parameter the less, the more the policy's outputs depend on it (Lehman,
Chen, Clune & Stanley, "Safe mutations for deep and recurrent neural networks through output
gradients", GECCO 2018, arXiv 1712.06563):

    theta_g = theta_(g-1) + sigma_g eps(seed_g) / s(theta_(g-1))

with the sensitivity s a function of the parent alone, so that a genome is what it was: seeds.

The chains of a campaign are a tree (`core.types.Lineage`), and the parents of a generation are few:
they are kept decoded, so that a child costs one pass over its parameters however long its lineage
is. Decoded policies are known by a digest of their chain, never by id: campaigns share a process.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.types import Genomes, Lineage
from qdx.encodings.bases import Bases
from qdx.encodings.chains import Chains, chains_of
from qdx.encodings.noise import Noise, Philox, Table
from qdx.encodings.parameters import SeedChainParameters

BLOCK = 1 << 16  # parameters at a time: the noise of a block stays in the cache of a core
FARTHEST = np.float32(10)  # that a safe mutation moves a parameter, as in the code of its authors


@runtime_checkable
class Body(Protocol):
    """What a chain needs to know of a policy. Implementations are hashable and picklable."""

    @property
    def n_genes(self) -> int: ...

    def initial(self, normal: Float32[Array, "n G"]) -> Float32[Array, "n G"]:
        """phi: fresh parameters from standard normal draws, row by row."""
        ...


@runtime_checkable
class Sensitivity(Protocol):
    """How much a policy's outputs depend on each of its parameters.

    Implementations are hashable and picklable; their `repr` says all that the numbers follow from.
    """

    def of(self, policy: Float32[Array, " G"]) -> Float32[Array, " G"]:
        """Positive numbers; equal policies, equal bits."""
        ...


@final
@dataclass(frozen=True)
class SeedChain:
    """The encoding of one policy.

    Attributes:
        policy: What parameters belong to.
        noise: What seeds stand for.
        cache: Policies kept decoded in a process.
        bases: Dense policies on disk that bound how much is decoded; None for none.
        sensitivity: What mutations are divided by; None for plain ones.
    """

    policy: Body
    noise: Noise
    cache: int = 64
    bases: Bases | None = None
    sensitivity: Sensitivity | None = None

    def seeds(self, n: int, rng: np.random.Generator) -> UInt64[Array, " n"]:
        """Seeds for new individuals or mutations.

        Raises:
            ConfigError: The noise table is shorter than the policy.
        """
        return self.noise.seeds(n, self.policy.n_genes, rng)


def build(
    parameters: SeedChainParameters, policy: Body, sensitivity: Sensitivity | None = None
) -> SeedChain:
    """The encoding that a config names."""
    p = parameters
    noise: Noise = Table(p.entries, p.folder) if p.noise == "table" else Philox()
    of = f"{policy!r} {p.noise} {p.entries}" + (f" {sensitivity!r}" if sensitivity else "")
    bases = Bases(p.bases_every, p.folder, of) if p.bases_every else None
    return SeedChain(policy, noise, p.cache, bases, sensitivity)


class Parent(NamedTuple):
    """A decoded policy, ready to be mutated, in the form of its arithmetic.

    Attributes:
        policy: Its parameters.
        sensitivity: What noise is divided by; None for plain mutations.
    """

    policy: Any
    sensitivity: Any = None


@runtime_checkable
class Arithmetic(Protocol):
    """Where parameters lie and how they are computed: NumPy here, torch in `on_device.py`."""

    def empty(self) -> Any:
        """Room for one policy."""
        ...

    def start(self, seed: int, out: Any) -> None:
        """Write phi(eps(seed)) into `out`."""
        ...

    def mutate(self, parent: Parent, sigma: np.float32, seed: int, out: Any) -> None:
        """Write parent + sigma eps(seed) into `out`, which may be the parent's own array."""
        ...

    def copy(self, values: Any, out: Any) -> None:
        """Write parameters, or what a NumPy array says of each of them, into `out`."""
        ...

    def to_host(self, policy: Any) -> Float32[Array, " G"]:
        """As a NumPy array."""
        ...


@final
class OnHost:
    """Policies as NumPy arrays."""

    def __init__(self, encoding: SeedChain) -> None:
        self._encoding = encoding
        self._n = encoding.policy.n_genes

    def empty(self) -> Float32[Array, " G"]:
        return np.empty(self._n, np.float32)

    def start(self, seed: int, out: Float32[Array, " G"]) -> None:
        normal = np.empty((1, self._n), np.float32)
        self._encoding.noise.fill(seed, 0, normal[0])
        out[:] = self._encoding.policy.initial(normal)[0]

    def mutate(
        self, parent: Parent, sigma: np.float32, seed: int, out: Float32[Array, " G"]
    ) -> None:
        noise = np.empty(min(BLOCK, self._n), np.float32)
        for at in range(0, self._n, BLOCK):
            block = noise[: min(BLOCK, self._n - at)]
            self._encoding.noise.fill(seed, at, block)
            block *= sigma
            if parent.sensitivity is not None:
                block /= parent.sensitivity[at : at + BLOCK]
                np.clip(block, -FARTHEST, FARTHEST, out=block)
            np.add(parent.policy[at : at + BLOCK], block, out=out[at : at + BLOCK])

    def copy(self, values: Array, out: Float32[Array, " G"]) -> None:
        out[:] = values

    def to_host(self, policy: Array) -> Float32[Array, " G"]:
        return policy


@final
class Decoder:
    """Decodes the chains of one policy; used by the threads of one process."""

    def __init__(self, encoding: SeedChain, arithmetic: Arithmetic) -> None:
        self._encoding = encoding
        self._arithmetic = arithmetic
        self._cache: OrderedDict[bytes, Parent] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, genomes: Genomes, row: int, out: Any) -> None:
        """The parameters of a row, into `out`.

        Raises:
            ConfigError: The row has no chain, or one of another table.
        """
        seeds, sigmas, tree = genomes.seeds, genomes.sigmas, genomes.lineage
        if seeds is None or sigmas is None or tree is None:
            raise ConfigError("genomes: expected seed chains, got genes. Use encoding direct.")
        parent = int(genomes.parents[row])
        if parent < 0:
            self._arithmetic.start(int(seeds[row]), out)
            return
        ready = self._parent(tree, parent)
        self._arithmetic.mutate(ready, sigmas[row], int(seeds[row]), out)

    def _parent(self, tree: Lineage, id_: int) -> Parent:
        """A node, kept for its other children."""
        chains = chains_of(tree)
        with self._lock:  # children of one parent come together: it is decoded once
            key = chains.key[id_]
            if key not in self._cache:
                self._cache[key] = self._ready(self._decode(tree, chains, id_), key)
                while len(self._cache) > self._encoding.cache:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(key)
            return self._cache[key]

    def _decode(self, tree: Lineage, chains: Chains, id_: int) -> Any:
        """From the nearest ancestor that is at hand, in a fresh array."""
        arithmetic, out = self._arithmetic, self._arithmetic.empty()
        ahead = []
        while not self._is_at_hand(chains, id_, out):
            ahead.append(chains.row[id_])
            id_ = int(tree.parents[ahead[-1]])
            if id_ < 0:
                arithmetic.start(int(tree.seeds[ahead.pop()]), out)
                break
        for row in reversed(ahead):
            parent = self._ready(out, chains.key[int(tree.parents[row])])
            arithmetic.mutate(parent, tree.sigmas[row], int(tree.seeds[row]), out)
            node, bases = int(tree.ids[row]), self._encoding.bases
            if bases is not None and bases.is_due(chains.depth[node]):
                bases.keep(chains.key[node], arithmetic.to_host(out))
        return out

    def _ready(self, policy: Any, key: bytes) -> Parent:
        """A policy with what its mutations need. Sensitivities are computed on the host."""
        if self._encoding.sensitivity is None:
            return Parent(policy)
        if key in self._cache:
            return Parent(policy, self._cache[key].sensitivity)
        values = self._encoding.sensitivity.of(self._arithmetic.to_host(policy))
        sensitivity = self._arithmetic.empty()
        self._arithmetic.copy(values, sensitivity)
        return Parent(policy, sensitivity)

    def _is_at_hand(self, chains: Chains, id_: int, out: Any) -> bool:
        """Whether a node is in the cache or a base; if so it is written into `out`."""
        key, bases = chains.key[id_], self._encoding.bases
        if key in self._cache:
            self._arithmetic.copy(self._cache[key].policy, out)
            return True
        if bases is None or not bases.is_due(chains.depth[id_]):
            return False
        base = bases.find(key, self._encoding.policy.n_genes)
        if base is not None:
            self._arithmetic.copy(base, out)
        return base is not None


@functools.lru_cache(maxsize=8)
def decoder(encoding: SeedChain) -> Decoder:
    """The process's own decoder into NumPy arrays."""
    return Decoder(encoding, OnHost(encoding))


def dense(encoding: SeedChain, genomes: Genomes) -> Float32[Array, "B G"]:
    """The parameters of all rows, for policies small enough to have them side by side."""
    out = np.empty((len(genomes), encoding.policy.n_genes), np.float32)
    for row, parameters in enumerate(out):
        decoder(encoding).write(genomes, row, parameters)
    return out

"""Deep GA: what batching networks, seed chains and refilled slots are worth, on one core.

Run: `python -m benchmarks deep_ga`. Times are CPU time, contestants take turns.

* 64 different networks with a frame each, as one batch and in a Python loop over torch modules; and
  64 frames of one network.
* A child of 4 million parameters from its parent: a slice of the table, or noise drawn for it.
* A lineage of 300 mutations: decoded from nothing, from a base, and read as a dense file; what it
  takes in a run directory.
* Episodes of unequal length (CartPole, networks at random): slots filled again, or all slots kept
  until the longest of them has ended.
* A generation on Frostbite, the toy preset with short episodes: frames/s, and where the time goes.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core, side_by_side
from qdx.assembly.config import load
from qdx.assembly.parts import build
from qdx.core.types import Genomes, Lineage, take
from qdx.encodings.bases import Bases
from qdx.encodings.noise import Philox, Table
from qdx.encodings.seed_chain import Decoder, OnHost, SeedChain
from qdx.policies.network import LARGE, SMALL, Network
from qdx.policies.network_torch import Networks, TorchNetwork
from qdx.rollout import networks as driving
from qdx.storage import Delta
from qdx.storage.segments import encode_tables
from qdx.tasks.atari import AtariSlots

P, ROUNDS, GAME_ACTIONS = 64, 5, 18
LENGTH = 300


def network(layers: tuple) -> Network:
    return Network((4, 84, 84), GAME_ACTIONS, *layers, padding="same")


def batched() -> list[str]:
    lines = []
    for name, shape in (("dqn_large", network(LARGE)), ("dqn_small", network(SMALL))):
        rng = np.random.default_rng(0)
        many, alone = Networks(shape, P), []
        for slot in range(P):
            genes = shape.initial(rng.standard_normal((1, shape.n_genes), np.float32))[0]
            many.load(slot, torch.from_numpy(genes))
            alone.append(TorchNetwork.load(shape, genes))
        frames = torch.rand(P, 4, 84, 84)

        @torch.inference_mode()
        def loop(alone: list = alone, frames: torch.Tensor = frames) -> None:
            for module, frame in zip(alone, frames, strict=True):
                module(frame[None])

        @torch.inference_mode()
        def one(alone: list = alone, frames: torch.Tensor = frames) -> None:
            alone[0](frames)

        seconds = side_by_side(
            {"batch": lambda m=many, f=frames: m(f[:, None]), "loop": loop, "one": one},
            ROUNDS,
            clock=time.process_time,
        )
        rate = {key: P / s for key, s in seconds.items()}
        lines += [
            f"{name}, {P} different networks     {rate['batch']:7.0f} forwards/s",
            f"  beside a loop over them            {rate['batch'] / rate['loop']:6.2f}x"
            f"   ({rate['loop']:.0f})",
            f"  {P} frames of one network          {rate['one']:7.0f}",
        ]
    return lines


def children() -> list[str]:
    shape, out = network(LARGE), np.empty(network(LARGE).n_genes, np.float32)
    parent = np.zeros_like(out)
    sigma, table = np.float32(0.002), OnHost(SeedChain(shape, Table(25_000_000)))
    philox = OnHost(SeedChain(shape, Philox()))

    def numpy_draw() -> None:
        noise = np.random.Generator(np.random.Philox(7)).standard_normal(len(out), np.float32)
        noise *= sigma
        np.add(parent, noise, out=out)

    def torch_draw() -> None:
        noise = torch.randn(len(out), generator=torch.Generator().manual_seed(7))
        torch.add(torch.from_numpy(parent), noise, alpha=0.002, out=torch.from_numpy(out))

    contestants: dict[str, Callable[[], object]] = {
        "table": lambda: table.mutate(parent, sigma, 12345, out),
        "philox": lambda: philox.mutate(parent, sigma, 12345, out),
        "torch": torch_draw,
        "numpy": numpy_draw,
    }
    seconds = side_by_side(contestants, ROUNDS, clock=time.process_time)
    ms = {name: 1e3 * s for name, s in seconds.items()}
    return [
        f"child of {len(out)} parameters, table  {ms['table']:7.1f} ms",
        *(
            f"  {name:<34} {ms[key] / ms['table']:6.1f}x   ({ms[key]:.1f} ms)"
            for key, name in (
                ("philox", "beside the stream philox"),
                ("torch", "beside drawing it with torch"),
                ("numpy", "beside drawing it with NumPy's Philox"),
            )
        ),
    ]


def lineages() -> list[str]:
    shape, noise = network(LARGE), Table(25_000_000)
    ids = np.arange(LENGTH + 1)
    seeds = noise.seeds(len(ids), shape.n_genes, np.random.default_rng(0))
    sigmas = np.where(ids == 0, 0, 0.002).astype(np.float32)
    tree, z = Lineage(ids, ids - 1, seeds, sigmas), np.zeros(1, np.int32)
    none, last = np.zeros((1, 0), np.float32), ids[-1:]
    row = Genomes(last, none, last - 1, z, z, seeds[-1:], sigmas[-1:], tree)
    out = np.empty(shape.n_genes, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        plain, based = SeedChain(shape, noise), SeedChain(shape, noise, bases=Bases(50, folder))
        Decoder(based, OnHost(based)).write(row, 0, out)
        dense = Path(folder) / "dense.npy"
        np.save(dense, out)
        seconds = side_by_side(
            {
                "chain": lambda: Decoder(plain, OnHost(plain)).write(row, 0, out),
                "base": lambda: Decoder(based, OnHost(based)).write(row, 0, out),
                "dense": lambda: np.load(dense),
            },
            2,
            clock=time.process_time,
        )
        n_dense = dense.stat().st_size
    columns = {"id": ids, "parent": ids - 1, "seed": seeds, "sigma": sigmas}
    n_chain = len(encode_tables({"chains": Delta(columns, np.zeros(0, np.int64))}))
    return [
        f"lineage of {LENGTH} mutations, stored     {n_chain / 1e3:7.1f} kB"
        f"   ({n_dense / n_chain:.0f} times less than dense, {n_dense / 1e6:.1f} MB)",
        f"  decoded from nothing              {seconds['chain']:7.2f} s",
        f"  from a base every 50 mutations    {seconds['base']:7.2f} s",
        f"  dense, read from a file           {seconds['dense']:7.2f} s",
    ]


def campaign(raw: dict) -> tuple[object, Genomes]:
    """A rollout and a first generation."""
    parts = build(load({"budget": 1, "encoding": {"noise": "philox"}, **raw}))
    parts.executor.close()
    return parts.rollout, parts.searcher.ask()


def refilling() -> list[str]:
    rollout, genomes = campaign(
        {
            "task": {
                "kind": "gymnasium:CartPole-v1",
                "horizon": 200,
                "episode_seed": "per_genome",
            },
            "policy": {"kind": "humanoid_mlp", "slots": 16, "pipelines": 1},
            "searcher": {"kind": "deep_ga", "population": 128},
        }
    )
    evaluated = {"refilled": 0, "waiting": 0}

    def run(name: str) -> None:
        evaluated[name] = 0
        inner = driving.Networks.__call__

        def counted(self: Networks, seen: torch.Tensor) -> torch.Tensor:
            evaluated[name] += len(seen)
            return inner(self, seen)

        driving.Networks.__call__ = counted
        pack = driving._Piece._pack
        try:
            if name == "refilled":
                rollout(genomes)
                return
            driving._Piece._pack = lambda self: None
            for start in range(0, len(genomes), 16):
                rollout(take(genomes, np.arange(start, start + 16)))
        finally:
            driving.Networks.__call__, driving._Piece._pack = inner, pack

    seconds = side_by_side(
        {name: (lambda n=name: run(n)) for name in evaluated}, 3, clock=time.process_time
    )
    return [
        f"slots filled again                  {evaluated['refilled']:7d} network steps",
        f"  beside waiting for the longest     {evaluated['waiting'] / evaluated['refilled']:6.2f}x"
        f" network steps, {seconds['waiting'] / seconds['refilled']:.2f}x time",
    ]


def frostbite() -> list[str]:
    rollout, genomes = campaign(
        {
            "task": {"kind": "atari", "cap": 100},
            "policy": {"kind": "dqn_small", "padding": "valid", "slots": 32, "pipelines": 1},
            "searcher": {"kind": "deep_ga", "population": 32},
        }
    )
    spent: dict[str, float] = {}

    def timed(name: str, owner: type, method: str) -> None:
        inner = getattr(owner, method)

        def call(*arguments: object) -> object:
            start = time.perf_counter()
            try:
                return inner(*arguments)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - start

        setattr(owner, method, call)

    for method in ("begin", "step"):
        timed("environment", AtariSlots, method)
    timed("networks", driving.Networks, "__call__")
    timed("decoding", driving._Batch, "load")
    start = time.perf_counter()
    outcomes = rollout(genomes)
    wall = time.perf_counter() - start
    steps = int(outcomes.length.sum())
    shares = ", ".join(f"{name} {100 * s / wall:.0f} %" for name, s in spent.items())
    return [
        f"Frostbite, dqn_small, one core      {4 * steps / wall:7.0f} frames/s ({shares})",
    ]


def one_core() -> list[str]:
    pin_to_one_core()
    torch.set_num_threads(1)
    parts = (batched, children, lineages, refilling, frostbite)
    return [line for part in parts for line in part()]


def table() -> list[str]:
    """A process of its own, so that pinning does not outlive it."""
    return in_a_process_of_its_own("benchmarks.deep_ga", "one_core()")

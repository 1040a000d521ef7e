"""Deep GA: what batching networks, seed chains and refilled slots are worth, on one core.

Run: `python -m benchmarks deep_ga`. Times are CPU time, contestants take turns.

* 64 different networks with a frame each, as one batch and in a Python loop over torch modules; and
  64 frames of one network.
* A child of 4 million parameters from its parent: a slice of the table, or noise drawn for it.
* A lineage of 300 mutations: decoded from nothing, from a base, and read as a dense file; what it
  takes in a run directory.
* Episodes of unequal length (CartPole, networks at random): slots filled again, or all slots kept
  until the longest of them has ended.
* Safe mutations: the sensitivity of a parent, beside a child of it.
* Whole campaigns on Frostbite, the toy preset with few and short episodes, on one and two threads:
  frames/s, and the share of the threads' time in loading games, playing them, in networks, and
  waiting for each other or for the campaign to select, store and commit.
"""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import in_a_process_of_its_own, pin_to_one_core, side_by_side
from qdx.assembly.config import load
from qdx.assembly.parts import build
from qdx.campaign.campaign import Campaign
from qdx.core.types import Genomes, Lineage, take
from qdx.encodings.bases import Bases
from qdx.encodings.noise import Philox, Table
from qdx.encodings.seed_chain import Decoder, OnHost, Parent, SeedChain
from qdx.policies.network import LARGE, SMALL, DqnParameters, Network, dqn_large, dqn_small
from qdx.policies.network_torch import Networks, TorchNetwork
from qdx.rollout import networks as driving
from qdx.rollout.output_gradients import build as build_sensitivity
from qdx.storage import Delta
from qdx.storage.segments import encode_tables
from qdx.tasks.atari import Atari, AtariSlots

P, ROUNDS, GAME_ACTIONS = 64, 5, 18
LENGTH = 300
NETWORK = {"kind": "dqn_small", "padding": "valid", "slots": 8, "lanes": 4}
FEW = {"population": 16, "parents": 4, "candidates": 4, "episodes": 4}
GENERATIONS = 2
CAP = 200  # actions of an episode
SIGMA = np.float32(0.002)


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
    sigma, table = SIGMA, OnHost(SeedChain(shape, Table(25_000_000)))
    philox = OnHost(SeedChain(shape, Philox()))

    def numpy_draw() -> None:
        noise = np.random.Generator(np.random.Philox(7)).standard_normal(len(out), np.float32)
        noise *= sigma
        np.add(parent, noise, out=out)

    def torch_draw() -> None:
        noise = torch.randn(len(out), generator=torch.Generator().manual_seed(7))
        torch.add(torch.from_numpy(parent), noise, alpha=0.002, out=torch.from_numpy(out))

    contestants: dict[str, Callable[[], object]] = {
        "table": lambda: table.mutate(Parent(parent), sigma, 12345, out),
        "philox": lambda: philox.mutate(Parent(parent), sigma, 12345, out),
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


def safe_mutations() -> list[str]:
    """A sensitivity is computed once for each parent of a generation."""
    task = Atari(cap=100)
    lines = []
    for make in (dqn_large, dqn_small):
        shape = make(DqnParameters(), task.facts)
        sensitivity = build_sensitivity(task, shape, 16, 0)
        parent = shape.initial(np.random.default_rng(0).standard_normal((1, shape.n_genes), "f4"))[
            0
        ]
        out, plain = np.empty_like(parent), OnHost(SeedChain(shape, Table(25_000_000)))
        contestants: dict[str, Callable[[], object]] = {
            "sensitivity": lambda s=sensitivity, p=parent: s.of(p),
            "child": lambda o=plain, p=parent, out=out: o.mutate(Parent(p, p), SIGMA, 7, out),
        }
        seconds = side_by_side(contestants, 2, clock=time.process_time)
        lines.append(
            f"{make.__name__}, safe: a parent's sensitivity {seconds['sensitivity']:5.2f} s"
            f"   (a child of it {1e3 * seconds['child']:.1f} ms)"
        )
    return lines


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


def timed(spent: dict[str, float], name: str, owner: object, attribute: str) -> None:
    """Add up the seconds of a function, over all threads."""
    inner, lock = getattr(owner, attribute), threading.Lock()

    def call(*arguments: object, **keys: object) -> object:
        start = time.perf_counter()
        try:
            return inner(*arguments, **keys)
        finally:
            with lock:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - start

    setattr(owner, attribute, call)


def toy(threads: int, folder: Path) -> Campaign:
    """The toy preset with few, short episodes; a group of slots for each thread."""
    return Campaign(
        {
            "budget": 10**6,
            "budget_steps": 10**9,  # so that steps are counted
            "task": {"kind": "atari", "cap": CAP},
            "policy": NETWORK | {"pipelines": threads},
            "encoding": {"noise": "philox"},
            "searcher": {"kind": "deep_ga", **FEW},
            "executor": {"kind": "local", "threads": threads},
        },
        folder,
    )


def whole_campaigns() -> list[str]:
    """Frames per second of a campaign, and what its threads do all the time."""
    spent, lines = {}, []
    for method in ("__init__", "begin", "close"):
        timed(spent, "loading games", AtariSlots, method)
    timed(spent, "playing them", AtariSlots, "step")
    timed(spent, "networks", driving.Networks, "__call__")
    timed(spent, "decoding", driving._Batch, "load")
    timed(spent, "busy", driving, "_run")
    for threads in (1, 2):
        with tempfile.TemporaryDirectory() as folder, toy(threads, Path(folder) / "run") as running:
            running.step()  # a first generation of fresh networks and its validation warm up
            running.step()
            spent.clear()
            start, cpu, steps = time.perf_counter(), time.process_time(), running.tally.steps
            for _ in range(2 * GENERATIONS):
                running.step()
            wall, frames = time.perf_counter() - start, 4 * (running.tally.steps - steps)
        cpu = time.process_time() - cpu  # all threads, the vectoriser's too
        busy = spent.pop("busy")
        shares = dict(spent) | {"stepping slots": busy - sum(spent.values())}
        shares |= {"waiting": threads * wall - busy}
        said = ", ".join(f"{name} {100 * s / threads / wall:.0f} %" for name, s in shares.items())
        lines += [
            f"Frostbite campaign, {threads} thread{'s' * (threads > 1):1}       "
            f"{frames / wall:7.0f} frames/s   ({frames / cpu:.0f} per second of processor time)",
            f"  {said}",
        ]
    return lines


def one_core() -> list[str]:
    pin_to_one_core()
    torch.set_num_threads(1)
    parts = (batched, children, safe_mutations, lineages, refilling)
    return [line for part in parts for line in part()]


def table() -> list[str]:
    """Processes of their own, so that neither pinning nor what is measured outlives them."""
    module = "benchmarks.deep_ga"
    return [
        *in_a_process_of_its_own(module, "one_core()"),
        *in_a_process_of_its_own(module, "whole_campaigns()"),
    ]

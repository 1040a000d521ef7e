"""How far we end from Box2D, beside how far Box2D ends from itself with genes moved a little.

Contacts are chaotic, so after one the right question is not whether two balls end in the same
place but whether ours differ more than Box2D's own do. Genomes are random ones that hit the ball;
a twin has every gene moved by the level, up or down at random.

Run: `python -m tests.reference.table_twins` prints the table for all levels; some minutes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array

from qdx.assembly.config import load
from qdx.assembly.parts import build_policy, build_rollout
from qdx.core.types import Genomes
from qdx.encodings.direct import Direct
from tests.reference import table_box2d

N = 500
LEVELS = (1e-6, 1e-5, 1e-4)
QUANTILES = np.linspace(0.1, 0.9, 9)
CELL = 2.7 / 50  # m; of the coverage grid
STARTED = 1e-6  # m: the ball has moved
ROUNDING = 1e-5  # m


class Case(NamedTuple):
    """A task with a kind of policy, and its episodes in Box2D's own hands.

    overlooked: m; quantiles as small as this are not compared. Actions of an open-loop policy
        saturate, so a third of its twins do not differ from the genome at all, while we round.
    """

    task: str
    policy: str
    play: Callable[[Array], Array]
    overlooked: float = 0.0


CASES = {
    "curling": Case("curling", "mlp", table_box2d.curling),
    "billiard": Case("billiard", "dmp", table_box2d.billiard, overlooked=ROUNDING),
    "billiard, controller": Case("billiard", "mlp", table_box2d.billiard_controller),
}


def paths(case: Case, genes: Array) -> Array:
    """(B, T + 1, 2) our balls, before each step and after the last."""
    named = {"task": case.task, "policy": case.policy, "searcher": "random_search", "budget": 1}
    config = load({**named, "observer": {"kind": "path", "stride": 1}})
    n = len(genes)
    zeros = np.zeros(n, np.int32)
    batch = Genomes(np.arange(n), genes, np.full(n, -1), zeros, zeros)
    return build_rollout(config, config.observer.parameters)(batch).observations["path"]


@functools.cache
def hitters(case: Case) -> tuple[Array, Array]:
    """(N, G) genomes that hit the ball, (N, T + 1, 2) our balls."""
    named = {"task": case.task, "policy": case.policy, "searcher": "random_search", "budget": 1}
    policy = build_policy(load(named))
    encoding = Direct(policy.n_genes, start=policy.initial)
    genes = encoding.initial(3 * N, np.random.default_rng(21))
    ours = paths(case, genes)
    moved = np.abs(ours - ours[:, :1]).max(axis=(1, 2)) > STARTED
    return genes[moved][:N], ours[moved][:N]


@functools.cache
def ends(case: Case) -> Array:
    """(N, 2) Box2D's final balls."""
    return np.stack([case.play(genome)[-1, :2] for genome in hitters(case)[0]])


def our_distances(case: Case) -> Array:
    """(N,) from our final balls to Box2D's, m."""
    return np.linalg.norm(hitters(case)[1][:, -1] - ends(case), axis=1)


@functools.cache
def twin_distances(case: Case, level: float) -> Array:
    """(N,) from Box2D's final balls to those of its twins, m."""
    genes = hitters(case)[0].astype(np.float64)
    signs = np.random.default_rng(7).choice([-1.0, 1.0], genes.shape)
    twins = np.stack([case.play(genome)[-1, :2] for genome in genes + level * signs])
    return np.linalg.norm(twins - ends(case), axis=1)


def figures(distances: Array) -> Array:
    """Nine deciles, and the share that ends more than a coverage cell away."""
    return np.append(np.quantile(distances, QUANTILES), (distances > CELL).mean())


def is_met(case: Case, level: float) -> bool:
    """Whether none of our figures is larger than the twins'."""
    ours, twins = figures(our_distances(case)), figures(twin_distances(case, level))
    floor = np.append(np.full(len(QUANTILES), case.overlooked), 0)
    return bool((ours <= np.maximum(twins, floor)).all())


def main() -> None:
    head = "".join(f"{q:9.1f}" for q in QUANTILES)
    for name, case in CASES.items():
        print(f"{name}, {len(hitters(case)[0])} balls that are hit; m at quantiles")
        print(f"{'':12}{head}   beyond a cell")
        rows = {"ours": our_distances(case)}
        rows |= {f"twin {level:.0e}": twin_distances(case, level) for level in LEVELS}
        for label, distances in rows.items():
            *quantiles, beyond = figures(distances)
            print(f"{label:12}" + "".join(f"{x:9.1e}" for x in quantiles) + f"{beyond:10.3f}")
        met = [f"{level:.0e}" for level in LEVELS if is_met(case, level)]
        print(f"no larger at every figure: {', '.join(met) or 'none'}\n", flush=True)


if __name__ == "__main__":
    main()

"""One training of an autoencoder: Adam, minibatches, early stop on individuals held out.

The procedure of the STAX code (Paolo et al., Evolutionary Computation 32(3), 2024): up to 101
epochs, validation from the second on, an end when the validation error has been above the best one
for four epochs in a row. `max_inputs` bounds what an epoch costs: it then learns from a sample that
is drawn anew each time, so that all there is gets its turn. `max_shown` bounds what a training
costs: few inputs are shown often, for the steps of the optimiser are what they lack. Deviations:
the best weights are kept, with Adam's moments as they were then (the code keeps the last; `weights:
last`); whole individuals are held out, not frames, because frames of one episode resemble each
other. Shuffles are keyed, so nothing but weights and moments is carried from training to training.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray as Array
from torch import nn

from qdx.core.rng import draw
from qdx.core.types import Json
from qdx.descriptors.networks import Network
from qdx.descriptors.parameters import AutoencoderParameters


@dataclass(frozen=True)
class Material:
    """What a network learns from.

    Attributes:
        n_individuals: B.
        n_each: Frames, or vectors, of each.
        inputs: Rows of the B x n_each inputs → a batch for the network.
    """

    n_individuals: int
    n_each: int
    inputs: Callable[[Int64[Array, " N"]], torch.Tensor]


@dataclass(frozen=True)
class Key:
    """What the draws of a training are keyed by."""

    seed: int
    training: int


def train(
    network: Network,
    optimiser: torch.optim.Adam,
    material: Material,
    *,
    p: AutoencoderParameters,
    key: Key,
) -> Json:
    """Move the weights; says what it came to, for the journal.

    A training that does not bring a finite validation error leaves everything as it was.
    """
    learnt, held_out = split(material, p, key)
    most = max(p.max_inputs - len(held_out), 1) if p.max_inputs else None
    kept = _snapshot(network, optimiser)
    best, best_epoch, above, loss = np.inf, 0, 0, np.nan
    epoch, max_epochs = 0, epochs(p, len(held_out) + len(learnt[:most]))
    while epoch < max_epochs and above < p.patience:
        order = draw(key.seed, "minibatches", key.training, epoch).permutation(learnt)[:most]
        loss = _epoch(network, optimiser, material, order, p.batch)
        epoch += 1
        if epoch == 1 < max_epochs:
            continue
        error = validation_error(network, material, held_out, p.batch)
        above = above + 1 if error > best else 0
        if error < best:
            best, best_epoch, kept = error, epoch, _snapshot(network, optimiser)
    if p.weights == "best" or not np.isfinite(best):
        _go_back(network, optimiser, kept)
    return {
        "samples": material.n_individuals,
        "inputs": len(held_out) + len(learnt[:most]),
        "epochs": epoch,
        "best_epoch": best_epoch,
        "training_loss": _finite(loss),
        "validation_loss": _finite(best),
    }


def epochs(p: AutoencoderParameters, n_seen: int) -> int:
    """At most so many, for an epoch that looks at so many inputs."""
    most = max(p.max_epochs or 1, 1)
    return min(most, max(round(p.max_shown / n_seen), 1)) if p.max_shown else most


def split(
    material: Material, p: AutoencoderParameters, key: Key
) -> tuple[Int64[Array, " L"], Int64[Array, " V"]]:
    """Rows to learn from and rows held out; no individual has some in both.

    Held out is a share of the individuals that an epoch sees.
    """
    n, n_each = material.n_individuals, material.n_each
    order = draw(key.seed, "held out", key.training).permutation(n)
    n_seen = min(n, max(p.max_inputs // n_each, 2)) if p.max_inputs else n
    n_held_out = min(max(round(p.validation * n_seen), 1), n_seen - 1)
    rows = order[:, None] * n_each + np.arange(n_each)
    return rows[n_held_out:].ravel(), rows[:n_held_out].ravel()


def _epoch(
    network: Network,
    optimiser: torch.optim.Adam,
    material: Material,
    order: Int64[Array, " L"],
    batch: int,
) -> float:
    """A pass over the rows in an order; the mean error before each step."""
    network.train()
    total, n_shown = 0.0, 0
    for rows in minibatches(order, batch):
        x = material.inputs(rows)
        loss = nn.functional.mse_loss(network(x), x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total, n_shown = total + float(loss.detach()) * len(rows), n_shown + len(rows)
    return total / n_shown


def minibatches(order: Int64[Array, " L"], size: int) -> list[Int64[Array, " N"]]:
    """Rows in batches of a size, none of a single row, which has no variance to normalise by.

    A row that would be left over joins the batch before it; a row that is all there is comes twice.
    """
    if len(order) == 1:
        return [order.repeat(2)]
    return np.split(order, range(size, len(order) - 1, size))


def validation_error(
    network: Network, material: Material, rows: Int64[Array, " V"], batch: int
) -> float:
    """Mean error per frame, or vector, of rows that were not learnt from."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for some in _batches(rows, batch):
            x = material.inputs(some)
            total += float(nn.functional.mse_loss(network(x), x)) * len(some)
    return total / len(rows)


def _batches(rows: Array, size: int) -> Iterator[Array]:
    return (rows[i : i + size] for i in range(0, len(rows), size))


def _snapshot(network: Network, optimiser: torch.optim.Adam) -> Any:
    return copy.deepcopy((network.state_dict(), optimiser.state_dict()))


def _go_back(network: Network, optimiser: torch.optim.Adam, snapshot: Any) -> None:
    network.load_state_dict(snapshot[0])
    optimiser.load_state_dict(snapshot[1])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

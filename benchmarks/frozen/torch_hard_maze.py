"""FROZEN BASELINE, never tuned: HardMaze in eager PyTorch, batched over the controllers.

What it is for: the second denominator of the speed claims, what the usual vectorised environment
gives without a kernel of one's own. It is written: float32, one
Python loop over the steps and, inside, one over the pixels of the three beams. Do not optimise it;
correct it only where it departs from the fact sheet. Nothing here is shared with `qdx`. The caller
sets the number of torch threads (one, for the published figures).
"""

from __future__ import annotations

import math

import numpy as np
import torch

HORIZON = 2000
MARGIN_PX = 40  # beams and the disc may look this far outside the map, which is wall
SLABS_PX = (
    ((1.8, 41.3), (61.2, 45.8), (58.4, 51.6), (-1.2, 47.3)),
    ((55.2, 46.1), (127.45, 24.5), (132.1, 24.3), (132.4, 28.1), (58.9, 51.2)),
    ((55.6, 46.0), (60.3, 46.0), (60.0, 152.6), (55.5, 152.2)),
    ((4.4, 72.4), (7.05, 74.75), (37.7, 114.3), (32.65, 116.85), (-1.5, 72.0)),
    ((61.3, 100.7), (154.45, 152.7), (152.8, 157.1), (57.8, 103.9)),
    ((85.45, 84.9), (88.6, 84.3), (198.2, 141.6), (197.75, 146.4), (86.25, 88.2)),
    ((104.6, 156.65), (110.5, 157.4), (72.95, 201.0), (67.45, 200.0)),
)
BEAM_ANGLES = torch.tensor([math.pi / 4, 0.0, -math.pi / 4])
DISC = torch.tensor([(i, j) for i in range(-3, 4) for j in range(-3, 4) if i * i + j * j <= 9])
BEARINGS = torch.atan2(DISC[:, 1].float(), DISC[:, 0].float())
GOALS = torch.tensor([[60.0, 60.0], [100.0, 200.0]])


def padded_walls() -> torch.Tensor:
    """Wall raster with a margin of wall, (280, 280) bool, row = y downwards."""
    column, row = np.meshgrid(np.arange(200.0), np.arange(200.0))
    raster = np.ones((200, 200), bool)
    raster[3:197, 3:197] = False
    for slab in SLABS_PX:
        corners = np.array(slab)
        sides = np.roll(corners, -1, axis=0) - corners
        turn = np.stack(
            [
                d[0] * (row - c[1]) - d[1] * (column - c[0])
                for c, d in zip(corners, sides, strict=True)
            ]
        )
        raster |= (turn >= -1e-9).all(0) | (turn <= 1e-9).all(0)
    return torch.from_numpy(np.pad(raster, MARGIN_PX, constant_values=True))


WALLS = padded_walls()


def is_wall(column: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    return WALLS[row + MARGIN_PX, column + MARGIN_PX]


def pixel(position: torch.Tensor) -> torch.Tensor:
    scaled = position / 3
    return torch.trunc(scaled + torch.copysign(torch.tensor(0.5), scaled)).long()


def wrap(angle: torch.Tensor) -> torch.Tensor:
    angle = torch.where(angle > math.pi, angle - 2 * math.pi, angle)
    return torch.where(angle < -math.pi, angle + 2 * math.pi, angle)


def unpack(genes: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights (B, n, m) and bias (B, 1, 1) of the three layers."""
    layers, at = [], 0
    for n, m in ((5, 5), (5, 5), (5, 2)):
        weights = genes[:, at : at + n * m].reshape(-1, n, m)
        layers.append((weights, genes[:, at + n * m].reshape(-1, 1, 1)))
        at += n * m + 1
    return layers


def act(layers: list[tuple[torch.Tensor, torch.Tensor]], sensors: torch.Tensor) -> torch.Tensor:
    values = sensors[:, None, :]
    for weights, bias in layers:
        values = 2 * torch.sigmoid(torch.baddbmm(bias, values, weights)) - 1
    return values[:, 0, :].clamp(-4, 4)


def lasers(x: torch.Tensor, y: torch.Tensor, heading: torch.Tensor) -> torch.Tensor:
    """Distances (B, 3): all beams step together until each has hit or ended."""
    angle = heading[:, None] + BEAM_ANGLES
    column, row = pixel(x)[:, None].expand(-1, 3), pixel(y)[:, None].expand(-1, 3)
    d_column = pixel(x[:, None] + 100 * torch.cos(angle)) - column
    d_row = pixel(y[:, None] + 100 * torch.sin(angle)) - row
    step_column, step_row = torch.where(d_column < 0, -1, 1), torch.where(d_row < 0, -1, 1)
    d_column, d_row = d_column.abs(), d_row.abs()
    flat = d_column >= d_row
    long, short = torch.maximum(d_column, d_row), torch.minimum(d_column, d_row)
    forward_column, forward_row = step_column * flat, step_row * ~flat
    aside_column, aside_row = step_column * ~flat, step_row * flat
    error = long
    hit = torch.zeros_like(flat)
    distance = torch.full_like(angle, 100.0)
    starts_in_wall = is_wall(column, row)
    for i in range(int(long.max())):
        previous, error = error, error + 2 * short
        shifts = error > 2 * long
        column = column + forward_column + aside_column * shifts
        row = row + forward_row + aside_row * shifts
        error = error - 2 * long * shifts
        balance = error + previous - 2 * long
        wall = is_wall(column, row)
        wall |= shifts & (balance <= 0) & is_wall(column - aside_column, row - aside_row)
        wall |= shifts & (balance >= 0) & is_wall(column - forward_column, row - forward_row)
        if i == 0:
            wall |= starts_in_wall
        new = wall & ~hit & (i < long)
        reach = torch.hypot(x[:, None] - 3 * column, y[:, None] - 3 * row)
        distance = torch.where(new, reach, distance)
        hit |= new
        if bool((hit | (i + 1 >= long)).all()):
            break
    return distance


def drive(
    x: torch.Tensor, y: torch.Tensor, heading: torch.Tensor, wheels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    left, right = wheels[:, 0], wheels[:, 1]
    alpha = (right - left) / 20
    turns = alpha.abs() > 1e-10
    angle = torch.where(turns, alpha, 1.0)
    rho = left / angle + 10
    local_x, local_y = (torch.cos(angle) - 1) * rho, torch.sin(angle) * rho
    c, s = torch.cos(heading - math.pi / 2), torch.sin(heading - math.pi / 2)
    dx = torch.where(turns, c * local_x - s * local_y, left * torch.cos(heading))
    dy = torch.where(turns, s * local_x + c * local_y, left * torch.sin(heading))
    return x + dx, y + dy, wrap(heading + torch.where(turns, alpha, 0.0))


@torch.inference_mode()
def rollout(genes: np.ndarray, steps: int = HORIZON) -> tuple[np.ndarray, np.ndarray]:
    """Final x, y (B, 2) and fitness (B,) of the controllers `genes` (B, 63) after `steps` steps."""
    layers = unpack(torch.from_numpy(np.ascontiguousarray(genes, np.float32)))
    n = len(genes)
    x, y = torch.full((n,), 60.0), torch.full((n,), 450.0)
    heading = torch.full((n,), math.pi / 4)
    left, right = torch.zeros(n), torch.zeros(n)
    for _ in range(steps):
        sensors = torch.cat([lasers(x, y, heading), left[:, None], right[:, None]], dim=1)
        new_x, new_y, heading = drive(x, y, heading, act(layers, sensors))
        wall = is_wall(pixel(new_x)[:, None] + DISC[:, 0], pixel(new_y)[:, None] + DISC[:, 1])
        bearing = wrap(BEARINGS - heading[:, None])
        right = (wall & (bearing > 0) & (bearing < math.pi / 2)).any(1).float()
        left = (wall & (bearing < 0) & (bearing > -math.pi / 2)).any(1).float()
        collides = wall.any(1)
        last = torch.stack([x, y], dim=1)  # the reward reads the position before the last move
        x, y = torch.where(collides, x, new_x), torch.where(collides, y, new_y)
    distance = torch.cdist(last, GOALS)
    fitness = ((50 - distance) / 50).clamp(min=0).sum(1)
    return torch.stack([x, y], dim=1).numpy(), fitness.numpy()

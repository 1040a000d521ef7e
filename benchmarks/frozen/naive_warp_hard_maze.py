"""FROZEN BASELINE, never tuned: HardMaze as one straightforward Warp kernel, a thread per genome.

What it is for: the denominator of the speed claims of the fused HardMaze kernel. It is what one
writes first: float32, beams walked pixel by pixel on the raster,
the disc's pixels tested one by one, library functions where the formula has them, no tables. Do
not optimise it; correct it only where it departs from the fact sheet. Nothing here is shared with
`qdx`, so a fault there does not hide here.
"""

from __future__ import annotations

import numpy as np
import warp as wp

wp.set_module_options({"enable_backward": False})

HORIZON = 2000
N_GENES = 63
MAP_PX = wp.constant(200)
PI = wp.constant(3.14159265358979)
BEAM_RANGE = wp.constant(100.0)

SLABS_PX = (
    ((1.8, 41.3), (61.2, 45.8), (58.4, 51.6), (-1.2, 47.3)),
    ((55.2, 46.1), (127.45, 24.5), (132.1, 24.3), (132.4, 28.1), (58.9, 51.2)),
    ((55.6, 46.0), (60.3, 46.0), (60.0, 152.6), (55.5, 152.2)),
    ((4.4, 72.4), (7.05, 74.75), (37.7, 114.3), (32.65, 116.85), (-1.5, 72.0)),
    ((61.3, 100.7), (154.45, 152.7), (152.8, 157.1), (57.8, 103.9)),
    ((85.45, 84.9), (88.6, 84.3), (198.2, 141.6), (197.75, 146.4), (86.25, 88.2)),
    ((104.6, 156.65), (110.5, 157.4), (72.95, 201.0), (67.45, 200.0)),
)

vec5 = wp.types.vector(length=5, dtype=wp.float32)


def wall_raster() -> np.ndarray:
    """(200, 200) uint8, row = y downwards, 1 where wall."""
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
    return raster.astype(np.uint8)


WALLS = wall_raster()


@wp.func
def activation(z: float) -> float:
    return 2.0 / (1.0 + wp.exp(-z)) - 1.0


@wp.func
def wrap(angle: float) -> float:
    if angle > PI:
        return angle - 2.0 * PI
    if angle < -PI:
        return angle + 2.0 * PI
    return angle


@wp.func
def pixel(position: float) -> int:
    return int(wp.round(position / 3.0))


@wp.func
def is_wall(walls: wp.array2d(dtype=wp.uint8), column: int, row: int) -> bool:
    if column < 0 or row < 0 or column >= MAP_PX or row >= MAP_PX:
        return True
    return walls[row, column] != wp.uint8(0)


@wp.func
def hidden_layer(genes: wp.array2d(dtype=float), tid: int, start: int, values: vec5) -> vec5:
    out = vec5()
    for j in range(5):
        total = genes[tid, start + 25]
        for i in range(5):
            total += values[i] * genes[tid, start + 5 * i + j]
        out[j] = activation(total)
    return out


@wp.func
def output_layer(genes: wp.array2d(dtype=float), tid: int, start: int, values: vec5) -> wp.vec2:
    out = wp.vec2()
    for j in range(2):
        total = genes[tid, start + 10]
        for i in range(5):
            total += values[i] * genes[tid, start + 2 * i + j]
        out[j] = activation(total)
    return out


@wp.func
def beam(walls: wp.array2d(dtype=wp.uint8), x: float, y: float, angle: float) -> float:
    """Distance to the first wall along a supercover line (Dedu's variant of Bresenham)."""
    column = pixel(x)
    row = pixel(y)
    d_column = pixel(x + BEAM_RANGE * wp.cos(angle)) - column
    d_row = pixel(y + BEAM_RANGE * wp.sin(angle)) - row
    step_column = 1
    if d_column < 0:
        step_column = -1
        d_column = -d_column
    step_row = 1
    if d_row < 0:
        step_row = -1
        d_row = -d_row
    hit = is_wall(walls, column, row)
    if d_column >= d_row:
        error = d_column
        previous = d_column
        for _i in range(d_column):
            column += step_column
            error += 2 * d_row
            if error > 2 * d_column:
                row += step_row
                error -= 2 * d_column
                if error + previous <= 2 * d_column:
                    hit = hit or is_wall(walls, column, row - step_row)
                if error + previous >= 2 * d_column:
                    hit = hit or is_wall(walls, column - step_column, row)
            hit = hit or is_wall(walls, column, row)
            if hit:
                break
            previous = error
    else:
        error = d_row
        previous = d_row
        for _i in range(d_row):
            row += step_row
            error += 2 * d_column
            if error > 2 * d_row:
                column += step_column
                error -= 2 * d_row
                if error + previous <= 2 * d_row:
                    hit = hit or is_wall(walls, column - step_column, row)
                if error + previous >= 2 * d_row:
                    hit = hit or is_wall(walls, column, row - step_row)
            hit = hit or is_wall(walls, column, row)
            if hit:
                break
            previous = error
    if not hit:
        return BEAM_RANGE
    dx = x - 3.0 * float(column)
    dy = y - 3.0 * float(row)
    return wp.sqrt(dx * dx + dy * dy)


@wp.func
def goal_reward(x: float, y: float, goal_x: float, goal_y: float) -> float:
    distance = wp.sqrt((x - goal_x) * (x - goal_x) + (y - goal_y) * (y - goal_y))
    return wp.max((50.0 - distance) / 50.0, 0.0)


@wp.kernel
def episode(
    genes: wp.array2d(dtype=float),
    walls: wp.array2d(dtype=wp.uint8),
    n_steps: int,
    ends: wp.array2d(dtype=float),
    fitness: wp.array(dtype=float),
):
    tid = wp.tid()
    # float(...) makes a variable of the literal: Warp treats bare literals as constants in loops
    x = float(60.0)
    y = float(450.0)
    heading = float(PI / 4.0)
    left_bumper = float(0.0)
    right_bumper = float(0.0)
    last_x = x
    last_y = y
    for _t in range(n_steps):
        sensors = vec5(
            beam(walls, x, y, heading + PI / 4.0),
            beam(walls, x, y, heading),
            beam(walls, x, y, heading - PI / 4.0),
            left_bumper,
            right_bumper,
        )
        hidden = hidden_layer(genes, tid, 0, sensors)
        hidden = hidden_layer(genes, tid, 26, hidden)
        action = output_layer(genes, tid, 52, hidden)
        left = wp.clamp(action[0], -4.0, 4.0)
        right = wp.clamp(action[1], -4.0, 4.0)

        alpha = (right - left) / 20.0
        new_x = x + left * wp.cos(heading)
        new_y = y + left * wp.sin(heading)
        if wp.abs(alpha) > 1.0e-10:
            rho = left / alpha + 10.0
            local_x = (wp.cos(alpha) - 1.0) * rho
            local_y = wp.sin(alpha) * rho
            c = wp.cos(heading - PI / 2.0)
            s = wp.sin(heading - PI / 2.0)
            new_x = x + c * local_x - s * local_y
            new_y = y + s * local_x + c * local_y
            heading = wrap(heading + alpha)

        column = pixel(new_x)
        row = pixel(new_y)
        collides = bool(False)
        left_bumper = 0.0
        right_bumper = 0.0
        for dj in range(-3, 4):
            for di in range(-3, 4):
                if di * di + dj * dj <= 9 and is_wall(walls, column + di, row + dj):
                    collides = True
                    bearing = wrap(wp.atan2(float(dj), float(di)) - heading)
                    if bearing > 0.0 and bearing < PI / 2.0:
                        right_bumper = 1.0
                    if bearing < 0.0 and bearing > -PI / 2.0:
                        left_bumper = 1.0

        last_x = x  # the reward reads the position before the last move
        last_y = y
        if not collides:
            x = new_x
            y = new_y
    ends[tid, 0] = x
    ends[tid, 1] = y
    fitness[tid] = goal_reward(last_x, last_y, 60.0, 60.0) + goal_reward(
        last_x, last_y, 100.0, 200.0
    )


def rollout(
    genes: np.ndarray, device: str = "cpu", steps: int = HORIZON
) -> tuple[np.ndarray, np.ndarray]:
    """Final x, y (B, 2) and fitness (B,) of the controllers `genes` (B, 63) after `steps` steps."""
    n = len(genes)
    genes_d = wp.array(np.ascontiguousarray(genes, np.float32), dtype=float, device=device)
    walls_d = wp.array(WALLS, dtype=wp.uint8, device=device)
    ends = wp.zeros((n, 2), dtype=float, device=device)
    fitness = wp.zeros(n, dtype=float, device=device)
    wp.launch(
        episode, dim=n, inputs=[genes_d, walls_d, steps], outputs=[ends, fitness], device=device
    )
    return ends.numpy(), fitness.numpy()

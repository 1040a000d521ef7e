"""Geometry of bitmap worlds, in NumPy: polygons to walls, discs to collisions, floods to coverage.

Rows are y, columns are x. A pixel is named by its centre, an integer point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray as Array
from scipy import ndimage

Polygon = Sequence[tuple[float, float]]


def fill(walls: Array, polygon: Polygon) -> None:
    """Mark the pixels whose centre lies in a polygon, edges included, as wall."""
    rows, columns = np.mgrid[: walls.shape[0], : walls.shape[1]]
    inside = np.zeros(walls.shape, bool)
    edge = np.zeros(walls.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        side = (x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0)
        crosses = (rows >= min(y0, y1)) & (rows < max(y0, y1))
        inside ^= crosses & ((side > 0) == (y1 > y0)) & (side != 0)
        between = (rows - y0) * (rows - y1) + (columns - x0) * (columns - x1) <= 0
        edge |= (side == 0) & between
    walls |= inside | edge


class Contact(NamedTuple):
    """Where a disc touches walls, by direction from its centre.

    Attributes:
        angles: (K,) ascending float32, the distinct directions of the disc's pixels.
        mask: (H, W) uint32, bit k set where a wall pixel lies in direction k; bit K for the centre.
    """

    angles: Array
    mask: Array


def disc_contacts(walls: Array, radius: int) -> Contact:
    """Directions in which a disc around each pixel covers walls; outside the map is wall."""
    padded = np.pad(walls, radius, constant_values=True)
    offsets = [
        (u, v)
        for u in range(-radius, radius + 1)
        for v in range(-radius, radius + 1)
        if 0 < u * u + v * v <= radius * radius
    ]
    angle_of = {o: np.float32(np.arctan2(np.float32(o[1]), np.float32(o[0]))) for o in offsets}
    angles = np.unique(np.array(list(angle_of.values()), np.float32))
    mask = walls.astype(np.uint32) << len(angles)
    height, width = walls.shape
    for (u, v), angle in angle_of.items():
        shifted = padded[radius + v : radius + v + height, radius + u : radius + u + width]
        mask |= shifted.astype(np.uint32) << int(np.searchsorted(angles, angle))
    return Contact(angles, mask)


def clearance(walls: Array) -> Array:
    """Chebyshev distance to the nearest wall, the outside included, (H, W) int32."""
    padded = np.pad(~walls, 1)
    return ndimage.distance_transform_cdt(padded, "chessboard")[1:-1, 1:-1].astype(np.int32)


def reachable(free: Array, start: tuple[int, int]) -> Array:
    """Pixels a centre can reach from `start` (column, row) over edge-sharing free pixels."""
    labels, _ = ndimage.label(free)
    return np.asarray(labels == labels[start[1], start[0]])


def covered_cells(pixels: Array, pixel_size: float, cell_size: float) -> int:
    """Grid cells that hold a continuous position which rounds to one of the pixels."""
    rows, columns = np.nonzero(pixels)
    half = pixel_size / 2
    cells: set[tuple[int, int]] = set()
    for x, y in zip(columns * pixel_size, rows * pixel_size, strict=True):
        x_cells = range(int((x - half) // cell_size), int((x + half - 1e-9) // cell_size) + 1)
        y_cells = range(int((y - half) // cell_size), int((y + half - 1e-9) // cell_size) + 1)
        cells.update((i, j) for i in x_cells for j in y_cells)
    return len(cells)

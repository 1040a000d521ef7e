"""A plain NumPy rasteriser of the tasks' pictures, written from their description alone.

Every shape is a polygon or a disc in float64; a pixel has the colour of its centre. Frames are
(H, W, 3) uint8, row 0 at the top. Axes of points: (x to the right, y downwards), in shares of the
picture.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

WHITE, GREY, BLUE, GREEN = (255, 255, 255), (128, 128, 128), (0, 0, 255), (0, 255, 0)
ROBOT = 10 / 600
HALF_PIXEL = 0.5 / 200  # a pixel of the arenas' bitmap is named by its centre


def blank(size: int) -> np.ndarray:
    return np.zeros((size, size, 3), np.uint8)


def centres(size: int) -> np.ndarray:
    at = (np.arange(size) + 0.5) / size
    return np.stack(np.meshgrid(at, at), axis=-1)


def disc(frame: np.ndarray, centre, radius: float, colour) -> None:
    frame[np.hypot(*np.moveaxis(centres(len(frame)) - centre, -1, 0)) <= radius] = colour


def polygon(frame: np.ndarray, corners, colour) -> None:
    """A convex polygon: on the same side of all its edges."""
    points, corners = centres(len(frame)), np.asarray(corners, float)
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        edge, gap = b - a, points - a
        sides.append(edge[0] * gap[..., 1] - edge[1] * gap[..., 0])
    frame[np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)] = colour


def bitmap(walls: np.ndarray, size: int) -> np.ndarray:
    frame = blank(size)
    at = np.floor((np.arange(size) + 0.5) / size * len(walls)).astype(int)
    frame[walls[np.ix_(at, at)]] = WHITE
    return frame


def arena(walls: np.ndarray, robot, balls=(), size: int = 64) -> np.ndarray:
    """Robot and balls in units of the arena, 600 a side."""
    frame = bitmap(walls, size)
    disc(frame, np.asarray(robot) / 600 + HALF_PIXEL, ROBOT, BLUE)
    for ball in balls:
        disc(frame, np.asarray(ball) / 600 + HALF_PIXEL, ROBOT, GREEN)
    return frame


def link(frame: np.ndarray, start, direction: float, length: float, colour) -> np.ndarray:
    """A box 0.1 m wide on a table of 3 m, from the middle of one end; its far end."""
    along = np.array([-np.sin(direction), np.cos(direction)])
    aside = 0.05 * np.array([along[1], -along[0]])
    end = start + length * along
    corners = np.array([start + aside, end + aside, end - aside, start - aside])
    polygon(frame, np.column_stack([corners[:, 0] / 3, 1 - corners[:, 1] / 3]), colour)
    return end


def table(ball, joints, size: int = 64) -> np.ndarray:
    """Ball (m, the table's centre is the origin) and the angles of the two joints (rad)."""
    frame = blank(size)
    elbow = link(frame, np.array([1.5, 0.0]), joints[0], 1.0, GREY)
    # the outer link overlaps the inner one by a tenth of its length and turns about (1.5, 1.0)
    outer = joints[0] + joints[1]
    back = elbow - 0.1 * np.array([-np.sin(outer), np.cos(outer)])
    link(frame, back, outer, 1.0, GREY)
    disc(frame, ((ball[0] + 1.5) / 3, 1 - (ball[1] + 1.5) / 3), 0.15 / 3, BLUE)
    return frame


def billiard(ball, size: int = 64) -> np.ndarray:
    """Ball (m, the table's centre is the origin): walls of 5 cm, holes in the upper corners."""
    frame = blank(size)
    for low, high in ((0, 0.05 / 3), (1 - 0.05 / 3, 1)):
        polygon(frame, [(low, 0), (high, 0), (high, 1), (low, 1)], WHITE)
        polygon(frame, [(0, low), (1, low), (1, high), (0, high)], WHITE)
    for corner in ((0, 0), (1, 0)):
        disc(frame, corner, 0.4 / 3, GREY)
    disc(frame, ((ball[0] + 1.5) / 3, (1.5 - ball[1]) / 3), 0.2 / 3, BLUE)
    return frame


def arm(joints: np.ndarray, size: int = 64) -> np.ndarray:
    """Joints (21, 2) in the unit square, y upwards; a line 0.024 wide with round ends."""
    frame = blank(size)
    for x, y, w, h in ((0.49, 0, 0.02, 0.2), (0.49, 0.8, 0.02, 0.2)):
        for a, b, c, d in ((x, y, w, h), (y, x, h, w)):
            polygon(frame, [(a, 1 - b), (a + c, 1 - b), (a + c, 1 - b - d), (a, 1 - b - d)], WHITE)
    down = np.column_stack([joints[:, 0], 1 - joints[:, 1]])
    for centre in down:
        disc(frame, centre, 0.012, WHITE)
    for a, b in pairwise(down):
        aside = 0.012 * np.array([b[1] - a[1], a[0] - b[0]]) / np.hypot(*(b - a))
        polygon(frame, [a + aside, b + aside, b - aside, a - aside], WHITE)
    return frame


def dot(place, size: int = 64) -> np.ndarray:
    """A point of the square (-1, 1)², y upwards."""
    frame = blank(size)
    disc(frame, ((place[0] + 1) / 2, (1 - place[1]) / 2), 0.04, WHITE)
    return frame

"""Plain Python reference of the maze of Deep GA, from its description: one robot, float64."""

from __future__ import annotations

import math

WALLS = [
    (41, 5, 3, 8), (3, 8, 4, 49), (4, 49, 7, 202), (7, 202, 195, 198), (195, 198, 186, 8),
    (186, 8, 39, 5), (4, 49, 57, 53), (56, 54, 56, 157), (57, 106, 158, 162),
    (77, 201, 108, 164), (6, 80, 33, 121), (192, 146, 87, 91), (56, 55, 133, 30),
]  # fmt: skip
GOAL = (31.0, 20.0)


def to_segment(px: float, py: float, wall: tuple[float, ...]) -> float:
    """Distance of a point to a segment, by its three cases."""
    x1, y1, x2, y2 = wall
    length_2 = (x2 - x1) ** 2 + (y2 - y1) ** 2
    u = ((px - x1) * (x2 - x1) + (py - y1) * (y2 - y1)) / length_2
    if u <= 0:
        return math.hypot(px - x1, py - y1)
    if u >= 1:
        return math.hypot(px - x2, py - y2)
    return abs((x2 - x1) * (y1 - py) - (x1 - px) * (y2 - y1)) / math.sqrt(length_2)


def sensors(x: float, y: float, heading: float) -> list[float]:
    """Bias, six range finders by solving for the crossing, four quarters."""
    seen = [1.0]
    for angle in (-90, -45, 0, 45, 90, -180):
        dx = 100 * math.cos(math.radians(heading + angle))
        dy = 100 * math.sin(math.radians(heading + angle))
        best = 1.0
        for x1, y1, x2, y2 in WALLS:
            bottom = dx * (y2 - y1) - dy * (x2 - x1)
            if bottom == 0:
                continue
            t = ((x1 - x) * (y2 - y1) - (y1 - y) * (x2 - x1)) / bottom
            s = ((x1 - x) * dy - (y1 - y) * dx) / bottom
            if 0 < t < 1 and 0 < s < 1:
                best = min(best, t)
        seen.append(best)
    bearing = (math.degrees(math.atan2(GOAL[1] - y, GOAL[0] - x)) - heading) % 360
    slices = [bearing >= 315 or bearing < 45, 45 <= bearing < 135, 135 <= bearing < 225]
    return [*seen, *map(float, slices), float(225 <= bearing < 315)]


def drive(actions: list[tuple[float, float]]) -> list[tuple[float, float, float, list[float]]]:
    """x, y, heading and sensors before each action and after the last."""
    x, y, heading, speed, turn = 36.0, 184.0, 0.0, 0.0, 0.0
    track = [(x, y, heading, sensors(x, y, heading))]
    for o_turn, o_speed in actions:
        wanted = [(min(max(o + 0.5, 0), 1) - 0.5) * 6 for o in (o_turn, o_speed)]
        turn += min(max(wanted[0] - turn, -0.2), 0.2)
        speed += min(max(wanted[1] - speed, -0.2), 0.2)
        new_x = x + math.cos(math.radians(heading)) * speed
        new_y = y + math.sin(math.radians(heading)) * speed
        heading = (heading + turn) % 360
        if min(to_segment(new_x, new_y, wall) for wall in WALLS) >= 8:
            x, y = new_x, new_y
        track.append((x, y, heading, sensors(x, y, heading)))
    return track

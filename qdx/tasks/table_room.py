"""What the tasks on the table share: start, observation, pictures and reachable cells.

Table frame: the origin at the centre, the table ±1.5 m, the walls' inner faces at ±1.45 m. The arm
hangs at the middle of the lower side. World frame of the physics: table frame + (1.5, 1.5).
"""

from __future__ import annotations

import numpy as np
import warp as wp

from qdx.core.task_facts import Ceiling, Scenery
from qdx.tasks.pictures import is_in_box, is_in_disc
from qdx.tasks.table_bodies import HALF_LENGTH, HALF_WIDTH, Table, rotate
from qdx.tasks.table_moments import Starts, start_of
from qdx.tasks.table_scene import SKIN, SLOP, Scene, Settings

START = (-0.5, 0.2)  # m, table frame; of the ball
HALF_TABLE = 1.5  # m
WALL_THICKNESS = 0.1  # m; of a wall, half of it on the table
HALF_VIEW = 1.55  # m; pictures show the walls whole
HALF_VIEW_CELLS = 31  # a cell of the raster is half a wall wide
ARM = ((0.0, -1.5), (0.0, -0.5), (0.0, 0.4))  # m; base, elbow and tip at the start
HALF_RANGE = 1.35  # m; the coverage grid of the papers
OBSERVATION = (
    "ball x",
    "ball y",
    "joint 0 angle",
    "joint 1 angle",
    "joint 0 speed",
    "joint 1 speed",
)
ACTION = ("joint 0 speed", "joint 1 speed")
MEASURES = ("ball x", "ball y")
BOUNDS = ((-HALF_RANGE, HALF_RANGE), (-HALF_RANGE, HALF_RANGE))
BINS = (50, 50)

SKETCH = tuple(
    f"{body} {number}"
    for body, numbers in {"ball": "xy", "link 0": "xya", "link 1": "xya"}.items()
    for number in numbers
)

Sight = wp.types.vector(6, wp.float32)
Sketch = wp.types.vector(8, wp.float32)
Joints = wp.types.vector(6, wp.float32)


@wp.func
def set_up() -> Table:
    """The arm straight up, all at rest."""
    table = Table()
    table.link_0.c = wp.vec2(1.5, 0.5)
    table.link_0.q = wp.vec2(1.0, 0.0)
    table.link_1.c = wp.vec2(1.5, 1.4)
    table.link_1.q = wp.vec2(1.0, 0.0)
    table.ball.c = wp.vec2(1.0, 1.7)
    return table


@wp.func
def starts_of(table: Table) -> Starts:
    """Where the three bodies are when a step begins."""
    starts = Starts()
    starts.link_0 = start_of(table.link_0)
    starts.link_1 = start_of(table.link_1)
    starts.ball = start_of(table.ball)
    return starts


@wp.func
def ball_place(table: Table) -> wp.vec2:
    """The ball, table frame."""
    return wp.vec2(table.ball.c[0] - HALF_TABLE, table.ball.c[1] - HALF_TABLE)


@wp.func
def arm_place(table: Table) -> Joints:
    """Base, elbow and tip of the arm, table frame."""
    elbow = table.link_0.c + rotate(table.link_0.q, wp.vec2(0.0, 0.5))
    tip = table.link_1.c + rotate(table.link_1.q, wp.vec2(0.0, 0.5))
    x = HALF_TABLE
    return Joints(0.0, -x, elbow[0] - x, elbow[1] - x, tip[0] - x, tip[1] - x)


@wp.func
def has_left(table: Table) -> wp.bool:
    """The ball is off the table: Box2D lets a squeezed body through a wall, if rarely."""
    place = ball_place(table)
    return wp.max(wp.abs(place[0]), wp.abs(place[1])) > HALF_TABLE


@wp.func
def look(t: Table) -> Sight:
    """Ball in the table frame (m), joint angles (rad), joint speeds (rad/s), unscaled."""
    return Sight(
        t.ball.c[0] - HALF_TABLE,
        t.ball.c[1] - HALF_TABLE,
        t.link_0.a,
        t.link_1.a - t.link_0.a,
        t.link_0.w,
        t.link_1.w - t.link_0.w,
    )


@wp.func
def sketch_of(t: Table) -> Sketch:
    """What frames are drawn from: centres (m, world frame) of the bodies, angles of the links."""
    return Sketch(
        t.ball.c[0],
        t.ball.c[1],
        t.link_0.c[0],
        t.link_0.c[1],
        t.link_0.a,
        t.link_1.c[0],
        t.link_1.c[1],
        t.link_1.a,
    )


@wp.func
def on_table(x: wp.float32, y: wp.float32) -> wp.vec2:
    """A point of a frame in the world frame; y grows upwards."""
    return wp.vec2(2.0 * HALF_TABLE * x, 2.0 * HALF_TABLE * (1.0 - y))


@wp.func
def is_in_wall(place: wp.vec2) -> wp.bool:
    """Whether a place of the table frame is under a wall."""
    return wp.max(wp.abs(place[0]), wp.abs(place[1])) > HALF_TABLE - WALL_THICKNESS / 2.0


@wp.func
def is_in_ball(scene: Scene, kept: Sketch, x: wp.float32, y: wp.float32) -> wp.bool:
    """Whether a point of a frame shows the ball."""
    return is_in_disc(on_table(x, y), wp.vec2(kept[0], kept[1]), scene.radius)


@wp.func
def is_in_arm(kept: Sketch, x: wp.float32, y: wp.float32) -> wp.bool:
    """Whether a point of a frame shows the arm."""
    here = on_table(x, y)
    half = wp.vec2(HALF_WIDTH, HALF_LENGTH)
    inner = is_in_box(here, wp.vec2(kept[2], kept[3]), kept[4], half)
    return inner or is_in_box(here, wp.vec2(kept[5], kept[6]), kept[7], half)


def scenery() -> Scenery:
    """The walls, the ball's start and the arm straight up."""
    edges = np.abs((np.arange(2 * HALF_VIEW_CELLS) + 0.5) * WALL_THICKNESS / 2 - HALF_VIEW)
    outside = edges > HALF_TABLE - WALL_THICKNESS / 2
    view = (-HALF_VIEW, HALF_VIEW)
    return Scenery(
        outside[:, None] | outside, START, view=(view, view), limbs=np.array(ARM, np.float32)
    )


def ceiling(settings: Settings) -> Ceiling:
    """An upper bound: wherever walls leave room for the ball's centre.

    The arm can stand clear of each of these cells (tests/tasks), so it takes none away; but not
    all of them need be places where it can send the ball and leave it.
    """
    nearest = SKIN + settings.radius - 3 * SLOP  # m; an impact stops the ball here
    resting = SKIN + settings.radius - SLOP
    cells, at_rest = (_reaching(HALF_TABLE - WALL_THICKNESS / 2 - d) for d in (nearest, resting))
    return Ceiling(
        (cells / BINS[0]) ** 2,
        f"upper bound: cells where the ball's centre is {nearest:.3f} m or more from the walls, "
        f"where an impact stops it; a ball at rest is {resting:.3f} m away, "
        f"{(at_rest / BINS[0]) ** 2:.3f}",
    )


def _reaching(limit: float) -> int:
    """Cells of an axis that hold a coordinate within ±limit."""
    edges = np.linspace(-HALF_RANGE, HALF_RANGE, BINS[0] + 1)
    return int(((edges[1:] > -limit) & (edges[:-1] <= limit)).sum())

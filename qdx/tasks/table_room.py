"""What the tasks on the table share: the start, what is observed, and the step of the physics.

Table frame: the origin at the centre, the table ±1.5 m, the walls' inner faces at ±1.45 m. The arm
hangs at the middle of the lower side. World frame of the physics: table frame + (1.5, 1.5).
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.pictures import is_in_box, is_in_disc
from qdx.tasks.table_bodies import HALF_LENGTH, HALF_WIDTH, Table
from qdx.tasks.table_moments import Starts, start_of
from qdx.tasks.table_scene import Scene

START = (-0.5, 0.2)  # m, table frame; of the ball
HALF_TABLE = 1.5  # m
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

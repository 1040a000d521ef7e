"""Bodies of the table that fall asleep: they stand still until something touches them.

End of b2Island::Solve of E. Catto, "Box2D" (box2d.org, version 2.3): an island whose bodies have
all been slower than the tolerances for half a second is stopped and no longer stepped. The links
wake in the next step, for setting a motor's speed wakes what it moves; the ball wakes when a link
touches it. Box2D also wants the island's overlaps undone before it sleeps; here it is not asked.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import Body, Table
from qdx.tasks.table_scene import DT

SLOW = 0.01  # m/s; b2_linearSleepTolerance
SLOW_TURN = 0.034906585  # rad/s; b2_angularSleepTolerance, 2 degrees/s
TIME_TO_SLEEP = 0.5  # s; b2_timeToSleep


@wp.struct
class Rest:
    """For how long each body has been slow, s, and whether the ball sleeps."""

    link_0: wp.float32
    link_1: wp.float32
    ball: wp.float32
    is_asleep: wp.bool


@wp.func
def rested(before: wp.float32, body: Body) -> wp.float32:
    """The time a body has been slow after one more step."""
    fast = body.w * body.w > SLOW_TURN * SLOW_TURN or wp.dot(body.v, body.v) > SLOW * SLOW
    return wp.where(fast, 0.0, before + DT)


@wp.func
def stopped(body: Body) -> Body:
    """b2Body::SetAwake(false)."""
    body.v = wp.vec2()
    body.w = wp.float32(0.0)
    return body


@wp.func
def is_pushed(table: Table) -> wp.bool:
    """The ball touches a link: one island."""
    return table.ball_0.on + table.ball_1.on > 0


@wp.func
def sleep_on(table: Table, before: Table, rest: Rest) -> tuple[Table, Rest]:
    """After a step that took the ball for awake: one that sleeps untouched stays as it was."""
    if rest.is_asleep:
        if is_pushed(table):
            rest.is_asleep = wp.bool(False)
        else:
            table.ball = before.ball
            table.ball_x = before.ball_x
            table.ball_y = before.ball_y
    return table, rest


@wp.func
def fall_asleep(table: Table, rest: Rest) -> tuple[Table, Rest]:
    """The islands that have been slow for long are stopped."""
    rest.link_0 = rested(rest.link_0, table.link_0)
    rest.link_1 = rested(rest.link_1, table.link_1)
    if not rest.is_asleep:
        rest.ball = rested(rest.ball, table.ball)
    arm = wp.min(rest.link_0, rest.link_1)
    ball = rest.ball
    if is_pushed(table):
        arm = wp.min(arm, ball)
        ball = arm
    if arm >= TIME_TO_SLEEP:
        table.link_0 = stopped(table.link_0)
        table.link_1 = stopped(table.link_1)
        rest.link_0 = wp.float32(0.0)
        rest.link_1 = wp.float32(0.0)
    if ball >= TIME_TO_SLEEP:
        table.ball = stopped(table.ball)
        rest.ball = wp.float32(0.0)
        rest.is_asleep = wp.bool(True)
    return table, rest


@wp.func
def wake(rest: Rest, ball: Body, before: Body) -> Rest:
    """A sleeping ball that an impact has moved is awake."""
    still = wp.length(ball.v) == 0.0 and wp.length(ball.c - before.c) == 0.0
    if not still:
        rest.is_asleep = wp.bool(False)
    return rest

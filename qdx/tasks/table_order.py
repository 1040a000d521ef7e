"""In which order Box2D 2.3 visits the table's contacts.

Sweeps that stop short of convergence depend on it. An island is found depth first from link 1, and
each body's contacts from the newest to the oldest, since Box2D (E. Catto, box2d.org) puts new ones
in front. When a contact was made: `table_boxes`.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import BALL_0, BALL_1, BALL_X, BALL_Y, EDGE_X, EDGE_Y, Codes, Table


@wp.struct
class Visits:
    """Contacts in the order of a sweep."""

    codes: Codes
    n: wp.int32


@wp.func
def visit(order: Visits, code: wp.int32, is_on: wp.int32) -> Visits:
    """One more contact to visit in every sweep, where it touches."""
    if is_on > 0:
        order.codes[order.n] = code
        order.n = order.n + 1
    return order


@wp.func
def visit_newest(order: Visits, ages: Codes, codes: wp.vec4i, touching: wp.vec4i) -> Visits:
    """Those of a body's contacts that touch, from the newest to the oldest."""
    left = touching
    while left[0] + left[1] + left[2] + left[3] > 0:
        newest = wp.int32(0)
        age = wp.int32(-1)
        for k in range(4):
            if left[k] > 0 and ages[codes[k]] > age:
                newest = wp.int32(k)
                age = ages[codes[k]]
        order = visit(order, codes[newest], 1)
        left[newest] = 0
    return order


@wp.func
def visit_link_1(table: Table, order: Visits, visited: wp.int32) -> Visits:
    """Walls and ball at link 1, but for a contact that was visited."""
    on = wp.vec4i(
        wp.where(visited == EDGE_X, 0, wp.min(table.edge_x.count, 1)),
        wp.where(visited == EDGE_Y, 0, wp.min(table.edge_y.count, 1)),
        wp.where(visited == BALL_1, 0, table.ball_1.on),
        0,
    )
    return visit_newest(order, table.ages, wp.vec4i(EDGE_X, EDGE_Y, BALL_1, BALL_1), on)


@wp.func
def visit_ball(table: Table, order: Visits, visited: wp.int32) -> Visits:
    """Walls and links at the ball, but for a contact that was visited."""
    on = wp.vec4i(
        wp.where(visited == BALL_X, 0, table.ball_x.on),
        wp.where(visited == BALL_Y, 0, table.ball_y.on),
        wp.where(visited == BALL_0, 0, table.ball_0.on),
        wp.where(visited == BALL_1, 0, table.ball_1.on),
    )
    return visit_newest(order, table.ages, wp.vec4i(BALL_X, BALL_Y, BALL_0, BALL_1), on)


@wp.func
def ball_walls(table: Table, order: Visits) -> Visits:
    """The walls at the ball."""
    on = wp.vec4i(table.ball_x.on, table.ball_y.on, 0, 0)
    return visit_newest(order, table.ages, wp.vec4i(BALL_X, BALL_Y, BALL_0, BALL_1), on)


@wp.func
def island_order(table: Table) -> Visits:
    """Contacts of the arm's island as Box2D's depth-first search finds them, from link 1."""
    order = visit_link_1(table, Visits(), -1)
    order = visit(order, BALL_0, table.ball_0.on)
    if table.ball_0.on + table.ball_1.on > 0:
        order = ball_walls(table, order)
    return order


@wp.func
def impact_order(island: Table, event: wp.int32) -> Visits:
    """The impact's own contact first, then those of its two bodies, the link first."""
    order = visit(Visits(), event, 1)
    if event == BALL_1 or event >= EDGE_X:
        order = visit_link_1(island, order, event)
    if event < EDGE_X:
        order = visit_ball(island, order, event)
    return order

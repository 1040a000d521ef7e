"""In which order Box2D 2.3 visits the table's contacts.

Sweeps that stop short of convergence depend on it. An island is found depth first from link 1,
joints last; of two walls at a body the one that came near later is first, since Box2D (E. Catto,
box2d.org) puts new contacts in front.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import Table, extent, wall_face, wall_side
from qdx.tasks.table_scene import Scene

NEAR = 0.2  # m; Box2D makes a contact when two boxes, 0.1 m fatter each, overlap
BALL_0 = wp.constant(0)  # codes of the contacts
BALL_1 = wp.constant(1)
BALL_X = wp.constant(2)
BALL_Y = wp.constant(3)
EDGE_X = wp.constant(4)
EDGE_Y = wp.constant(5)

Codes = wp.types.vector(6, wp.int32)


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
def ball_walls(table: Table, order: Visits) -> Visits:
    """The walls at the ball, the later met first."""
    if table.met_y > table.met_x:
        order = visit(order, BALL_Y, table.ball_y.on)
        order = visit(order, BALL_X, table.ball_x.on)
    else:
        order = visit(order, BALL_X, table.ball_x.on)
        order = visit(order, BALL_Y, table.ball_y.on)
    return order


@wp.func
def link_walls(table: Table, order: Visits) -> Visits:
    """The walls at link 1, the later met first."""
    if table.near_y > table.near_x:
        order = visit(order, EDGE_Y, table.edge_y.count)
        order = visit(order, EDGE_X, table.edge_x.count)
    else:
        order = visit(order, EDGE_X, table.edge_x.count)
        order = visit(order, EDGE_Y, table.edge_y.count)
    return order


@wp.func
def island_order(table: Table) -> Visits:
    """Contacts of the arm's island as Box2D's depth-first search finds them, from link 1."""
    order = link_walls(table, Visits())
    order = visit(order, BALL_1, table.ball_1.on)
    order = visit(order, BALL_0, table.ball_0.on)
    if table.ball_0.on + table.ball_1.on > 0:
        order = ball_walls(table, order)
    return order


@wp.func
def met(before: wp.int32, other: wp.int32, gap: wp.float32) -> wp.int32:
    """When two came near: 0 while apart, else one more than what came near before."""
    if gap > NEAR:
        return 0
    return wp.where(before > 0, before, other + 1)


@wp.func
def remember(scene: Scene, table: Table) -> Table:
    """Which of its two walls a body came near last: Box2D keeps new contacts in front."""
    c = table.link_1.c
    side = wall_side(c[0])
    gap = side * c[0] - extent(table.link_1.q, wp.vec2(1.0, 0.0)) - wall_face(side)
    table.near_x = met(table.near_x, table.near_y, gap)
    side = wall_side(c[1])
    gap = side * c[1] - extent(table.link_1.q, wp.vec2(0.0, 1.0)) - wall_face(side)
    table.near_y = met(table.near_y, table.near_x, gap)
    c = table.ball.c
    side = wall_side(c[0])
    table.met_x = met(table.met_x, table.met_y, side * c[0] - scene.radius - wall_face(side))
    side = wall_side(c[1])
    table.met_y = met(table.met_y, table.met_x, side * c[1] - scene.radius - wall_face(side))
    return table

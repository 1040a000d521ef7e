"""Positions of the table: integration, and overlaps undone after it, after Box2D 2.3.

b2ContactSolver::SolvePositionConstraints, SolveTOIPositionConstraints and
b2RevoluteJoint::SolvePositionConstraints of E. Catto, "Box2D" (box2d.org, version 2.3).
"""

from __future__ import annotations

import numpy as np
import warp as wp

from qdx.tasks.table_bodies import (
    BALL_0,
    BALL_1,
    BALL_X,
    EDGE_X,
    EDGE_Y,
    INV_I0,
    INV_I1,
    INV_M0,
    INV_M1,
    Body,
    Edge,
    Table,
    Touch,
    corner,
    cross,
    rotate,
    turned,
)
from qdx.tasks.table_order import Visits, ball_walls
from qdx.tasks.table_scene import SKIN, SLOP, Scene
from qdx.tasks.table_solver import ELBOW_LIMIT, PIVOT_LIMIT, SWEEPS, elbow_pin, pivot_pin, solve2

SHARE = 0.2  # b2_baumgarte: share of an overlap removed at once
IMPACT_SHARE = 0.75  # b2_toiBaugarte
MAX_CORRECTION = 0.2  # m; b2_maxLinearCorrection
ANGULAR_SLOP = 0.034906585  # rad; b2_angularSlop, 2 degrees
MAX_TURN = 0.13962634  # rad; b2_maxAngularCorrection, 8 degrees
SETTLED = float(np.float32(-3.0) * np.float32(SLOP))  # m; an overlap this small is left


@wp.func
def product(a: wp.float32, b: wp.float32) -> wp.float32:
    """A product that is rounded before it is added to.

    Impacts stop bodies at exactly the separation that one branch of Box2D compares with, so which
    way it goes is decided by the last bit; a fused multiply-add would decide otherwise.
    """
    return wp.float32(wp.float64(a) * wp.float64(b))


@wp.func
def moved_on(body: Body, dt: float) -> Body:
    """Integrated; the bounds b2_maxTranslation (120 m/s) and b2_maxRotation are out of reach."""
    body.c = body.c + body.v * dt
    body.a = body.a + body.w * dt
    return body


@wp.func
def correction(gap: wp.float32, share: wp.float32) -> wp.float32:
    """How far an overlap is undone, ≤ 0."""
    return wp.clamp(share * (gap + SLOP), -MAX_CORRECTION, 0.0)


@wp.func
def settle_edge(
    edge: Edge, link: Body, scale: wp.float32, share: wp.float32
) -> tuple[wp.float32, Body]:
    """Corners pushed out of a wall; `scale` 0 keeps the link where it is."""
    least = wp.float32(0.0)
    for k in range(edge.count):
        i = wp.where(k == 0, edge.i1, edge.i2)
        r = rotate(link.q, corner(i))
        gap = wp.dot(edge.n, link.c + r) - edge.face - SKIN - SKIN
        least = wp.min(least, gap)
        lever = cross(r, edge.n)
        p = -scale * correction(gap, share) / (INV_M1 + INV_I1 * lever * lever)
        link.c = link.c + edge.n * (INV_M1 * p)
        link.a = link.a + INV_I1 * lever * p
        link = turned(link)
    return least, link


@wp.func
def settle_touch(
    scene: Scene, touch: Touch, a: Body, ma: float, ia: float, ball: Body, mb: float, share: float
) -> tuple[wp.float32, Body, Body]:
    """The ball and a box (ma = ia = 0 for a wall) pushed apart."""
    n = rotate(a.q, touch.local_n)
    r = ball.c - a.c
    gap = wp.dot(ball.c - (a.c + rotate(a.q, touch.local_p)), n) - SKIN - scene.radius
    lever = cross(r, n)
    k = ma + mb + ia * lever * lever
    p = wp.float32(0.0)
    if k > 0.0:
        p = -correction(gap, share) / k
    a.c = a.c - n * (ma * p)
    a.a = a.a - ia * lever * p
    if ia > 0.0:
        a = turned(a)
    ball.c = ball.c + wp.vec2(product(mb, p * n[0]), product(mb, p * n[1]))
    return wp.min(gap, 0.0), a, ball


@wp.func
def settle_contact(
    scene: Scene, table: Table, code: wp.int32, m0: float, m1: float, mb: float, share: float
) -> tuple[wp.float32, Table]:
    """A contact pushed apart; m0, m1, mb are 1, or 0 for a body that must not move."""
    floor = Body()
    floor.q = wp.vec2(1.0, 0.0)
    least = wp.float32(0.0)
    if code == EDGE_X:
        gap, link = settle_edge(table.edge_x, table.link_1, m1, share)
        table.link_1 = link
        least = gap
    elif code == EDGE_Y:
        gap, link = settle_edge(table.edge_y, table.link_1, m1, share)
        table.link_1 = link
        least = gap
    elif code == BALL_1:
        gap, a, ball = settle_touch(
            scene,
            table.ball_1,
            table.link_1,
            m1 * INV_M1,
            m1 * INV_I1,
            table.ball,
            mb * scene.inv_m,
            share,
        )
        table.link_1 = a
        table.ball = ball
        least = gap
    elif code == BALL_0:
        gap, a, ball = settle_touch(
            scene,
            table.ball_0,
            table.link_0,
            m0 * INV_M0,
            m0 * INV_I0,
            table.ball,
            mb * scene.inv_m,
            share,
        )
        table.link_0 = a
        table.ball = ball
        least = gap
    elif code == BALL_X:
        gap, _, ball = settle_touch(
            scene, table.ball_x, floor, 0.0, 0.0, table.ball, mb * scene.inv_m, share
        )
        table.ball = ball
        least = gap
    else:
        gap, _, ball = settle_touch(
            scene, table.ball_y, floor, 0.0, 0.0, table.ball, mb * scene.inv_m, share
        )
        table.ball = ball
        least = gap
    return least, table


@wp.func
def over_limit(angle: wp.float32, state: wp.int32, limit: wp.float32) -> tuple[float, float]:
    """Correction of an angle beyond its limit, and the error."""
    beyond = wp.where(state < 0, angle + limit, angle - limit)
    error = wp.where(state < 0, -beyond, beyond)
    turn = wp.clamp(beyond + ANGULAR_SLOP, -MAX_TURN, 0.0)
    if state > 0:
        turn = wp.clamp(beyond - ANGULAR_SLOP, 0.0, MAX_TURN)
    return turn, error


@wp.func
def settle_elbow(table: Table) -> tuple[bool, Table]:
    """b2RevoluteJoint::SolvePositionConstraints between the links."""
    a = table.link_0
    b = table.link_1
    okay = wp.bool(True)
    if table.elbow.limit != 0:
        turn, error = over_limit(b.a - a.a, table.elbow.limit, ELBOW_LIMIT)
        a.a = a.a + INV_I0 * turn / (INV_I0 + INV_I1)
        b.a = b.a - INV_I1 * turn / (INV_I0 + INV_I1)
        a = turned(a)
        b = turned(b)
        okay = error <= ANGULAR_SLOP
    pin = elbow_pin(a, b, 0.0)
    gap = b.c + pin.rb - a.c - pin.ra
    p = -solve2(pin.k, pin.inv_det, gap)
    a.c = a.c - p * INV_M0
    a.a = a.a - INV_I0 * cross(pin.ra, p)
    b.c = b.c + p * INV_M1
    b.a = b.a + INV_I1 * cross(pin.rb, p)
    table.link_0 = turned(a)
    table.link_1 = turned(b)
    return okay and wp.length(gap) <= SLOP, table


@wp.func
def settle_pivot(table: Table, anchor: wp.vec2) -> tuple[bool, Table]:
    """The same between the table's edge and link 0."""
    b = table.link_0
    okay = wp.bool(True)
    if table.pivot.limit != 0:
        turn, error = over_limit(b.a, table.pivot.limit, PIVOT_LIMIT)
        b.a = b.a - turn
        b = turned(b)
        okay = error <= ANGULAR_SLOP
    pin = pivot_pin(b, 0.0)
    gap = b.c + pin.rb - anchor
    p = -solve2(pin.k, pin.inv_det, gap)
    b.c = b.c + p * INV_M0
    b.a = b.a + INV_I0 * cross(pin.rb, p)
    table.link_0 = turned(b)
    return okay and wp.length(gap) <= SLOP, table


@wp.func
def settle(scene: Scene, table: Table, order: Visits) -> Table:
    """Position iterations of both islands, each until it is within the slops."""
    anchor = wp.vec2(1.5, 0.0)
    left = wp.int32(SWEEPS)
    while left > 0:
        least = wp.float32(0.0)
        for k in range(order.n):
            gap, after = settle_contact(scene, table, order.codes[k], 1.0, 1.0, 1.0, SHARE)
            table = after
            least = wp.min(least, gap)
        elbow_okay, after = settle_elbow(table)
        pivot_okay, after = settle_pivot(after, anchor)
        table = after
        left = left - 1
        if elbow_okay and pivot_okay and least >= SETTLED:
            left = wp.int32(0)
    if table.ball_0.on + table.ball_1.on > 0:
        return table
    walls = ball_walls(table, Visits())
    left = wp.where(walls.n > 0, SWEEPS, 0)
    while left > 0:
        least = wp.float32(0.0)
        for k in range(walls.n):
            gap, after = settle_contact(scene, table, walls.codes[k], 1.0, 1.0, 1.0, SHARE)
            table = after
            least = wp.min(least, gap)
        left = wp.where(least >= SETTLED, 0, left - 1)
    return table

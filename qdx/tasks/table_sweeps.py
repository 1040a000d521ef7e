"""Velocities of the table, sweep after sweep, after Box2D 2.3 (b2Island::Solve).

Impulses of the last step are applied first; then joints and contacts are visited in turn until a
sweep changes nothing beyond float noise, Box2D's hundred times at most. The two shapes that nearly
all steps have, an arm that pushes the ball and an arm that leans on one wall, are swept another way
(`table_contacts`).
"""

from __future__ import annotations

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
    LINK_FRICTION,
    Body,
    Edge,
    Joint,
    Table,
    Touch,
    cross,
    tangent_of,
)
from qdx.tasks.table_contacts import lean_on, push_ball, sweep_wall
from qdx.tasks.table_order import Visits, ball_walls
from qdx.tasks.table_scene import Scene
from qdx.tasks.table_solver import (
    STILL,
    SWEEPS,
    Pin,
    push,
    push_edge,
    push_touch,
    sweep_edge,
    sweep_elbow,
    sweep_pivot,
    sweep_touch,
)


@wp.func
def warm_touch(
    scene: Scene, touch: Touch, a: Body, ma: float, ia: float, ball: Body
) -> tuple[Body, Body]:
    """The last step's impulses on a contact of the ball."""
    p = touch.n * touch.impulse[0] + tangent_of(touch.n) * touch.impulse[1]
    a, ball = push_touch(scene, touch, a, ma, ia, ball, p)
    return a, ball


@wp.func
def warm_edge(edge: Edge, link: Body) -> Body:
    """The last step's impulses on the corners at a wall."""
    t = tangent_of(edge.n)
    link = push_edge(edge, link, edge.n * edge.normal[0] + t * edge.tangent[0], edge.r1)
    if edge.solved == 2:
        link = push_edge(edge, link, edge.n * edge.normal[1] + t * edge.tangent[1], edge.r2)
    return link


@wp.func
def warm_contact(scene: Scene, table: Table, code: wp.int32) -> Table:
    """The last step's impulses on a contact."""
    if code == EDGE_X:
        table.link_1 = warm_edge(table.edge_x, table.link_1)
    elif code == EDGE_Y:
        table.link_1 = warm_edge(table.edge_y, table.link_1)
    elif code == BALL_1:
        a, ball = warm_touch(scene, table.ball_1, table.link_1, INV_M1, INV_I1, table.ball)
        table.link_1 = a
        table.ball = ball
    elif code == BALL_0:
        a, ball = warm_touch(scene, table.ball_0, table.link_0, INV_M0, INV_I0, table.ball)
        table.link_0 = a
        table.ball = ball
    elif code == BALL_X:
        _, ball = warm_touch(scene, table.ball_x, Body(), 0.0, 0.0, table.ball)
        table.ball = ball
    else:
        _, ball = warm_touch(scene, table.ball_y, Body(), 0.0, 0.0, table.ball)
        table.ball = ball
    return table


@wp.func
def sweep_contact(scene: Scene, table: Table, code: wp.int32) -> Table:
    """One visit to a contact."""
    if code == EDGE_X:
        edge, link = sweep_edge(table.edge_x, table.link_1)
        table.edge_x = edge
        table.link_1 = link
    elif code == EDGE_Y:
        edge, link = sweep_edge(table.edge_y, table.link_1)
        table.edge_y = edge
        table.link_1 = link
    elif code == BALL_1:
        touch, a, ball = sweep_touch(
            scene, table.ball_1, table.link_1, INV_M1, INV_I1, LINK_FRICTION, table.ball
        )
        table.ball_1 = touch
        table.link_1 = a
        table.ball = ball
    elif code == BALL_0:
        touch, a, ball = sweep_touch(
            scene, table.ball_0, table.link_0, INV_M0, INV_I0, LINK_FRICTION, table.ball
        )
        table.ball_0 = touch
        table.link_0 = a
        table.ball = ball
    elif code == BALL_X:
        impulse, ball = sweep_wall(scene, table.ball_x, table.ball_x.impulse, table.ball)
        table.ball_x.impulse = impulse
        table.ball = ball
    else:
        impulse, ball = sweep_wall(scene, table.ball_y, table.ball_y.impulse, table.ball)
        table.ball_y.impulse = impulse
        table.ball = ball
    return table


@wp.func
def warm_joints(table: Table, elbow: Pin, pivot: Pin) -> Table:
    """The last step's impulses, applied before the first sweep."""
    e = table.elbow
    p = wp.vec2(e.pin[0], e.pin[1])
    turn = e.motor + e.pin[2]
    table.link_0 = push(table.link_0, INV_M0, INV_I0, -p, -cross(elbow.ra, p) - turn)
    table.link_1 = push(table.link_1, INV_M1, INV_I1, p, cross(elbow.rb, p) + turn)
    e = table.pivot
    p = wp.vec2(e.pin[0], e.pin[1])
    turn = e.motor + e.pin[2]
    table.link_0 = push(table.link_0, INV_M0, INV_I0, p, cross(pivot.rb, p) + turn)
    return table


@wp.func
def apart2(a: wp.vec2, b: wp.vec2) -> wp.float32:
    """Largest difference of two components."""
    return wp.max(wp.abs(a[0] - b[0]), wp.abs(a[1] - b[1]))


@wp.func
def moved(a: Body, b: Body) -> wp.float32:
    """Largest change of a velocity."""
    return wp.max(apart2(a.v, b.v), wp.abs(a.w - b.w))


@wp.func
def solve_contacts(scene: Scene, table: Table, order: Visits) -> Table:
    """Velocities under contacts alone, by sweeps."""
    left = wp.int32(SWEEPS)
    while left > 0:
        ball = table.ball
        link_0 = table.link_0
        link_1 = table.link_1
        for k in range(order.n):
            table = sweep_contact(scene, table, order.codes[k])
        most = wp.max(moved(link_0, table.link_0), moved(link_1, table.link_1))
        most = wp.max(most, moved(ball, table.ball))
        left = wp.where(most < STILL, 0, left - 1)
    return table


@wp.func
def solve_ball(scene: Scene, table: Table) -> Table:
    """Velocities of a ball that touches no link."""
    order = ball_walls(table, Visits())
    if order.n == 0:
        return table
    for k in range(order.n):
        table = warm_contact(scene, table, order.codes[k])
    return solve_contacts(scene, table, order)


@wp.func
def wound(a: Joint, b: Joint) -> wp.float32:
    """A motor against a limit or a wall may still wind up where all velocities stand still."""
    return wp.abs(a.motor - b.motor)


@wp.func
def sweep_alone(scene: Scene, table: Table, elbow_pin: Pin, pivot_pin: Pin) -> Table:
    """Joints only: `sweep_any` in registers."""
    link_0 = table.link_0
    link_1 = table.link_1
    elbow = table.elbow
    pivot = table.pivot
    left = wp.int32(SWEEPS)
    while left > 0:
        joint, a, b = sweep_elbow(scene, elbow, elbow_pin, link_0, link_1)
        other, c = sweep_pivot(scene, pivot, pivot_pin, a)
        most = wp.max(wound(elbow, joint), wound(pivot, other))
        most = wp.max(most, wp.max(moved(link_0, c), moved(link_1, b)))
        left = wp.where(most < STILL, 0, left - 1)
        elbow = joint
        pivot = other
        link_0 = c
        link_1 = b
    table.link_0 = link_0
    table.link_1 = link_1
    table.elbow = elbow
    table.pivot = pivot
    return table


@wp.func
def sweep_once(scene: Scene, table: Table, order: Visits, elbow: Pin, pivot: Pin) -> Table:
    """Joints and any contacts, once."""
    joint, a, b = sweep_elbow(scene, table.elbow, elbow, table.link_0, table.link_1)
    other, c = sweep_pivot(scene, table.pivot, pivot, a)
    table.elbow = joint
    table.pivot = other
    table.link_0 = c
    table.link_1 = b
    for k in range(order.n):
        table = sweep_contact(scene, table, order.codes[k])
    return table


@wp.func
def sweep_any(scene: Scene, table: Table, order: Visits, elbow: Pin, pivot: Pin) -> Table:
    """Joints and any contacts, until nothing changes."""
    left = wp.int32(SWEEPS)
    while left > 0:
        after = sweep_once(scene, table, order, elbow, pivot)
        most = wp.max(wound(table.elbow, after.elbow), wound(table.pivot, after.pivot))
        most = wp.max(most, moved(table.link_0, after.link_0))
        most = wp.max(most, moved(table.link_1, after.link_1))
        most = wp.max(most, moved(table.ball, after.ball))
        left = wp.where(most < STILL, 0, left - 1)
        table = after
    return table


@wp.func
def solve_arm(scene: Scene, table: Table, order: Visits, elbow: Pin, pivot: Pin) -> Table:
    """Velocities of the arm's island; the ball is part of it where it touches a link."""
    for k in range(order.n):
        table = warm_contact(scene, table, order.codes[k])
    table = warm_joints(table, elbow, pivot)
    if order.n == 0:
        return sweep_alone(scene, table, elbow, pivot)
    n_edges = wp.min(table.edge_x.count, 1) + wp.min(table.edge_y.count, 1)
    is_free = table.pivot.limit == 0 and table.elbow.limit == 0 and table.ball_0.on == 0
    if is_free and n_edges + table.ball_1.on == 1:
        table = sweep_once(scene, table, order, elbow, pivot)
        if table.ball_1.on == 1:
            return push_ball(scene, table, ball_walls(table, Visits()), elbow, pivot)
        if table.edge_x.count > 0:
            after, edge = lean_on(scene, table, table.edge_x, elbow, pivot)
            after.edge_x = edge
            return after
        after, edge = lean_on(scene, table, table.edge_y, elbow, pivot)
        after.edge_y = edge
        return after
    return sweep_any(scene, table, order, elbow, pivot)

"""One step of the table: islands, velocities, positions, after Box2D 2.3 (b2Island::Solve).

A ball that touches neither link is an island of its own. An arm that touches nothing, with neither
joint at its limit, is solved at once: Box2D's hundred sweeps converge to motors that hold their
speeds (the slowest error shrinks by 0.87 a sweep), which is a formula unless a motor is too weak.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import (
    INV_I0,
    INV_I1,
    INV_M0,
    INV_M1,
    Body,
    Table,
    collide,
    cross,
    spin,
    turned,
)
from qdx.tasks.table_order import island_order
from qdx.tasks.table_scene import DT, Scene
from qdx.tasks.table_settle import moved_on, settle
from qdx.tasks.table_solver import (
    ELBOW_LIMIT,
    PIVOT_LIMIT,
    Pin,
    at_limit,
    elbow_pin,
    pivot_pin,
    prepare_edge,
    prepare_touch,
)
from qdx.tasks.table_sweeps import solve_arm, solve_ball


@wp.func
def prepare(scene: Scene, table: Table) -> Table:
    """Every contact's system at the present positions and velocities."""
    floor = Body()
    floor.q = wp.vec2(1.0, 0.0)
    if table.ball_x.on == 1:
        table.ball_x = prepare_touch(scene, table.ball_x, floor, 0.0, 0.0, table.ball)
    if table.ball_y.on == 1:
        table.ball_y = prepare_touch(scene, table.ball_y, floor, 0.0, 0.0, table.ball)
    if table.ball_0.on == 1:
        table.ball_0 = prepare_touch(scene, table.ball_0, table.link_0, INV_M0, INV_I0, table.ball)
    if table.ball_1.on == 1:
        table.ball_1 = prepare_touch(scene, table.ball_1, table.link_1, INV_M1, INV_I1, table.ball)
    if table.edge_x.count > 0:
        table.edge_x = prepare_edge(table.edge_x, table.link_1)
    if table.edge_y.count > 0:
        table.edge_y = prepare_edge(table.edge_y, table.link_1)
    return table


@wp.func
def solve_free_arm(scene: Scene, table: Table, elbow: Pin, pivot: Pin) -> tuple[Table, bool]:
    """The converged sweeps of an arm with nothing but its motors; False where one is too weak."""
    a = table.link_0
    b = table.link_1
    wa = pivot.speed
    wb = wa + elbow.speed
    va = -spin(wa, pivot.rb)
    vb = va + spin(wa, elbow.ra) - spin(wb, elbow.rb)
    p1 = (vb - b.v) / INV_M1
    p0 = (va - a.v) / INV_M0 + p1
    m1 = (wb - b.w) / INV_I1 - cross(elbow.rb, p1)
    m0 = (wa - a.w) / INV_I0 - cross(pivot.rb, p0) + cross(elbow.ra, p1) + m1
    held = wp.abs(m0) < scene.pivot_motor and wp.abs(m1) < scene.elbow_motor
    if held:
        a.v = va
        a.w = wa
        b.v = vb
        b.w = wb
        table.link_0 = a
        table.link_1 = b
        table.elbow.pin = wp.vec3(p1[0], p1[1], 0.0)
        table.elbow.motor = m1
        table.pivot.pin = wp.vec3(p0[0], p0[1], 0.0)
        table.pivot.motor = m0
    return table, held


@wp.func
def solve_step(
    scene: Scene, table: Table, pivot_speed: wp.float32, elbow_speed: wp.float32
) -> Table:
    """Contacts, velocities, positions: b2World::Step up to its continuous part."""
    table = collide(scene, table)
    table.ball.v = table.ball.v * scene.keep
    table.ball.w = table.ball.w * scene.keep_spin
    pivot = pivot_pin(table.link_0, pivot_speed)
    elbow = elbow_pin(table.link_0, table.link_1, elbow_speed)
    table.pivot = at_limit(table.pivot, table.link_0.a, PIVOT_LIMIT)
    table.elbow = at_limit(table.elbow, table.link_1.a - table.link_0.a, ELBOW_LIMIT)
    table = prepare(scene, table)
    order = island_order(table)
    solved = wp.bool(False)
    if order.n == 0 and table.pivot.limit == 0 and table.elbow.limit == 0:
        after, held = solve_free_arm(scene, table, elbow, pivot)
        table = after
        solved = held
    if not solved:
        table = solve_arm(scene, table, order, elbow, pivot)
    if table.ball_0.on + table.ball_1.on == 0:
        table = solve_ball(scene, table)
    table.link_0 = turned(moved_on(table.link_0, DT))
    table.link_1 = turned(moved_on(table.link_1, DT))
    table.ball = moved_on(table.ball, DT)
    return settle(scene, table, order)

"""Sweeps of an arm that pushes the ball, or leans on one wall, away from its joint limits.

The sweeps of Box2D 2.3 (E. Catto, box2d.org; b2RevoluteJoint, b2ContactSolver) with every clamp in
its place, in the four numbers of `table_pinned`: a third of the time of a sweep body by body.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import (
    BALL_Y,
    LINK_FRICTION,
    WALL_FRICTION,
    Body,
    Edge,
    Table,
    Touch,
    cross,
    tangent_of,
)
from qdx.tasks.table_order import Visits
from qdx.tasks.table_pinned import (
    Contact,
    Joints,
    Motion,
    by_impulse,
    contact_at,
    joints_of,
    motion_of,
    moved_on_to,
    sweep_joints,
)
from qdx.tasks.table_scene import Scene
from qdx.tasks.table_solver import STILL, SWEEPS, Pin, bounded, total_normal


@wp.func
def change_of(a: Motion, b: Motion) -> wp.float32:
    """Sum of squares of the changes of velocities and motors in a sweep from a to b."""
    d = a.y - b.y
    elbow = a.elbow - b.elbow
    pivot = a.pivot - b.pivot
    return wp.dot(d, d) + (elbow * elbow + pivot * pivot)


@wp.func
def positive(x: float) -> float:
    """0 for less; `wp.max` would also look whether x is a number."""
    return wp.where(x > 0.0, x, 0.0)


@wp.func
def sweep_wall(scene: Scene, touch: Touch, impulse: wp.vec2, ball: Body) -> tuple[wp.vec2, Body]:
    """b2ContactSolver for the ball at a wall: its lever lies along the normal; impulses (n, t)."""
    t = tangent_of(touch.n)
    lever = cross(touch.rb, t)
    slip = wp.dot(ball.v, t) + ball.w * lever
    into = wp.dot(ball.v, touch.n)
    along = bounded(impulse[1] - touch.mass_t * slip, WALL_FRICTION * impulse[0])
    against = positive(impulse[0] - touch.mass_n * (into - touch.bias))
    p_t = along - impulse[1]
    p_n = against - impulse[0]
    ball.v = ball.v + (t * p_t + touch.n * p_n) * scene.inv_m
    ball.w = ball.w + scene.inv_i * lever * p_t
    return wp.vec2(against, along), ball


@wp.func
def sweep_ball(
    scene: Scene, touch: Touch, c: Contact, impulse: wp.vec2, y: wp.vec4, ball: Body
) -> tuple[wp.vec2, wp.vec4, Body]:
    """Friction, then the normal impulse, between link 1 and the ball."""
    lever = cross(touch.rb, c.t)
    slip = wp.dot(ball.v, c.t) + ball.w * lever - y[1]
    apart = wp.dot(ball.v, c.n) - touch.bias
    along = bounded(impulse[1] - touch.mass_t * slip, LINK_FRICTION * impulse[0])
    p_t = along - impulse[1]
    y = y - c.by_t * p_t
    against = positive(impulse[0] - touch.mass_n * (apart - y[2]))
    p_n = against - impulse[0]
    y = y - c.by_n * p_n
    ball.v = ball.v + (c.t * p_t + c.n * p_n) * scene.inv_m
    ball.w = ball.w + scene.inv_i * lever * p_t
    return wp.vec2(against, along), y, ball


@wp.func
def push_ball(scene: Scene, table: Table, walls: Visits, elbow: Pin, pivot: Pin) -> Table:
    """Joints, the ball at link 1, and walls at the ball, after the first sweep."""
    touch = table.ball_1
    first = table.ball_x
    second = table.ball_y
    if walls.codes[0] == BALL_Y:
        first = table.ball_y
        second = table.ball_x
    # impulses apart from what stays, so that the loop runs in registers
    impulse = touch.impulse
    at_first = first.impulse
    at_second = second.impulse
    ball = table.ball
    c = contact_at(touch.n, touch.ra)
    joints = joints_of(elbow, pivot, c)
    motion = motion_of(c, table)
    left = wp.int32(SWEEPS - 1)
    while left > 0:
        after = sweep_joints(scene, joints, motion)
        impulse, y, d = sweep_ball(scene, touch, c, impulse, after.y, ball)
        if walls.n > 0:
            at_first, d = sweep_wall(scene, first, at_first, d)
            if walls.n > 1:
                at_second, d = sweep_wall(scene, second, at_second, d)
        after.y = y
        turned = d.w - ball.w
        change = change_of(motion, after) + wp.length_sq(d.v - ball.v) + turned * turned
        left = wp.where(change < STILL * STILL, 0, left - 1)
        motion = after
        ball = d
    pushed = touch.impulse - impulse
    table = moved_on_to(table, c, elbow, motion, wp.vec2(pushed[1], pushed[0]))
    touch.impulse = impulse
    first.impulse = at_first
    second.impulse = at_second
    table.ball = ball
    table.ball_1 = touch
    table.ball_x = first
    table.ball_y = second
    if walls.codes[0] == BALL_Y:
        table.ball_y = first
        table.ball_x = second
    return table


@wp.struct
class Leaning:
    """After the last sweep: the arm, and impulses of both corners at the wall."""

    motion: Motion
    normal: wp.vec2
    tangent: wp.vec2


@wp.struct
class Second:
    """The second corner at a wall: levers beyond the first's (m), what unit impulses there do."""

    jt: wp.float32
    jn: wp.float32
    by_t: wp.vec4
    by_n: wp.vec4


@wp.func
def second_of(c: Contact, r: wp.vec2) -> Second:
    """A corner at a lever r beside a contact."""
    s = Second()
    s.jt = cross(r, c.t) - c.jt
    s.jn = cross(r, c.n) - c.jn
    s.by_t = by_impulse(c, c.t, r)
    s.by_n = by_impulse(c, c.n, r)
    return s


@wp.func
def lean_once(scene: Scene, edge: Edge, c: Contact, joints: Joints, motion: Motion) -> Leaning:
    """Joints and one corner at a wall: friction, then the normal impulse."""
    normal = edge.normal[0]
    tangent = edge.tangent[0]
    left = wp.int32(SWEEPS - 1)
    while left > 0:
        after = sweep_joints(scene, joints, motion)
        y = after.y
        along = bounded(tangent - edge.mass_t[0] * y[1], WALL_FRICTION * normal)
        y = y + c.by_t * (along - tangent)
        against = positive(normal - edge.mass_n[0] * y[2])
        after.y = y + c.by_n * (against - normal)
        left = wp.where(change_of(motion, after) < STILL * STILL, 0, left - 1)
        motion = after
        tangent = along
        normal = against
    last = Leaning()
    last.motion = motion
    last.normal = wp.vec2(normal, edge.normal[1])
    last.tangent = wp.vec2(tangent, edge.tangent[1])
    return last


@wp.func
def lean_twice(scene: Scene, edge: Edge, c: Contact, joints: Joints, motion: Motion) -> Leaning:
    """Joints and two corners at a wall: friction of both, then their normal impulses together."""
    s = second_of(c, edge.r2)
    left = wp.int32(SWEEPS - 1)
    while left > 0:
        after = sweep_joints(scene, joints, motion)
        y = after.y
        along = edge.tangent[0] - edge.mass_t[0] * y[1]
        along = bounded(along, WALL_FRICTION * edge.normal[0])
        y = y + c.by_t * (along - edge.tangent[0])
        other = edge.tangent[1] - edge.mass_t[1] * (y[1] + y[3] * s.jt)
        other = bounded(other, WALL_FRICTION * edge.normal[1])
        y = y + s.by_t * (other - edge.tangent[1])
        x = total_normal(edge, y[2], y[2] + y[3] * s.jn)
        after.y = y + c.by_n * (x[0] - edge.normal[0]) + s.by_n * (x[1] - edge.normal[1])
        left = wp.where(change_of(motion, after) < STILL * STILL, 0, left - 1)
        motion = after
        edge.tangent = wp.vec2(along, other)
        edge.normal = x
    last = Leaning()
    last.motion = motion
    last.normal = edge.normal
    last.tangent = edge.tangent
    return last


@wp.func
def lean_on(scene: Scene, table: Table, edge: Edge, elbow: Pin, pivot: Pin) -> tuple[Table, Edge]:
    """Joints, and one wall at link 1, after the first sweep."""
    c = contact_at(edge.n, edge.r1)
    joints = joints_of(elbow, pivot, c)
    motion = motion_of(c, table)
    last = Leaning()
    if edge.solved == 2:
        last = lean_twice(scene, edge, c, joints, motion)
    else:
        last = lean_once(scene, edge, c, joints, motion)
    n = last.normal - edge.normal
    t = last.tangent - edge.tangent
    table = moved_on_to(table, c, elbow, last.motion, wp.vec2(t[0] + t[1], n[0] + n[1]))
    edge.normal = last.normal
    edge.tangent = last.tangent
    return table, edge

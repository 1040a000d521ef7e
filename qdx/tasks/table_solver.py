"""Sequential impulses on the table's joints and contacts, after Box2D 2.3.

b2ContactSolver, b2RevoluteJoint and b2Island of E. Catto, "Box2D" (box2d.org, version 2.3), with
the constraints in Box2D's order: elbow, pivot, contacts. Sweeps end early once one changes nothing
beyond float noise; Box2D would repeat it to its hundredth. Joint limits are solved together with
the pin (3 x 3), two corners at a wall together (2 x 2, total enumeration).
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import (
    BOUNCE_SPEED,
    INV_I0,
    INV_I1,
    INV_M0,
    INV_M1,
    WALL_FRICTION,
    Body,
    Edge,
    Joint,
    Touch,
    corner,
    cross,
    rotate,
    spin,
    tangent_of,
)
from qdx.tasks.table_scene import SKIN, Scene

SWEEPS = 100  # velocity iterations of the papers
PIVOT_LIMIT = 1.2566371  # rad; 0.4 pi
ELBOW_LIMIT = 2.8274333  # rad; 0.9 pi
STILL = 3.0e-7  # m/s, rad/s, N s: a sweep that changes less has converged
CONDITION = 1000.0  # k_maxConditionNumber


@wp.struct
class Pin:
    """A revolute joint within a step: levers, and the system (11, 12, 22 | 13, 23, 33)."""

    ra: wp.vec2
    rb: wp.vec2
    k: wp.vec3
    e: wp.vec3
    inv_det: wp.float32
    inv_turn: wp.float32
    speed: wp.float32


@wp.func
def pin_of(
    ra: wp.vec2, rb: wp.vec2, ma: float, ia: float, mb: float, ib: float, speed: float
) -> Pin:
    """A joint at levers ra and rb between bodies of inverse masses and inertias."""
    pin = Pin()
    pin.ra = ra
    pin.rb = rb
    pin.k = wp.vec3(
        ma + mb + ra[1] * ra[1] * ia + rb[1] * rb[1] * ib,
        -ra[1] * ra[0] * ia - rb[1] * rb[0] * ib,
        ma + mb + ra[0] * ra[0] * ia + rb[0] * rb[0] * ib,
    )
    pin.e = wp.vec3(-ra[1] * ia - rb[1] * ib, ra[0] * ia + rb[0] * ib, ia + ib)
    pin.inv_det = 1.0 / (pin.k[0] * pin.k[2] - pin.k[1] * pin.k[1])
    pin.inv_turn = 1.0 / pin.e[2]
    pin.speed = speed
    return pin


@wp.func
def pivot_pin(link: Body, speed: float) -> Pin:
    """The joint between the table's edge and link 0."""
    rb = rotate(link.q, wp.vec2(0.0, -0.5))
    return pin_of(wp.vec2(), rb, 0.0, 0.0, INV_M0, INV_I0, speed)


@wp.func
def elbow_pin(link_0: Body, link_1: Body, speed: float) -> Pin:
    """The joint between the links, 0.1 m from the end of link 1."""
    ra = rotate(link_0.q, wp.vec2(0.0, 0.5))
    rb = rotate(link_1.q, wp.vec2(0.0, -0.4))
    return pin_of(ra, rb, INV_M0, INV_I0, INV_M1, INV_I1, speed)


@wp.func
def at_limit(joint: Joint, angle: wp.float32, limit: wp.float32) -> Joint:
    """The limit's state; its impulse starts anew with each state."""
    state = wp.where(angle <= -limit, -1, wp.where(angle >= limit, 1, 0))
    if state != joint.limit or state == 0:
        joint.pin = wp.vec3(joint.pin[0], joint.pin[1], 0.0)
    joint.limit = state
    return joint


@wp.func
def solve2(k: wp.vec3, inv_det: wp.float32, b: wp.vec2) -> wp.vec2:
    """Symmetric 2 x 2."""
    return wp.vec2((k[2] * b[0] - k[1] * b[1]) * inv_det, (k[0] * b[1] - k[1] * b[0]) * inv_det)


@wp.func
def solve3(k: wp.vec3, e: wp.vec3, b: wp.vec3) -> wp.vec3:
    """Symmetric 3 x 3 by Cramer's rule."""
    x = wp.vec3(k[0], k[1], e[0])
    y = wp.vec3(k[1], k[2], e[1])
    z = e
    inv_det = 1.0 / wp.dot(x, wp.cross(y, z))
    return wp.vec3(
        wp.dot(b, wp.cross(y, z)) * inv_det,
        wp.dot(x, wp.cross(b, z)) * inv_det,
        wp.dot(x, wp.cross(y, b)) * inv_det,
    )


@wp.func
def pin_impulse(pin: Pin, joint: Joint, slip: wp.vec2, turn: wp.float32) -> wp.vec3:
    """Impulse of pin and limit against the joint's velocity error."""
    if joint.limit == 0:
        flat = solve2(pin.k, pin.inv_det, -slip)
        return wp.vec3(flat[0], flat[1], 0.0)
    full = -solve3(pin.k, pin.e, wp.vec3(slip[0], slip[1], turn))
    total = joint.pin[2] + full[2]
    if (joint.limit < 0 and total < 0.0) or (joint.limit > 0 and total > 0.0):
        z = joint.pin[2]
        reduced = solve2(
            pin.k, pin.inv_det, wp.vec2(-slip[0] + z * pin.e[0], -slip[1] + z * pin.e[1])
        )
        full = wp.vec3(reduced[0], reduced[1], -z)
    return full


@wp.func
def push(body: Body, inv_m: float, inv_i: float, p: wp.vec2, torque: float) -> Body:
    """An impulse at the centre and an angular one."""
    body.v = body.v + p * inv_m
    body.w = body.w + inv_i * torque
    return body


@wp.func
def bounded(x: float, most: float) -> float:
    """Clamped to ±most; `wp.clamp` would also look whether `most`, no constant, is a number."""
    x = wp.where(x < -most, -most, x)
    return wp.where(x > most, most, x)


@wp.func
def sweep_elbow(scene: Scene, joint: Joint, pin: Pin, a: Body, b: Body) -> tuple[Joint, Body, Body]:
    """b2RevoluteJoint::SolveVelocityConstraints between the links: motor, then limit and pin."""
    wanted = -(b.w - a.w - pin.speed) * pin.inv_turn
    motor = bounded(joint.motor + wanted, scene.elbow_motor)
    a.w = a.w - INV_I0 * (motor - joint.motor)
    b.w = b.w + INV_I1 * (motor - joint.motor)
    joint.motor = motor
    slip = b.v + spin(b.w, pin.rb) - a.v - spin(a.w, pin.ra)
    p = pin_impulse(pin, joint, slip, b.w - a.w)
    flat = wp.vec2(p[0], p[1])
    a = push(a, INV_M0, INV_I0, -flat, -cross(pin.ra, flat) - p[2])
    b = push(b, INV_M1, INV_I1, flat, cross(pin.rb, flat) + p[2])
    joint.pin = joint.pin + p
    return joint, a, b


@wp.func
def sweep_pivot(scene: Scene, joint: Joint, pin: Pin, a: Body) -> tuple[Joint, Body]:
    """The same between the table's edge and link 0."""
    wanted = -(a.w - pin.speed) * pin.inv_turn
    motor = bounded(joint.motor + wanted, scene.pivot_motor)
    a.w = a.w + INV_I0 * (motor - joint.motor)
    joint.motor = motor
    p = pin_impulse(pin, joint, a.v + spin(a.w, pin.rb), a.w)
    flat = wp.vec2(p[0], p[1])
    a = push(a, INV_M0, INV_I0, flat, cross(pin.rb, flat) + p[2])
    joint.pin = joint.pin + p
    return joint, a


@wp.func
def prepare_touch(scene: Scene, touch: Touch, a: Body, ma: float, ia: float, ball: Body) -> Touch:
    """b2WorldManifold and InitializeVelocityConstraints; walls have ma = ia = 0."""
    touch.n = rotate(a.q, touch.local_n)
    plane = a.c + rotate(a.q, touch.local_p)
    gap = wp.dot(ball.c - plane, touch.n)
    # halfway between the two skins
    point = ball.c + touch.n * (0.5 * (SKIN - gap - scene.radius))
    touch.ra = point - a.c
    touch.rb = point - ball.c
    rn = cross(touch.ra, touch.n)
    rt = cross(touch.ra, tangent_of(touch.n))
    rt_b = cross(touch.rb, tangent_of(touch.n))
    touch.mass_n = 1.0 / (ma + scene.inv_m + ia * rn * rn)
    touch.mass_t = 1.0 / (ma + scene.inv_m + ia * rt * rt + scene.inv_i * rt_b * rt_b)
    near = ball.v + spin(ball.w, touch.rb) - a.v - spin(a.w, touch.ra)
    speed = wp.dot(touch.n, near)
    touch.bias = wp.where(speed < -BOUNCE_SPEED, -scene.bounce * speed, 0.0)
    return touch


@wp.func
def push_touch(
    scene: Scene, touch: Touch, a: Body, ma: float, ia: float, ball: Body, p: wp.vec2
) -> tuple[Body, Body]:
    """Opposite impulses on a box and the ball."""
    a = push(a, ma, ia, -p, -cross(touch.ra, p))
    ball = push(ball, scene.inv_m, scene.inv_i, p, cross(touch.rb, p))
    return a, ball


@wp.func
def sweep_touch(
    scene: Scene, touch: Touch, a: Body, ma: float, ia: float, friction: float, ball: Body
) -> tuple[Touch, Body, Body]:
    """Friction, then the normal impulse: b2ContactSolver for one point."""
    t = tangent_of(touch.n)
    slip = ball.v + spin(ball.w, touch.rb) - a.v - spin(a.w, touch.ra)
    most = friction * touch.impulse[0]
    along = bounded(touch.impulse[1] - touch.mass_t * wp.dot(slip, t), most)
    p = t * (along - touch.impulse[1])
    a, ball = push_touch(scene, touch, a, ma, ia, ball, p)
    slip = ball.v + spin(ball.w, touch.rb) - a.v - spin(a.w, touch.ra)
    against = touch.impulse[0] - touch.mass_n * (wp.dot(slip, touch.n) - touch.bias)
    against = wp.max(against, 0.0)
    p = touch.n * (against - touch.impulse[0])
    a, ball = push_touch(scene, touch, a, ma, ia, ball, p)
    touch.impulse = wp.vec2(against, along)
    return touch, a, ball


@wp.func
def prepare_edge(edge: Edge, link: Body) -> Edge:
    """Levers and masses of one or two corners at a wall."""
    n = edge.n
    t = tangent_of(n)
    p1 = link.c + rotate(link.q, corner(edge.i1))
    p2 = link.c + rotate(link.q, corner(edge.i2))
    # halfway between the two skins, which are equally thick: halfway to the wall's face
    p1 = p1 - n * (0.5 * (wp.dot(n, p1) - edge.face))
    p2 = p2 - n * (0.5 * (wp.dot(n, p2) - edge.face))
    edge.r1 = p1 - link.c
    edge.r2 = p2 - link.c
    n1 = cross(edge.r1, n)
    n2 = cross(edge.r2, n)
    t1 = cross(edge.r1, t)
    t2 = cross(edge.r2, t)
    k11 = INV_M1 + INV_I1 * n1 * n1
    k22 = INV_M1 + INV_I1 * n2 * n2
    k12 = INV_M1 + INV_I1 * n1 * n2
    edge.mass_n = wp.vec2(1.0 / k11, 1.0 / k22)
    edge.mass_t = wp.vec2(1.0 / (INV_M1 + INV_I1 * t1 * t1), 1.0 / (INV_M1 + INV_I1 * t2 * t2))
    det = k11 * k22 - k12 * k12
    edge.solved = wp.where(edge.count == 2 and k11 * k11 < CONDITION * det, 2, 1)
    if edge.solved == 2:
        edge.k = wp.vec3(k11, k12, k22)
        edge.inverse = wp.vec3(k22 / det, -k12 / det, k11 / det)
    return edge


@wp.func
def push_edge(edge: Edge, link: Body, p: wp.vec2, r: wp.vec2) -> Body:
    """An impulse at a lever of link 1."""
    return push(link, INV_M1, INV_I1, p, cross(r, p))


@wp.func
def total_normal(edge: Edge, v1: wp.float32, v2: wp.float32) -> wp.vec2:
    """New impulses of two corners that leave neither approaching: Murty's four cases in turn."""
    a = edge.normal
    b1 = v1 - (edge.k[0] * a[0] + edge.k[1] * a[1])
    b2 = v2 - (edge.k[1] * a[0] + edge.k[2] * a[1])
    x1 = -(edge.inverse[0] * b1 + edge.inverse[1] * b2)
    x2 = -(edge.inverse[1] * b1 + edge.inverse[2] * b2)
    if x1 >= 0.0 and x2 >= 0.0:
        return wp.vec2(x1, x2)
    x1 = -edge.mass_n[0] * b1
    if x1 >= 0.0 and edge.k[1] * x1 + b2 >= 0.0:
        return wp.vec2(x1, 0.0)
    x2 = -edge.mass_n[1] * b2
    if x2 >= 0.0 and edge.k[1] * x2 + b1 >= 0.0:
        return wp.vec2(0.0, x2)
    if b1 >= 0.0 and b2 >= 0.0:
        return wp.vec2()
    return a


@wp.func
def sweep_edge(edge: Edge, link: Body) -> tuple[Edge, Body]:
    """Friction at each corner, then the normal impulses together."""
    n = edge.n
    t = tangent_of(n)
    tangent = edge.tangent
    most = WALL_FRICTION * edge.normal[0]
    slip = wp.dot(link.v + spin(link.w, edge.r1), t)
    along = bounded(tangent[0] - edge.mass_t[0] * slip, most)
    link = push_edge(edge, link, t * (along - tangent[0]), edge.r1)
    edge.tangent = wp.vec2(along, tangent[1])
    if edge.solved == 2:
        most = WALL_FRICTION * edge.normal[1]
        slip = wp.dot(link.v + spin(link.w, edge.r2), t)
        other = bounded(tangent[1] - edge.mass_t[1] * slip, most)
        link = push_edge(edge, link, t * (other - tangent[1]), edge.r2)
        edge.tangent = wp.vec2(along, other)
    v1 = wp.dot(link.v + spin(link.w, edge.r1), n)
    if edge.solved == 2:
        v2 = wp.dot(link.v + spin(link.w, edge.r2), n)
        x = total_normal(edge, v1, v2)
        link = push_edge(edge, link, n * (x[0] - edge.normal[0]), edge.r1)
        link = push_edge(edge, link, n * (x[1] - edge.normal[1]), edge.r2)
        edge.normal = x
    else:
        single = wp.max(edge.normal[0] - edge.mass_n[0] * v1, 0.0)
        link = push_edge(edge, link, n * (single - edge.normal[0]), edge.r1)
        edge.normal = wp.vec2(single, edge.normal[1])
    return edge, link

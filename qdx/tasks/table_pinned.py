"""Sweeps of an arm away from its joint limits, with the pins eliminated.

After the first sweep of Box2D 2.3 (E. Catto, box2d.org) link 0 turns about the pivot exactly, so
four numbers tell how the arm moves: `Motion.y`, the speed of link 0, the velocity of one contact's
point on link 1 along that contact's (tangent, normal), and the speed of link 1. What a later sweep
of elbow and pivot (motor and pin each) does to them is an affine map, known before the sweeps; the
clamps of motors and contacts are looked at in every sweep, in Box2D's order. The impulses of the
pins follow from the momentum of the links when the sweeps are over.

With m = INV_M0, i = INV_I0, r = 0.5 m the pivot's lever and P the elbow's impulse of a sweep, motor
impulses e and p change link 0 by FREE i (p - e - 2 ra x P), FREE = m / (m + i r²); a motor that is
strong enough makes this a step of FREE towards its speed.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import INV_I0, INV_I1, INV_M0, INV_M1, Table, cross, spin, tangent_of
from qdx.tasks.table_scene import Scene
from qdx.tasks.table_solver import Pin, bounded, solve2

FREE = INV_M0 / (INV_M0 + INV_I0 * 0.25)  # of a change of link 0's speed, what its pivot leaves


@wp.struct
class Contact:
    """Where link 1 is touched: directions, levers along them (m), and what unit impulses there do.

    by_t, by_n: changes of `Motion.y`.
    """

    t: wp.vec2
    n: wp.vec2
    jt: wp.float32
    jn: wp.float32
    by_t: wp.vec4
    by_n: wp.vec4


@wp.struct
class Joints:
    """The joints' part of a sweep: y → still + turn_0 y[0] + along_t y[1] + along_n y[2] + ...

    elbow, pivot: speeds of the motors, rad/s. turn: what the elbow's resists, kg m².
    by_elbow: what a unit impulse of the elbow's motor beyond (or short of) the wanted one changes.
    pivot_by_elbow: how much more the pivot's motor wants after that.
    """

    still: wp.vec4
    turn_0: wp.vec4
    along_t: wp.vec4
    along_n: wp.vec4
    turn_1: wp.vec4
    by_elbow: wp.vec4
    pivot_by_elbow: wp.float32
    elbow: wp.float32
    pivot: wp.float32
    turn: wp.float32


@wp.struct
class Motion:
    """y: see above; elbow, pivot: impulses of the motors."""

    y: wp.vec4
    elbow: wp.float32
    pivot: wp.float32


@wp.func
def seen_from(c: Contact, w0: float, p: wp.vec2, w1: float) -> wp.vec4:
    """`Motion.y` of a turn of link 0, and of an impulse at link 1's centre with a turn of it."""
    v = p * INV_M1
    return wp.vec4(w0, wp.dot(v, c.t) + w1 * c.jt, wp.dot(v, c.n) + w1 * c.jn, w1)


@wp.func
def by_impulse(c: Contact, d: wp.vec2, r: wp.vec2) -> wp.vec4:
    """What a unit impulse along d at a lever r of link 1 changes in `Motion.y`."""
    return seen_from(c, 0.0, d, INV_I1 * cross(r, d))


@wp.func
def contact_at(n: wp.vec2, r: wp.vec2) -> Contact:
    """A contact of link 1 with normal n at a lever r."""
    c = Contact()
    c.n = n
    c.t = tangent_of(n)
    c.jt = cross(r, c.t)
    c.jn = cross(r, n)
    c.by_t = by_impulse(c, c.t, r)
    c.by_n = by_impulse(c, c.n, r)
    return c


@wp.func
def motion_of(c: Contact, table: Table) -> Motion:
    """After a sweep."""
    v = table.link_1.v
    w = table.link_1.w
    motion = Motion()
    motion.y = wp.vec4(table.link_0.w, wp.dot(v, c.t) + w * c.jt, wp.dot(v, c.n) + w * c.jn, w)
    motion.elbow = table.elbow.motor
    motion.pivot = table.pivot.motor
    return motion


@wp.func
def centre_speed(c: Contact, y: wp.vec4) -> wp.vec2:
    """Velocity of link 1's centre."""
    return c.t * (y[1] - y[3] * c.jt) + c.n * (y[2] - y[3] * c.jn)


@wp.func
def swept(elbow: Pin, c: Contact, y: wp.vec4, elbow_speed: float, pivot_speed: float) -> wp.vec4:
    """Elbow and pivot visited once, by motors that are strong enough."""
    motor = (elbow_speed - y[3] + y[0]) * elbow.inv_turn
    w1 = y[3] + INV_I1 * motor
    v1 = centre_speed(c, y)
    slip = v1 + spin(w1, elbow.rb) - spin(2.0 * y[0] - INV_I0 * motor, elbow.ra)
    p = -solve2(elbow.k, elbow.inv_det, slip)
    w0 = y[0] + FREE * (pivot_speed - y[0] - INV_I0 * cross(elbow.ra, p))
    turn = INV_I1 * (motor + cross(elbow.rb, p))
    after = y + seen_from(c, 0.0, p, turn)
    return wp.vec4(w0, after[1], after[2], after[3])


@wp.func
def joints_of(elbow: Pin, pivot: Pin, c: Contact) -> Joints:
    """The map, from what it does to nothing and to units."""
    j = Joints()
    j.elbow = elbow.speed
    j.pivot = pivot.speed
    j.turn = elbow.inv_turn
    j.still = swept(elbow, c, wp.vec4(), elbow.speed, pivot.speed)
    j.turn_0 = swept(elbow, c, wp.vec4(1.0, 0.0, 0.0, 0.0), 0.0, 0.0)
    j.along_t = swept(elbow, c, wp.vec4(0.0, 1.0, 0.0, 0.0), 0.0, 0.0)
    j.along_n = swept(elbow, c, wp.vec4(0.0, 0.0, 1.0, 0.0), 0.0, 0.0)
    j.turn_1 = swept(elbow, c, wp.vec4(0.0, 0.0, 0.0, 1.0), 0.0, 0.0)
    slip = spin(INV_I1, elbow.rb) + spin(INV_I0, elbow.ra)
    p = -solve2(elbow.k, elbow.inv_det, slip)
    a = cross(elbow.ra, p)
    j.by_elbow = seen_from(c, -FREE * INV_I0 * a, p, INV_I1 * (1.0 + cross(elbow.rb, p)))
    j.pivot_by_elbow = 1.0 + a
    return j


@wp.func
def sweep_joints(scene: Scene, j: Joints, before: Motion) -> Motion:
    """Elbow and pivot visited once."""
    y = before.y
    after = Motion()
    after.y = (j.still + j.turn_0 * y[0] + j.along_t * y[1]) + (j.along_n * y[2] + j.turn_1 * y[3])
    # what the motors gave; the elbow's pull on link 0 is in its change of speed
    elbow = (j.elbow - y[3] + y[0]) * j.turn
    pull = (y[0] - after.y[0]) * (1.0 / FREE) + j.pivot - y[0]
    pivot = elbow + (j.pivot - y[0] + pull) * (1.0 / INV_I0)
    after.elbow = before.elbow + elbow
    after.pivot = before.pivot + pivot
    if wp.abs(after.elbow) > scene.elbow_motor or wp.abs(after.pivot) > scene.pivot_motor:
        most = bounded(after.elbow, scene.elbow_motor)
        short = most - after.elbow
        after.elbow = most
        after.y = after.y + j.by_elbow * short
        after.pivot = after.pivot + j.pivot_by_elbow * short
        most = bounded(after.pivot, scene.pivot_motor)
        after.y[0] = after.y[0] + FREE * INV_I0 * (most - after.pivot)
        after.pivot = most
    return after


@wp.func
def moved_on_to(table: Table, c: Contact, elbow: Pin, last: Motion, pushed: wp.vec2) -> Table:
    """The links and joints after the last sweep; `pushed`: (t, n) impulses on link 1 meanwhile."""
    v0 = spin(last.y[0], elbow.ra)  # the pivot's lever is the elbow's, turned round
    v1 = centre_speed(c, last.y)
    p1 = (v1 - table.link_1.v) * (1.0 / INV_M1) - c.t * pushed[0] - c.n * pushed[1]
    p0 = (v0 - table.link_0.v) * (1.0 / INV_M0) + p1
    table.elbow.pin = table.elbow.pin + wp.vec3(p1[0], p1[1], 0.0)
    table.pivot.pin = table.pivot.pin + wp.vec3(p0[0], p0[1], 0.0)
    table.elbow.motor = last.elbow
    table.pivot.motor = last.pivot
    table.link_0.v = v0
    table.link_0.w = last.y[0]
    table.link_1.v = v1
    table.link_1.w = last.y[3]
    return table

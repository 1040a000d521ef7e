"""Bodies and contacts of a ball and a two-link arm on a walled table, as Box2D 2.3 has them.

Algorithms of E. Catto, "Box2D" (box2d.org, version 2.3), written for exactly this scene: a circle,
two boxes and four axis-aligned walls. What Box2D finds for any scene is known here beforehand:

* joint-connected bodies do not collide, so the pairs are ball and arm links, ball and walls, outer
  link and walls; and of two opposite walls only the nearer one can touch;
* a wall is a half-plane, for its ends lie behind the other walls: against a box it is always the
  reference face, and the contact points are corners of the box;
* a circle's angle never shows; Box2D's contact lists (whose order is the history of the broad
  phase) are a fixed order, and pairs far apart cost a comparison.

World frame: the table is [0, 3]², joints and walls as in `tasks/curling.py`; SI units, float32.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.fastsim import cos_sin
from qdx.tasks.table_scene import Scene

BITE = 0.02  # m; two skins: a corner this near a wall touches it
HALF_WIDTH = 0.05  # m; of a link
HALF_LENGTH = 0.5  # m; of a link
LOW_FACE = 0.05  # m; inner faces of the walls
HIGH_FACE = 2.95  # m
MIDDLE = 1.5  # m; of the table
BOUNCE_SPEED = 1.0  # m/s; b2_velocityThreshold
WALL_FRICTION = 0.42426407  # sqrt(0.9 * 0.2)
LINK_FRICTION = 0.9  # sqrt(0.9 * 0.9)
INV_M0 = 2.0  # 1/kg; link 0: 0.1 m x 1 m, 5 kg/m²
INV_M1 = 10.0  # 1/kg; link 1: 1 kg/m²
INV_I0 = 23.762373  # 1/(kg m²); 12 / (m (w² + l²)), rounded as Box2D rounds it
INV_I1 = 118.81187
BALL_0 = wp.constant(0)  # codes of the contacts
BALL_1 = wp.constant(1)
BALL_X = wp.constant(2)
BALL_Y = wp.constant(3)
EDGE_X = wp.constant(4)
EDGE_Y = wp.constant(5)

Codes = wp.types.vector(6, wp.int32)


@wp.struct
class Body:
    """Centre, angle with its (cos, sin), velocities."""

    c: wp.vec2
    a: wp.float32
    q: wp.vec2
    v: wp.vec2
    w: wp.float32


@wp.struct
class Joint:
    """Accumulated impulses (pin x, y, limit), motor impulse, limit: -1 lower, 1 upper, 0 none."""

    pin: wp.vec3
    motor: wp.float32
    limit: wp.int32


@wp.struct
class Touch:
    """A contact of the ball.

    on: 1 where it touches.
    local_n, local_p: outward normal and a point of the face (or corner) in the frame of the box.
    n: that normal in the world. ra, rb: contact point from the two centres.
    impulse: accumulated, along the normal and the tangent.
    """

    on: wp.int32
    local_n: wp.vec2
    local_p: wp.vec2
    n: wp.vec2
    ra: wp.vec2
    rb: wp.vec2
    mass_n: wp.float32
    mass_t: wp.float32
    bias: wp.float32
    impulse: wp.vec2


@wp.struct
class Edge:
    """A contact of link 1 with a wall: one or two of its corners.

    count: points; solved: points in the velocity solver (1 where two are nearly redundant).
    i1, i2: corners. face: the wall's coordinate along `n`.
    k, inverse: the two-point system and its inverse, as (11, 12, 22).
    """

    count: wp.int32
    solved: wp.int32
    i1: wp.int32
    i2: wp.int32
    n: wp.vec2
    face: wp.float32
    r1: wp.vec2
    r2: wp.vec2
    mass_n: wp.vec2
    mass_t: wp.vec2
    k: wp.vec3
    inverse: wp.vec3
    normal: wp.vec2
    tangent: wp.vec2


@wp.struct
class Table:
    """Everything that lasts from step to step.

    ages: contacts by their codes, newer ones higher, 0 for none (`table_boxes`).
    """

    link_0: Body
    link_1: Body
    ball: Body
    pivot: Joint
    elbow: Joint
    ball_0: Touch
    ball_1: Touch
    ball_x: Touch
    ball_y: Touch
    edge_x: Edge
    edge_y: Edge
    ages: Codes


@wp.func
def rotate(q: wp.vec2, p: wp.vec2) -> wp.vec2:
    """A vector of a body in the world."""
    return wp.vec2(q[0] * p[0] - q[1] * p[1], q[1] * p[0] + q[0] * p[1])


@wp.func
def unrotate(q: wp.vec2, p: wp.vec2) -> wp.vec2:
    """A vector of the world in a body."""
    return wp.vec2(q[0] * p[0] + q[1] * p[1], -q[1] * p[0] + q[0] * p[1])


@wp.func
def cross(a: wp.vec2, b: wp.vec2) -> wp.float32:
    """The third component of the cross product."""
    return a[0] * b[1] - a[1] * b[0]


@wp.func
def spin(w: wp.float32, r: wp.vec2) -> wp.vec2:
    """Velocity of a point at r on a body turning at w."""
    return wp.vec2(-w * r[1], w * r[0])


@wp.func
def tangent_of(n: wp.vec2) -> wp.vec2:
    """The normal turned clockwise, as Box2D has it."""
    return wp.vec2(n[1], -n[0])


@wp.func
def corner(i: wp.int32) -> wp.vec2:
    """Corner i of a link in its frame, counter-clockwise from (-, -) as in b2PolygonShape."""
    x = wp.where(i == 0 or i == 3, -HALF_WIDTH, HALF_WIDTH)
    y = wp.where(i < 2, -HALF_LENGTH, HALF_LENGTH)
    return wp.vec2(x, y)


@wp.func
def extent(q: wp.vec2, n: wp.vec2) -> wp.float32:
    """Half the width of a link along an axis."""
    return HALF_WIDTH * wp.abs(wp.dot(q, n)) + HALF_LENGTH * wp.abs(cross(q, n))


@wp.func
def wall_side(x: wp.float32) -> wp.float32:
    """Normal component of the nearer of two opposite walls: 1 for the lower, -1 for the upper."""
    return wp.where(x < MIDDLE, 1.0, -1.0)


@wp.func
def wall_face(side: wp.float32) -> wp.float32:
    """The inner face along its own normal: a point p is in the room where n p > face."""
    return wp.where(side > 0.0, LOW_FACE, -HIGH_FACE)


@wp.func
def box_gap(local: wp.vec2) -> wp.float32:
    """Distance of a point from a link, in the link's frame; 0 inside."""
    dx = wp.max(wp.abs(local[0]) - HALF_WIDTH, 0.0)
    dy = wp.max(wp.abs(local[1]) - HALF_LENGTH, 0.0)
    return wp.sqrt(dx * dx + dy * dy)


@wp.func
def touch_link(scene: Scene, old: Touch, link: Body, ball: wp.vec2) -> Touch:
    """b2CollidePolygonAndCircle: where the ball is within reach of a link."""
    touch = Touch()
    local = unrotate(link.q, ball - link.c)
    beyond_x = wp.abs(local[0]) - HALF_WIDTH
    beyond_y = wp.abs(local[1]) - HALF_LENGTH
    if beyond_x > scene.reach or beyond_y > scene.reach:
        return touch
    sx = wp.where(local[0] < 0.0, -1.0, 1.0)
    sy = wp.where(local[1] < 0.0, -1.0, 1.0)
    if beyond_x > 0.0 and beyond_y > 0.0:  # a corner
        away = wp.vec2(sx * beyond_x, sy * beyond_y)
        gap = wp.length(away)
        if gap > scene.reach:
            return touch
        touch.local_n = away / gap
        touch.local_p = wp.vec2(sx * HALF_WIDTH, sy * HALF_LENGTH)
    elif beyond_x > beyond_y:
        touch.local_n = wp.vec2(sx, 0.0)
        touch.local_p = wp.vec2(sx * HALF_WIDTH, 0.0)
    else:
        touch.local_n = wp.vec2(0.0, sy)
        touch.local_p = wp.vec2(0.0, sy * HALF_LENGTH)
    touch.on = wp.int32(1)
    touch.impulse = wp.where(old.on == 1, old.impulse, wp.vec2())
    return touch


@wp.func
def touch_wall(scene: Scene, old: Touch, n: wp.vec2, face: wp.float32, ball: wp.vec2) -> Touch:
    """The ball against a wall of normal n."""
    touch = Touch()
    if wp.dot(n, ball) - face > scene.reach:
        return touch
    touch.on = wp.int32(1)
    touch.local_n = n
    touch.local_p = n * face
    touch.impulse = wp.where(old.on == 1, old.impulse, wp.vec2())
    return touch


@wp.func
def kept(old: Edge, i: wp.int32) -> wp.vec2:
    """Impulses of corner i in the last manifold, (normal, tangent)."""
    both = wp.vec2()
    if old.count > 0 and old.i1 == i:
        both = wp.vec2(old.normal[0], old.tangent[0])
    if old.count > 1 and old.i2 == i:
        both = wp.vec2(old.normal[1], old.tangent[1])
    return both


@wp.func
def touch_edge(old: Edge, n: wp.vec2, face: wp.float32, link: Body) -> Edge:
    """b2CollidePolygons against a wall: the ends of the incident edge that are within BITE."""
    edge = Edge()
    if wp.dot(n, link.c) - extent(link.q, n) - face > BITE:
        return edge
    local = unrotate(link.q, n)
    # the edge whose outward normal is most against n; the first of equals
    i1 = wp.int32(0)
    least = -local[1]
    if local[0] < least:
        i1 = wp.int32(1)
        least = local[0]
    if local[1] < least:
        i1 = wp.int32(2)
        least = local[1]
    if -local[0] < least:
        i1 = wp.int32(3)
    i2 = (i1 + 1) % 4
    near_1 = wp.dot(n, link.c + rotate(link.q, corner(i1))) - face <= BITE
    near_2 = wp.dot(n, link.c + rotate(link.q, corner(i2))) - face <= BITE
    edge.n = n
    edge.face = face
    edge.i1 = wp.where(near_1, i1, i2)
    edge.i2 = i2
    edge.count = wp.where(near_1, 1, 0) + wp.where(near_2, 1, 0)
    first = kept(old, edge.i1)
    second = kept(old, edge.i2)
    edge.normal = wp.vec2(first[0], second[0])
    edge.tangent = wp.vec2(first[1], second[1])
    return edge


@wp.func
def collide(scene: Scene, table: Table) -> Table:
    """b2ContactManager::Collide: every manifold, with the impulses of points that stay."""
    ball = table.ball.c
    side_x = wall_side(ball[0])
    side_y = wall_side(ball[1])
    table.ball_x = touch_wall(scene, table.ball_x, wp.vec2(side_x, 0.0), wall_face(side_x), ball)
    table.ball_y = touch_wall(scene, table.ball_y, wp.vec2(0.0, side_y), wall_face(side_y), ball)
    table.ball_0 = touch_link(scene, table.ball_0, table.link_0, ball)
    table.ball_1 = touch_link(scene, table.ball_1, table.link_1, ball)
    link = table.link_1
    side_x = wall_side(link.c[0])
    side_y = wall_side(link.c[1])
    table.edge_x = touch_edge(table.edge_x, wp.vec2(side_x, 0.0), wall_face(side_x), link)
    table.edge_y = touch_edge(table.edge_y, wp.vec2(0.0, side_y), wall_face(side_y), link)
    return table


@wp.func
def turned(body: Body) -> Body:
    """The cached (cos, sin) after a change of angle."""
    body.q = cos_sin(body.a)
    return body

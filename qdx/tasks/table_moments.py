"""When two bodies of the table meet within a step (b2TimeOfImpact of Box2D 2.3).

E. Catto, "Box2D" (box2d.org, version 2.3). Separation is measured on one axis at a time: a wall's
normal, or for ball and link the face or corner that is nearest; its root is found by bisection and
the secant rule in turn, to Box2D's tolerance, for where a body stops depends on it.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.fastsim import cos_sin
from qdx.tasks.table_bodies import (
    BALL_0,
    BALL_1,
    BALL_X,
    BALL_Y,
    EDGE_X,
    EDGE_Y,
    Body,
    Table,
    box_gap,
    corner,
    extent,
    rotate,
    unrotate,
    wall_face,
    wall_side,
)
from qdx.tasks.table_scene import Scene
from qdx.tasks.table_settle import product

LINK_TARGET = 0.005  # m; two skins less three slops, at least one slop
TOLERANCE = 0.00125  # m; a quarter of a slop
NEVER = 1.0  # share of a step
MAX_AXES = 20  # k_maxIterations of b2TimeOfImpact
MAX_ROOTS = 50
MAX_CORNERS = 16  # b2_maxPolygonVertices

Moments = wp.types.vector(6, wp.float32)


@wp.struct
class Start:
    """Where a body was at the share `at` of the step (b2Sweep: c0, a0, alpha0)."""

    c: wp.vec2
    a: wp.float32
    q: wp.vec2
    at: wp.float32


@wp.struct
class Starts:
    """Of the three bodies."""

    link_0: Start
    link_1: Start
    ball: Start


@wp.struct
class Axis:
    """A separating axis of ball and link.

    A face (normal and point in the link's frame), or a direction of the world from a corner.
    """

    is_face: wp.bool
    n: wp.vec2
    p: wp.vec2


@wp.func
def start_of(body: Body) -> Start:
    """Where a body is when a step begins."""
    start = Start()
    start.c = body.c
    start.a = body.a
    start.q = body.q
    return start


@wp.func
def centre_at(start: Start, body: Body, t: wp.float32) -> wp.vec2:
    """Centre at a share of the sweep."""
    x = product(1.0 - t, start.c[0]) + product(t, body.c[0])
    y = product(1.0 - t, start.c[1]) + product(t, body.c[1])
    return wp.vec2(x, y)


@wp.func
def turn_at(start: Start, body: Body, t: wp.float32) -> wp.vec2:
    """(cos, sin) of the angle at a share of the sweep."""
    if t <= 0.0:
        return start.q
    if t >= 1.0:
        return body.q
    return cos_sin((1.0 - t) * start.a + t * body.a)


@wp.func
def advanced(start: Start, at: wp.float32, body: Body) -> Start:
    """b2Sweep::Advance: the start moved to a later share of the step."""
    if at > start.at:
        t = (at - start.at) / (1.0 - start.at)
        x = start.c[0] + product(t, body.c[0] - start.c[0])
        y = start.c[1] + product(t, body.c[1] - start.c[1])
        start.c = wp.vec2(x, y)
        start.a = start.a + t * (body.a - start.a)
        start.q = cos_sin(start.a)
        start.at = at
    return start


@wp.func
def placed(start: Start, body: Body) -> Body:
    """The body where its sweep starts."""
    body.c = start.c
    body.a = start.a
    body.q = start.q
    return body


@wp.func
def next_guess(k: wp.int32, a1: float, a2: float, s1: float, s2: float, target: float) -> float:
    """Bisection and the secant rule in turn."""
    t = 0.5 * (a1 + a2)
    if k % 2 == 1:
        t = a1 + product(target - s1, a2 - a1) / (s2 - s1)
    return t


@wp.func
def ball_meets_wall(
    scene: Scene, start: Start, ball: Body, n: wp.vec2, face: wp.float32
) -> wp.float32:
    """Share of the sweep at which the ball comes within the target of a wall, NEVER if not."""
    s1 = wp.dot(n, start.c) - face
    s2 = wp.dot(n, ball.c) - face
    if s1 <= 0.0:
        return NEVER  # overlapped: given up
    if s1 < scene.target + TOLERANCE:
        return 0.0
    if s2 > scene.target + TOLERANCE:
        return NEVER
    if s2 > scene.target - TOLERANCE:
        return NEVER  # at the very end of the step
    a1 = wp.float32(0.0)
    a2 = wp.float32(1.0)
    t = wp.float32(1.0)
    k = wp.int32(0)
    while k < MAX_ROOTS:
        t = next_guess(k, a1, a2, s1, s2, scene.target)
        k = k + 1
        s = wp.dot(n, centre_at(start, ball, t)) - face
        if wp.abs(s - scene.target) < TOLERANCE:
            k = wp.int32(MAX_ROOTS)
        elif s > scene.target:
            a1 = t
            s1 = s
        else:
            a2 = t
            s2 = s
    return t


@wp.func
def lowest_corner(start: Start, link: Body, n: wp.vec2, t: wp.float32) -> wp.int32:
    """The corner of a link that reaches furthest against n."""
    local = unrotate(turn_at(start, link, t), n)
    lowest = wp.where(local[0] > 0.0, wp.where(local[1] > 0.0, 0, 3), 1)
    return wp.where(local[0] <= 0.0 and local[1] <= 0.0, 2, lowest)


@wp.func
def corner_height(
    start: Start, link: Body, n: wp.vec2, face: wp.float32, i: wp.int32, t: wp.float32
) -> wp.float32:
    """Distance of a corner from a wall."""
    centre = centre_at(start, link, t)
    return wp.dot(n, centre + rotate(turn_at(start, link, t), corner(i))) - face


@wp.func
def link_meets_wall(start: Start, link: Body, n: wp.vec2, face: wp.float32) -> wp.float32:
    """The same for link 1: corner after corner, the deepest first."""
    first = wp.dot(n, start.c) - extent(turn_at(start, link, 0.0), n) - face
    if first <= 0.0:
        return NEVER
    if first < LINK_TARGET + TOLERANCE:
        return 0.0
    last = wp.float32(1.0)
    for _k in range(MAX_CORNERS):
        i = lowest_corner(start, link, n, last)
        s2 = corner_height(start, link, n, face, i, last)
        if s2 > LINK_TARGET + TOLERANCE:
            return NEVER
        if s2 > LINK_TARGET - TOLERANCE:
            return last
        s1 = corner_height(start, link, n, face, i, 0.0)
        if s1 <= LINK_TARGET + TOLERANCE:
            return wp.where(s1 < LINK_TARGET - TOLERANCE, NEVER, 0.0)
        a1 = wp.float32(0.0)
        a2 = wp.float32(last)
        k = wp.int32(0)
        while k < MAX_ROOTS:
            t = next_guess(k, a1, a2, s1, s2, LINK_TARGET)
            k = k + 1
            s = corner_height(start, link, n, face, i, t)
            if wp.abs(s - LINK_TARGET) < TOLERANCE:
                last = t
                k = wp.int32(MAX_ROOTS)
            elif s > LINK_TARGET:
                a1 = t
                s1 = s
            else:
                a2 = t
                s2 = s
    return last


@wp.func
def axis_at(link_from: Start, link: Body, ball_from: Start, ball: Body, t: wp.float32) -> Axis:
    """The axis of the nearest points at a moment."""
    q = turn_at(link_from, link, t)
    local = unrotate(q, centre_at(ball_from, ball, t) - centre_at(link_from, link, t))
    x = wp.clamp(local[0], -0.05, 0.05)
    y = wp.clamp(local[1], -0.5, 0.5)
    axis = Axis()
    axis.p = wp.vec2(x, y)
    axis.is_face = x == local[0] or y == local[1]
    axis.n = wp.normalize(local - axis.p)
    if not axis.is_face:
        axis.n = rotate(q, axis.n)
    return axis


@wp.func
def separation(
    axis: Axis,
    link_from: Start,
    link: Body,
    ball_from: Start,
    ball: Body,
    t: wp.float32,
    p: wp.vec2,
) -> wp.float32:
    """Of the ball's centre from a point p of the link, along the axis."""
    q = turn_at(link_from, link, t)
    n = axis.n
    if axis.is_face:
        n = rotate(q, axis.n)
    return wp.dot(centre_at(ball_from, ball, t) - centre_at(link_from, link, t) - rotate(q, p), n)


@wp.func
def support(axis: Axis, link_from: Start, link: Body, t: wp.float32) -> wp.vec2:
    """The link's point that counts on the axis: of the face any, else the furthest corner."""
    if axis.is_face:
        return axis.p
    local = unrotate(turn_at(link_from, link, t), axis.n)
    return wp.vec2(wp.where(local[0] < 0.0, -0.05, 0.05), wp.where(local[1] < 0.0, -0.5, 0.5))


@wp.func
def impact_on_axis(
    scene: Scene,
    axis: Axis,
    link_from: Start,
    link: Body,
    ball_from: Start,
    ball: Body,
    first: wp.float32,
) -> wp.vec2:
    """(moment, verdict): 1 touching, -1 no impact, 0 go on from the moment with a new axis."""
    last = wp.float32(1.0)
    for _k in range(MAX_CORNERS):
        p = support(axis, link_from, link, last)
        s2 = separation(axis, link_from, link, ball_from, ball, last, p)
        if s2 > scene.target + TOLERANCE:
            return wp.vec2(NEVER, -1.0)
        if s2 > scene.target - TOLERANCE:
            return wp.vec2(last, 0.0)
        s1 = separation(axis, link_from, link, ball_from, ball, first, p)
        if s1 < scene.target - TOLERANCE:
            return wp.vec2(NEVER, -1.0)
        if s1 <= scene.target + TOLERANCE:
            return wp.vec2(first, 1.0)
        a1 = wp.float32(first)
        a2 = wp.float32(last)
        k = wp.int32(0)
        while k < MAX_ROOTS:
            t = next_guess(k, a1, a2, s1, s2, scene.target)
            k = k + 1
            s = separation(axis, link_from, link, ball_from, ball, t, p)
            if wp.abs(s - scene.target) < TOLERANCE:
                last = t
                k = wp.int32(MAX_ROOTS)
            elif s > scene.target:
                a1 = t
                s1 = s
            else:
                a2 = t
                s2 = s
    return wp.vec2(first, 0.0)


@wp.func
def ball_meets_link(
    scene: Scene, link_from: Start, link: Body, ball_from: Start, ball: Body
) -> wp.float32:
    """Share of the sweep at which the ball comes within the target of a link, NEVER if not."""
    t = wp.float32(0.0)
    for _k in range(MAX_AXES):
        q = turn_at(link_from, link, t)
        apart = centre_at(ball_from, ball, t) - centre_at(link_from, link, t)
        gap = box_gap(unrotate(q, apart))
        if gap <= 0.0:
            return NEVER
        if gap < scene.target + TOLERANCE:
            return t
        axis = axis_at(link_from, link, ball_from, ball, t)
        found = impact_on_axis(scene, axis, link_from, link, ball_from, ball, t)
        if found[1] > 0.5:
            return found[0]
        if found[1] < -0.5:
            return NEVER
        t = found[0]
    return NEVER


@wp.func
def is_far(scene: Scene, link: Body, ball: Body, before: Start, ball_before: Start) -> wp.bool:
    """No impact is possible: further than `far` from the link at both ends."""
    last = box_gap(unrotate(link.q, ball.c - link.c))
    first = box_gap(unrotate(before.q, ball_before.c - before.c))
    return wp.min(first, last) > scene.far


@wp.func
def ball_link_moment(
    scene: Scene, from_link: Start, link: Body, from_ball: Start, ball: Body
) -> wp.float32:
    """Share of the whole step at which ball and link meet."""
    if is_far(scene, link, ball, from_link, from_ball):
        return NEVER
    at = wp.max(from_link.at, from_ball.at)
    link_from = advanced(from_link, at, link)
    ball_from = advanced(from_ball, at, ball)
    return at + (1.0 - at) * ball_meets_link(scene, link_from, link, ball_from, ball)


@wp.func
def moments(scene: Scene, table: Table, starts: Starts) -> Moments:
    """When each pair meets, as a share of the step."""
    when = Moments()
    ball = table.ball
    link = table.link_1
    # the wall a body is nearer to at the end of the step
    x = wall_side(link.c[0])
    y = wall_side(link.c[1])
    left = 1.0 - starts.link_1.at
    base = starts.link_1.at
    n = wp.vec2(x, 0.0)
    when[EDGE_X] = base + left * link_meets_wall(starts.link_1, link, n, wall_face(x))
    n = wp.vec2(0.0, y)
    when[EDGE_Y] = base + left * link_meets_wall(starts.link_1, link, n, wall_face(y))
    x = wall_side(ball.c[0])
    y = wall_side(ball.c[1])
    left = 1.0 - starts.ball.at
    base = starts.ball.at
    n = wp.vec2(x, 0.0)
    when[BALL_X] = base + left * ball_meets_wall(scene, starts.ball, ball, n, wall_face(x))
    n = wp.vec2(0.0, y)
    when[BALL_Y] = base + left * ball_meets_wall(scene, starts.ball, ball, n, wall_face(y))
    when[BALL_0] = ball_link_moment(scene, starts.link_0, table.link_0, starts.ball, ball)
    when[BALL_1] = ball_link_moment(scene, starts.link_1, table.link_1, starts.ball, ball)
    return when

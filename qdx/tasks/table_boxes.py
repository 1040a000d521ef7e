"""When Box2D 2.3 makes and drops the table's contacts: its broad phase, for six pairs.

b2DynamicTree::MoveProxy, b2BroadPhase::UpdatePairs and b2ContactManager::Collide of E. Catto,
"Box2D" (box2d.org, version 2.3). A body has a box with room to move in; where it leaves that, it
gets a new one, with more room ahead. A contact is made when two boxes overlap and dropped when, at
the beginning of a step, they do not. How old contacts are decides the order of sweeps.

Boxes are (low x, low y, high x, high y), m.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.table_bodies import (
    BALL_0,
    BALL_1,
    BALL_X,
    BALL_Y,
    EDGE_X,
    EDGE_Y,
    HALF_LENGTH,
    HALF_WIDTH,
    Codes,
    Table,
)
from qdx.tasks.table_moments import Starts
from qdx.tasks.table_scene import SKIN, Scene

ROOM = 0.1  # m; b2_aabbExtension
AHEAD = 2.0  # b2_aabbMultiplier: more room ahead, in moves of a step
LOW_WALL = 0.16  # m; inner side of a lower wall's box: half a wall, the skin and the room
HIGH_WALL = 2.84  # m; of an upper wall's


@wp.struct
class Rooms:
    """Of the three bodies, and whether one is another than at the beginning of the step."""

    link_0: wp.vec4
    link_1: wp.vec4
    ball: wp.vec4
    have_changed: wp.bool


@wp.func
def box_of(c: wp.vec2, half_x: float, half_y: float) -> wp.vec4:
    """A box about a centre."""
    return wp.vec4(c[0] - half_x, c[1] - half_y, c[0] + half_x, c[1] + half_y)


@wp.func
def link_box(c: wp.vec2, q: wp.vec2) -> wp.vec4:
    """The box of a link, skin included."""
    across = wp.abs(q[0])
    along = wp.abs(q[1])
    half_x = HALF_WIDTH * across + HALF_LENGTH * along + SKIN
    half_y = HALF_WIDTH * along + HALF_LENGTH * across + SKIN
    return box_of(c, half_x, half_y)


@wp.func
def ball_box(scene: Scene, c: wp.vec2) -> wp.vec4:
    """The box of the ball."""
    return box_of(c, scene.radius, scene.radius)


@wp.func
def roomy(box: wp.vec4, move: wp.vec2) -> wp.vec4:
    """A box with room to move in, most of it ahead."""
    return wp.vec4(
        box[0] - ROOM + wp.min(AHEAD * move[0], 0.0),
        box[1] - ROOM + wp.min(AHEAD * move[1], 0.0),
        box[2] + ROOM + wp.max(AHEAD * move[0], 0.0),
        box[3] + ROOM + wp.max(AHEAD * move[1], 0.0),
    )


@wp.func
def union(a: wp.vec4, b: wp.vec4) -> wp.vec4:
    """The smallest box about two."""
    return wp.vec4(wp.min(a[0], b[0]), wp.min(a[1], b[1]), wp.max(a[2], b[2]), wp.max(a[3], b[3]))


@wp.func
def holds(room: wp.vec4, box: wp.vec4) -> wp.bool:
    """Whether a box lies inside another."""
    return box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]


@wp.func
def overlap(a: wp.vec4, b: wp.vec4) -> wp.bool:
    """Whether two boxes share a point."""
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


@wp.func
def is_met(rooms: Rooms, code: wp.int32) -> wp.bool:
    """Whether the rooms of a pair overlap; of two opposite walls a body can be near only one."""
    if code == BALL_1:
        return overlap(rooms.link_1, rooms.ball)
    if code == BALL_0:
        return overlap(rooms.link_0, rooms.ball)
    room = wp.where(code < EDGE_X, rooms.ball, rooms.link_1)
    at_x = room[0] <= LOW_WALL or room[2] >= HIGH_WALL
    at_y = room[1] <= LOW_WALL or room[3] >= HIGH_WALL
    return wp.where(code % 2 == 0, at_x, at_y)  # the codes of walls across x are even


@wp.func
def make_contact(ages: Codes, rooms: Rooms, code: wp.int32) -> Codes:
    """A contact where rooms have come to overlap: newer than all others."""
    if ages[code] == 0 and is_met(rooms, code):
        ages[code] = wp.max(ages) + 1
    return ages


@wp.func
def make_contacts(ages: Codes, rooms: Rooms) -> Codes:
    """New contacts in the order of the author's bodies."""
    ages = make_contact(ages, rooms, EDGE_X)
    ages = make_contact(ages, rooms, BALL_X)
    ages = make_contact(ages, rooms, EDGE_Y)
    ages = make_contact(ages, rooms, BALL_Y)
    ages = make_contact(ages, rooms, BALL_1)
    return make_contact(ages, rooms, BALL_0)


@wp.func
def drop_contacts(ages: Codes, rooms: Rooms) -> Codes:
    """No contacts where rooms do not overlap: the beginning of a step."""
    if rooms.have_changed:
        for code in range(6):
            if ages[code] > 0 and not is_met(rooms, code):
                ages[code] = 0
    return ages


@wp.func
def room_after(room: wp.vec4, first: wp.vec4, last: wp.vec4, move: wp.vec2) -> wp.vec4:
    """The room of a body after a move: the old one where it holds both ends of it."""
    if holds(room, last) and holds(room, first):
        return room
    return roomy(union(first, last), move)


@wp.func
def follow(scene: Scene, rooms: Rooms, table: Table, starts: Starts) -> Rooms:
    """The rooms after a move."""
    a = starts.link_0
    first = link_box(a.c, a.q)
    last = link_box(table.link_0.c, table.link_0.q)
    rooms.link_0 = room_after(rooms.link_0, first, last, table.link_0.c - a.c)
    a = starts.link_1
    first = link_box(a.c, a.q)
    last = link_box(table.link_1.c, table.link_1.q)
    rooms.link_1 = room_after(rooms.link_1, first, last, table.link_1.c - a.c)
    a = starts.ball
    first = ball_box(scene, a.c)
    last = ball_box(scene, table.ball.c)
    rooms.ball = room_after(rooms.ball, first, last, table.ball.c - a.c)
    rooms.have_changed = wp.bool(True)
    return rooms


@wp.func
def hold_all(scene: Scene, rooms: Rooms, table: Table) -> wp.bool:
    """All three bodies lie in their rooms."""
    return (
        holds(rooms.link_0, link_box(table.link_0.c, table.link_0.q))
        and holds(rooms.link_1, link_box(table.link_1.c, table.link_1.q))
        and holds(rooms.ball, ball_box(scene, table.ball.c))
    )


@wp.func
def rooms_of(scene: Scene, table: Table) -> Rooms:
    """The first rooms of the bodies, at rest."""
    rooms = Rooms()
    still = wp.vec2()
    rooms.link_0 = roomy(link_box(table.link_0.c, table.link_0.q), still)
    rooms.link_1 = roomy(link_box(table.link_1.c, table.link_1.q), still)
    rooms.ball = roomy(ball_box(scene, table.ball.c), still)
    return rooms

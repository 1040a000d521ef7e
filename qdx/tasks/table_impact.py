"""Continuous collision of the table: no body passes a wall or another within a step.

b2World::SolveTOI of E. Catto, "Box2D" (box2d.org, version 2.3), for six pairs: all moving bodies
are bullets, so every contact is looked at. The earliest impact stops its two bodies there, contacts
(no joints) are solved, and the rest of the step is travelled at the new velocities; then the next
impact.
"""

from __future__ import annotations

import numpy as np
import warp as wp

from qdx.tasks.fastsim import cos_sin
from qdx.tasks.table_bodies import (
    BALL_0,
    BALL_1,
    BALL_X,
    BALL_Y,
    EDGE_X,
    Table,
    touch_edge,
    touch_link,
    touch_wall,
    wall_face,
    wall_side,
)
from qdx.tasks.table_boxes import Rooms, follow, hold_all, make_contacts
from qdx.tasks.table_moments import NEVER, Starts, advanced, moments, placed
from qdx.tasks.table_order import impact_order
from qdx.tasks.table_scene import DT, SLOP, Scene
from qdx.tasks.table_settle import IMPACT_SHARE, moved_on, settle_contact
from qdx.tasks.table_step import prepare
from qdx.tasks.table_sweeps import solve_contacts

LAST_MOMENT = 1.0 - 1.1920929e-6  # 1 - 10 b2_epsilon
MAX_IMPACTS = 8  # b2_maxSubSteps, a contact and step
MAX_EVENTS = 64  # a step; Box2D counts a contact's only
IMPACT_SETTLED = float(np.float32(-1.5) * np.float32(SLOP))  # m; an overlap this small is left
IMPACT_SETTLES = 20  # position iterations of a sub-step

Counts = wp.types.vector(6, wp.int32)


@wp.func
def update_edges(table: Table) -> Table:
    """The manifolds of link 1 and its walls at its present place."""
    link = table.link_1
    x = wall_side(link.c[0])
    y = wall_side(link.c[1])
    table.edge_x = touch_edge(table.edge_x, wp.vec2(x, 0.0), wall_face(x), link)
    table.edge_y = touch_edge(table.edge_y, wp.vec2(0.0, y), wall_face(y), link)
    return table


@wp.func
def update_ball_walls(scene: Scene, table: Table) -> Table:
    """The manifolds of the ball and its walls at its present place."""
    ball = table.ball.c
    x = wall_side(ball[0])
    y = wall_side(ball[1])
    table.ball_x = touch_wall(scene, table.ball_x, wp.vec2(x, 0.0), wall_face(x), ball)
    table.ball_y = touch_wall(scene, table.ball_y, wp.vec2(0.0, y), wall_face(y), ball)
    return table


@wp.func
def join_link_0(scene: Scene, table: Table, starts: Starts, at: wp.float32) -> tuple[Table, Starts]:
    """Link 0 brought to the moment if the ball touches it there."""
    start = advanced(starts.link_0, at, table.link_0)
    link = placed(start, table.link_0)
    table.ball_0 = touch_link(scene, table.ball_0, link, table.ball.c)
    if table.ball_0.on == 1:
        table.link_0 = link
        starts.link_0 = start
    return table, starts


@wp.func
def join_link_1(scene: Scene, table: Table, starts: Starts, at: wp.float32) -> tuple[Table, Starts]:
    """The same for link 1."""
    start = advanced(starts.link_1, at, table.link_1)
    link = placed(start, table.link_1)
    table.ball_1 = touch_link(scene, table.ball_1, link, table.ball.c)
    if table.ball_1.on == 1:
        table.link_1 = link
        starts.link_1 = start
    return table, starts


@wp.func
def join_ball(scene: Scene, table: Table, starts: Starts, at: wp.float32) -> tuple[Table, Starts]:
    """The ball brought to the moment if link 1 touches it there."""
    start = advanced(starts.ball, at, table.ball)
    ball = placed(start, table.ball)
    table.ball_1 = touch_link(scene, table.ball_1, table.link_1, ball.c)
    if table.ball_1.on == 1:
        table.ball = ball
        starts.ball = start
    return table, starts


@wp.func
def is_edge(event: wp.int32) -> wp.bool:
    """An impact of link 1 on a wall."""
    return event >= EDGE_X  # the codes of the walls at link 1 come last


@wp.func
def gather(
    scene: Scene, table: Table, starts: Starts, event: wp.int32, at: wp.float32
) -> tuple[Table, Starts]:
    """The two bodies of an impact brought to its moment, and what else they touch there."""
    if is_edge(event) or event == BALL_1:
        starts.link_1 = advanced(starts.link_1, at, table.link_1)
        table.link_1 = placed(starts.link_1, table.link_1)
        table = update_edges(table)
    if event == BALL_0:
        starts.link_0 = advanced(starts.link_0, at, table.link_0)
        table.link_0 = placed(starts.link_0, table.link_0)
    if is_edge(event):
        after, begun = join_ball(scene, table, starts, at)
        return after, begun
    starts.ball = advanced(starts.ball, at, table.ball)
    table.ball = placed(starts.ball, table.ball)
    table = update_ball_walls(scene, table)
    after, begun = join_link_0(scene, table, starts, at)
    last, begun_last = join_link_1(scene, after, begun, at)
    return last, begun_last


@wp.func
def is_touching(table: Table, event: wp.int32) -> wp.bool:
    """Whether the contact of an impact has points."""
    on = wp.where(event == EDGE_X, table.edge_x.count, table.edge_y.count)
    on = wp.where(event == BALL_X, table.ball_x.on, on)
    on = wp.where(event == BALL_Y, table.ball_y.on, on)
    on = wp.where(event == BALL_0, table.ball_0.on, on)
    on = wp.where(event == BALL_1, table.ball_1.on, on)
    return on > 0


@wp.func
def only_island(table: Table, event: wp.int32) -> Table:
    """The contacts of an impact, without impulses: sub-steps do not start warm."""
    of_link = is_edge(event)
    if of_link:
        table.ball_x.on = 0
        table.ball_y.on = 0
        table.ball_0.on = 0
    elif event != BALL_1:
        table.edge_x.count = 0
        table.edge_y.count = 0
    table.ball_x.impulse = wp.vec2()
    table.ball_y.impulse = wp.vec2()
    table.ball_0.impulse = wp.vec2()
    table.ball_1.impulse = wp.vec2()
    table.edge_x.normal = wp.vec2()
    table.edge_x.tangent = wp.vec2()
    table.edge_y.normal = wp.vec2()
    table.edge_y.tangent = wp.vec2()
    return table


@wp.func
def solve_impact(
    scene: Scene, table: Table, starts: Starts, event: wp.int32, at: wp.float32
) -> tuple[Table, Starts]:
    """b2Island::SolveTOI: the two bodies pushed apart, velocities, and the rest of the step."""
    island = only_island(table, event)
    m0 = wp.where(event == BALL_0, 1.0, 0.0)
    m1 = wp.where(is_edge(event) or event == BALL_1, 1.0, 0.0)
    mb = wp.where(is_edge(event), 0.0, 1.0)
    order = impact_order(island, event)
    left = wp.int32(IMPACT_SETTLES)
    while left > 0:
        least = wp.float32(0.0)
        for k in range(order.n):
            gap, after = settle_contact(scene, island, order.codes[k], m0, m1, mb, IMPACT_SHARE)
            island = after
            least = wp.min(least, gap)
        left = wp.where(least >= IMPACT_SETTLED, 0, left - 1)
    in_1 = m1 > 0.5 or island.ball_1.on == 1
    in_0 = m0 > 0.5 or island.ball_0.on == 1
    in_ball = mb > 0.5 or island.ball_1.on == 1
    if m0 > 0.5:
        starts.link_0.c = island.link_0.c
        starts.link_0.a = island.link_0.a
        starts.link_0.q = island.link_0.q
    if m1 > 0.5:
        starts.link_1.c = island.link_1.c
        starts.link_1.a = island.link_1.a
        starts.link_1.q = island.link_1.q
    if mb > 0.5:
        starts.ball.c = island.ball.c
    island = prepare(scene, island)
    island = solve_contacts(scene, island, order)
    rest = (1.0 - at) * DT
    if in_0:
        table.link_0 = moved_on(island.link_0, rest)
        table.link_0.q = cos_sin(table.link_0.a)
    if in_1:
        table.link_1 = moved_on(island.link_1, rest)
        table.link_1.q = cos_sin(table.link_1.a)
    if in_ball:
        table.ball = moved_on(island.ball, rest)
    return table, starts


@wp.func
def solve_impacts(scene: Scene, table: Table, starts: Starts, rooms: Rooms) -> tuple[Table, Rooms]:
    """Every impact of a step, the earliest first, and the rooms after it."""
    rooms.have_changed = wp.bool(False)
    if not hold_all(scene, rooms, table):  # where the step began lies in the rooms
        rooms = follow(scene, rooms, table, starts)
        table.ages = make_contacts(table.ages, rooms)
    counts = Counts()
    for _k in range(MAX_EVENTS):
        when = moments(scene, table, starts)
        event = wp.int32(-1)
        at = wp.float32(NEVER)
        for i in range(6):
            if counts[i] <= MAX_IMPACTS and when[i] < at:
                event = i
                at = when[i]
        if event < 0 or at > LAST_MOMENT:
            return table, rooms
        gathered, begun = gather(scene, table, starts, event, at)
        if is_touching(gathered, event):
            after, left = solve_impact(scene, gathered, begun, event, at)
            table = after
            starts = left
            rooms = follow(scene, rooms, table, starts)
            table.ages = make_contacts(table.ages, rooms)
            counts[event] = counts[event] + 1
        else:
            counts[event] = MAX_IMPACTS + 1  # disabled for the rest of the step
    return table, rooms

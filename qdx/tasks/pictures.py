"""What the pictures of the tasks are painted with: colours, and whether a point lies in a shape.

A task's `draw(world, sketch, x, y)` gives the colour (red, green, blue, 0 to 1) of the picture at a
point, x to the right and y downwards, both in (0, 1); `rollout/drawing.py` asks it for the centre
of every pixel. Edges are hard, as in the papers, whose frames are resized without anti-aliasing.
"""

from __future__ import annotations

import warp as wp

from qdx.tasks.fastsim import N_DIRECTIONS, PIXEL, RADIUS, Arena

BLACK = wp.constant(wp.vec3(0.0, 0.0, 0.0))
WHITE = wp.constant(wp.vec3(1.0, 1.0, 1.0))
GREY = wp.constant(wp.vec3(0.5, 0.5, 0.5))
BLUE = wp.constant(wp.vec3(0.0, 0.0, 1.0))
GREEN = wp.constant(wp.vec3(0.0, 1.0, 0.0))


@wp.func
def is_in_disc(point: wp.vec2, centre: wp.vec2, radius: wp.float32) -> wp.bool:
    """Whether a point lies in a disc, its edge included."""
    gap = point - centre
    return wp.dot(gap, gap) <= radius * radius


@wp.func
def is_in_box(point: wp.vec2, centre: wp.vec2, angle: wp.float32, half: wp.vec2) -> wp.bool:
    """Whether a point lies in a box of half sizes `half`, turned by an angle (rad)."""
    gap = point - centre
    c = wp.cos(angle)
    s = wp.sin(angle)
    along = wp.abs(c * gap[0] + s * gap[1])
    across = wp.abs(c * gap[1] - s * gap[0])
    return along <= half[0] and across <= half[1]


@wp.func
def is_near_segment(point: wp.vec2, start: wp.vec2, end: wp.vec2, gap: wp.float32) -> wp.bool:
    """Whether a point lies within `gap` of a segment, its round ends included."""
    way = end - start
    share = wp.clamp(wp.dot(point - start, way) / wp.dot(way, way), 0.0, 1.0)
    return is_in_disc(point, start + share * way, gap)


@wp.func
def arena_picture(arena: Arena, robot: wp.vec2, x: wp.float32, y: wp.float32) -> wp.vec3:
    """The inverted bitmap, and a robot of its true size in blue.

    The original draws a disc of 2 of its 200 pixels, which a frame of 64 pixels would lose in
    places: its pixels lie 3.1 apart.
    """
    width = wp.float32(arena.width)
    # a pixel of the bitmap is named by its centre: the left edge of the picture is at -1/2
    here = PIXEL * wp.vec2(x * width - 0.5, y * width - 0.5)
    if is_in_disc(here, robot, RADIUS):
        return BLUE
    contacts = arena.contacts[wp.int32(y * width), wp.int32(x * width)]
    is_wall = (contacts >> wp.uint32(N_DIRECTIONS)) != wp.uint32(0)
    return wp.where(is_wall, WHITE, BLACK)

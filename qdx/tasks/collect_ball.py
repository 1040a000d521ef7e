"""CollectBall: a two-wheeled robot that carries balls home, one at a time.

CollectBall of the SERENE and STAX code: G. Paolo, gym_collectball (2020), on libfastsim. 600 x 600
world units on 200 x 200 pixels, y grows downwards. The third action holds (> 0) or lets go (≤ 0);
a ball let go at home counts one, elsewhere it lies where it falls.

Details, as the released environment has them:

* Within a step the robot moves, then its sensors look, then it grabs or lets go. The light sensors
  therefore see a ball go a step late. The hand reaches 10 units from where the robot was before
  the move, and home is tested there too.
* A light sensor sees a light strictly inside its field that no wall hides, over any distance, on
  the supercover line from the light to the robot. A light exactly at the robot lies along +x.
* Lasers saturate at 1. The heading of 45 is in radians and is wrapped: 45 - 14 pi.

Deviations: sensors of the first observation are those of the start posture (in the original they
are left over from the last episode), and of several balls in reach the first in the list is taken
(in the original the one that lies there longest).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Goal, Scenery, TaskFacts
from qdx.tasks import raster
from qdx.tasks.fastsim import (
    BEAM_RANGE,
    RADIUS,
    Arena,
    Robot,
    build_arena,
    cos_sin,
    drive,
    lasers,
    pixel_of,
)
from qdx.tasks.fused import Reward
from qdx.tasks.pictures import GREEN, arena_picture, is_in_disc

SIZE = 200  # pixels
WORLD = 600.0  # world units
BORDER = 5  # pixels
WALLS = (  # first and last row, first and last column, pixels
    (99, 101, 0, 126),
    (99, 101, 174, 199),
    (102, 126, 99, 101),
    (174, 194, 99, 101),
)
HOME = (100.0, 500.0)  # start and goal
HEADING = float(np.float32(45.0 - 14.0 * np.pi))  # rad
BALLS = (
    (75.0, 75.0),
    (75.0, 540.0),
    (225.0, 540.0),
    (450.0, 450.0),
    (450.0, 75.0),
    (225.0, 225.0),
)
N_BALLS = len(BALLS)
ALL_BALLS = (1 << N_BALLS) - 1  # bit mask
REACH = 10.0  # world units, of the hand and of home
SPEED = 2.0  # world units per step at an action of 1
NOWHERE = -1.0e4  # world units: where a ball that does not lie on the ground is sketched
TAN_5 = float(np.float32(np.tan(np.deg2rad(5.0))))  # fields of 50 degrees about ±20 degrees

FACTS = TaskFacts(
    name="collect_ball",
    summary="A two-wheeled robot among six balls; rewarded for each ball it carries home.",
    observation=(
        *("laser +45°", "laser 0°", "laser -45°", "left bumper", "right bumper"),
        *("ball +20°", "ball -20°", "home +20°", "home -20°", "ball held"),
    ),
    action=("left wheel", "right wheel", "hold"),
    horizon=2000,
    measures=("x", "y"),
    bounds=((0.0, 1.0), (0.0, 1.0)),
    bins=(50, 50),
    goals=(Goal("home", (HOME[0] / WORLD, HOME[1] / WORLD), REACH / WORLD),),
    hidden=(5, 2),
    source="SERENE and STAX code, CollectBall",
    sketch=("x", "y", *(f"ball {i} {axis}" for i in range(N_BALLS) for axis in "xy")),
)

Sight = wp.types.vector(10, wp.float32)
Places = wp.types.matrix((N_BALLS, 2), wp.float32)
Sketch = wp.types.vector(2 + 2 * N_BALLS, wp.float32)


@wp.struct
class Field:
    """The arena, the balls at rest, and which of them (bit i; bit 6: home) each pixel (y, x) sees.

    clear: Chebyshev distance of each pixel to the nearest wall.
    """

    arena: Arena
    clear: wp.array2d(dtype=wp.int32)
    seen: wp.array2d(dtype=wp.int32)
    balls: Places
    home: wp.vec2


@wp.struct
class FieldState:
    """The robot, what its light sensors saw after the last move, and the balls.

    lying: bit mask of the balls on the ground; moved: of those that do not lie where they did at
    the start; held: the ball in the hand, -1 for none.
    """

    robot: Robot
    lights: wp.vec4
    balls: Places
    lying: wp.int32
    moved: wp.int32
    held: wp.int32
    collected: wp.int32
    done: wp.int32


@wp.func
def sees(clear: wp.array2d(dtype=wp.int32), x0: int, y0: int, x1: int, y1: int) -> wp.bool:
    """No wall on the supercover line from one pixel to another (see `fastsim.tabulate_beams`)."""
    dx = x1 - x0
    dy = y1 - y0
    steep = wp.abs(dy) > wp.abs(dx)
    major = wp.max(wp.abs(dx), wp.abs(dy))
    minor = wp.min(wp.abs(dx), wp.abs(dy))
    sign_x = wp.where(dx < 0, -1, 1)
    sign_y = wp.where(dy < 0, -1, 1)
    along_x = wp.where(steep, 0, sign_x)
    along_y = wp.where(steep, sign_y, 0)
    aside_x = sign_x - along_x
    aside_y = sign_y - along_y
    step = wp.int32(0)
    x = wp.int32(x0)
    y = wp.int32(y0)
    stopped = wp.bool(False)
    while step < major and not stopped:
        step = step + wp.max(clear[y, x] - 1, 1)
        if step <= major:
            n = (major + 2 * step * minor - 1) // (2 * major)
            before = (major + 2 * (step - 1) * minor - 1) // (2 * major)
            x = x0 + along_x * step + aside_x * n
            y = y0 + along_y * step + aside_y * n
            stopped = clear[y, x] == 0
            if n > before:
                corner = 2 * ((2 * step - 1) * minor - major * (n + before))
                if corner <= 0:
                    stopped = stopped or clear[y - aside_y, x - aside_x] == 0
                if corner >= 0:
                    stopped = stopped or clear[y - along_y, x - along_x] == 0
    return not stopped


@wp.func
def fields(robot: Robot, light: wp.vec2) -> wp.vec2:
    """1 where the direction of a light is in the field about +20, about -20 degrees, else 0.

    The fields are (-5, 45) and (-45, 5) degrees: wedges in front of the robot.
    """
    dx = light[0] - robot.x
    dy = light[1] - robot.y
    if dx == 0.0 and dy == 0.0:
        dx = wp.float32(1.0)
    ahead = dx * robot.ahead[0] + dy * robot.ahead[1]
    aside = dy * robot.ahead[0] - dx * robot.ahead[1]
    plus = wp.where(aside > -TAN_5 * ahead and aside < ahead, 1.0, 0.0)
    minus = wp.where(aside < TAN_5 * ahead and aside > -ahead, 1.0, 0.0)
    return wp.vec2(plus, minus)


@wp.func
def look(world: Field, robot: Robot, balls: Places, lying: wp.int32, moved: wp.int32) -> wp.vec4:
    """The four light sensors: balls at +20 and -20 degrees, home at +20 and -20 degrees."""
    px = pixel_of(robot.x)
    py = pixel_of(robot.y)
    seen = world.seen[py, px]
    lit = wp.vec2()
    for i in range(N_BALLS):
        if (lying >> i) & 1 == 1:
            field = fields(robot, balls[i])
            visible = (seen >> i) & 1 == 1
            if (moved >> i) & 1 == 1 and wp.max(field) > 0.0:
                light = balls[i]
                visible = sees(world.clear, pixel_of(light[0]), pixel_of(light[1]), px, py)
            if visible:
                lit = wp.max(lit, field)
    home = wp.vec2()
    if (seen >> N_BALLS) & 1 == 1:
        home = fields(robot, world.home)
    return wp.vec4(lit[0], lit[1], home[0], home[1])


@wp.func
def reset(world: Field, seed: wp.int32) -> FieldState:
    """The same start for every episode: all balls at rest, the robot at home."""
    state = FieldState()
    state.robot.x = world.home[0]
    state.robot.y = world.home[1]
    state.robot.heading = wp.float32(HEADING)
    state.robot.ahead = cos_sin(state.robot.heading)
    state.robot.x_before = state.robot.x
    state.robot.y_before = state.robot.y
    state.balls = world.balls
    state.lying = wp.int32(ALL_BALLS)
    state.held = wp.int32(-1)
    state.lights = look(world, state.robot, state.balls, state.lying, state.moved)
    return state


@wp.func
def observe(world: Field, state: FieldState) -> Sight:
    """Three lasers (0 to 1), two bumpers, four light sensors, a ball in the hand."""
    sight = lasers(world.arena, state.robot) / BEAM_RANGE
    lights = state.lights
    return Sight(
        wp.min(sight[0], 1.0),
        wp.min(sight[1], 1.0),
        wp.min(sight[2], 1.0),
        state.robot.left,
        state.robot.right,
        lights[0],
        lights[1],
        lights[2],
        lights[3],
        wp.where(state.held >= 0, 1.0, 0.0),
    )


@wp.func
def hold(state: FieldState, hand: wp.vec2) -> FieldState:
    """An empty hand takes the first ball in its reach."""
    after = state
    for i in range(N_BALLS):
        lies = (after.lying >> i) & 1 == 1
        if after.held == -1 and lies and wp.length(hand - after.balls[i]) < REACH:
            after.held = wp.int32(i)
            after.lying = after.lying - (1 << i)
    return after


@wp.func
def let_go(world: Field, state: FieldState, hand: wp.vec2) -> FieldState:
    """A ball in the hand is collected at home, and dropped elsewhere."""
    after = state
    if after.held >= 0:
        if wp.length(hand - world.home) < REACH:
            after.collected = after.collected + 1
        else:
            after.balls[after.held] = hand
            after.lying = after.lying | (1 << after.held)
            after.moved = after.moved | (1 << after.held)
        after.held = wp.int32(-1)
    return after


@wp.func
def step(world: Field, state: FieldState, action: wp.vec3) -> FieldState:
    """Wheel displacements of -2 to 2 world units, then the hand."""
    after = state
    after.robot = drive(world.arena, state.robot, SPEED * action[0], SPEED * action[1])
    after.lights = look(world, after.robot, after.balls, after.lying, after.moved)
    hand = wp.vec2(state.robot.x, state.robot.y)  # before the move
    if action[2] > 0.0:
        return hold(after, hand)
    return let_go(world, after, hand)


@wp.func
def measure(world: Field, state: FieldState) -> wp.vec2:
    """Position over 600."""
    return wp.vec2(state.robot.x / WORLD, state.robot.y / WORLD)


@wp.func
def finish(world: Field, state: FieldState) -> Reward:
    """Balls collected."""
    reward = Reward()
    reward.fitness = wp.float32(state.collected)
    reward.area = wp.where(state.collected > 0, 0, -1)
    return reward


@wp.func
def sketch(world: Field, state: FieldState) -> Sketch:
    """The robot and the balls that lie on the ground, world units."""
    kept = Sketch(wp.float32(NOWHERE))
    kept[0] = state.robot.x
    kept[1] = state.robot.y
    for i in range(N_BALLS):
        if (state.lying >> i) & 1 == 1:
            kept[2 + 2 * i] = state.balls[i, 0]
            kept[3 + 2 * i] = state.balls[i, 1]
    return kept


@wp.func
def draw(world: Field, kept: Sketch, x: wp.float32, y: wp.float32) -> wp.vec3:
    """White walls, blue robot, green balls of its size; a ball in the hand does not show."""
    colour = arena_picture(world.arena, wp.vec2(kept[0], kept[1]), x, y)
    here = wp.vec2(WORLD * x - 1.5, WORLD * y - 1.5)  # half a pixel of the bitmap
    for i in range(N_BALLS):
        if is_in_disc(here, wp.vec2(kept[2 + 2 * i], kept[3 + 2 * i]), RADIUS):
            colour = GREEN
    return colour


@wp.kernel(enable_backward=False)
def tabulate_sight(
    clear: wp.array2d(dtype=wp.int32),
    lights: wp.array2d(dtype=wp.int32),
    seen: wp.array2d(dtype=wp.int32),
):
    """Which lights (pixels) each pixel sees, as a bit mask."""
    y, x = wp.tid()
    mask = wp.int32(0)
    for i in range(lights.shape[0]):
        if sees(clear, lights[i, 0], lights[i, 1], x, y):
            mask = mask | (1 << i)
    seen[y, x] = mask


def walls() -> Array:
    """The bitmap: a border and four slabs, (200, 200) bool, row = y."""
    bitmap = np.ones((SIZE, SIZE), bool)
    bitmap[BORDER:-BORDER, BORDER:-BORDER] = False
    for top, bottom, left, right in WALLS:
        bitmap[top : bottom + 1, left : right + 1] = True
    return bitmap


@dataclass(frozen=True)
class CollectBall:
    """The task; it has no parameters."""

    World = Field
    State = FieldState
    reset = staticmethod(reset)
    observe = staticmethod(observe)
    step = staticmethod(step)
    measure = staticmethod(measure)
    finish = staticmethod(finish)
    sketch = staticmethod(sketch)
    draw = staticmethod(draw)

    @property
    def facts(self) -> TaskFacts:
        return FACTS

    def world(self, device: str) -> Any:
        field = Field()
        field.arena = build_arena(walls(), device)
        field.clear = wp.array(raster.clearance(walls()), dtype=wp.int32, device=device)
        field.seen = wp.zeros((SIZE, SIZE), dtype=wp.int32, device=device)
        field.home = wp.vec2(*HOME)
        field.balls = Places(*[c for ball in BALLS for c in ball])
        pixels = np.round(np.array([*BALLS, HOME]) * SIZE / WORLD).astype(np.int32)
        lights = wp.array(pixels, dtype=wp.int32, device=device)
        inputs = [field.clear, lights, field.seen]
        wp.launch(tabulate_sight, dim=(SIZE, SIZE), inputs=inputs, device=device)
        return field

    def ceiling(self) -> Ceiling:
        """Cells that hold a position which rounds to a pixel the robot's centre can reach."""
        free = raster.disc_contacts(walls(), radius=3).mask == 0
        start = (round(HOME[0] / 3), round(HOME[1] / 3))
        cells = raster.covered_cells(raster.reachable(free, start), 3.0, WORLD / FACTS.bins[0])
        total = FACTS.bins[0] * FACTS.bins[1]
        return Ceiling(cells / total, "flood fill of the bitmap from the start, robot radius 3 px")

    def scenery(self) -> Scenery:
        return Scenery(walls(), (HOME[0] / WORLD, HOME[1] / WORLD), y_down=True)

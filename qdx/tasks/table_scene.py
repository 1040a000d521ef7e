"""What differs between the tables of the papers: the ball and the strength of the motors.

Numbers are rounded on the way as Box2D 2.3 (E. Catto, box2d.org) rounds them in float32: an impact
stops bodies at exactly the separation that a branch compares with, so a last bit decides.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import warp as wp

DT = 1.0 / 60.0  # s
SLOP = 0.005  # m; b2_linearSlop
SKIN = 0.01  # m; b2_polygonRadius
ROOM = 0.15  # m; more than ball and link approach each other within a step


@wp.struct
class Scene:
    """Constants of a table.

    radius, inv_m, inv_i, bounce: of the ball. m, 1/kg, 1/(kg m²), restitution against anything.
    reach: skin + radius, m: a ball this near a box touches it.
    target: skins less three slops, m: how near two shapes come before it counts as an impact.
    far: m; a ball further from a link at both ends of a step cannot have met it.
    keep, keep_spin: share of the ball's velocities that is left after a step.
    pivot_motor, elbow_motor: the largest impulses of the motors over a step, N m s.
    """

    radius: wp.float32
    inv_m: wp.float32
    inv_i: wp.float32
    bounce: wp.float32
    reach: wp.float32
    target: wp.float32
    far: wp.float32
    keep: wp.float32
    keep_spin: wp.float32
    pivot_motor: wp.float32
    elbow_motor: wp.float32


class Settings(NamedTuple):
    """A table as its authors write it.

    Attributes:
        radius: Of the ball, m.
        density: Of the ball, kg/m².
        bounce: Restitution of the ball.
        damping: Of the ball's velocity, 1/s.
        spin_damping: Of its spin, 1/s.
        pivot_torque: Limit of the motor at the table's edge, N m.
        elbow_torque: Limit of the motor between the links, N m.
    """

    radius: float
    density: float
    bounce: float
    damping: float
    spin_damping: float
    pivot_torque: float
    elbow_torque: float

    def scene(self) -> Any:
        """The constants of a kernel."""
        one, step, radius = np.float32(1), np.float32(DT), np.float32(self.radius)
        mass = np.float32(self.density) * np.float32(np.pi) * radius * radius
        scene = Scene()
        scene.radius = radius
        scene.inv_m = one / mass
        scene.inv_i = one / (mass * (np.float32(0.5) * radius * radius))
        scene.bounce = self.bounce
        scene.reach = np.float32(SKIN) + radius
        scene.target = np.float32(SKIN) + radius - np.float32(3) * np.float32(SLOP)
        scene.far = self.radius + ROOM
        scene.keep = one - step * np.float32(self.damping)
        scene.keep_spin = one - step * np.float32(self.spin_damping)
        scene.pivot_motor = self.pivot_torque * DT
        scene.elbow_motor = self.elbow_torque * DT
        return scene

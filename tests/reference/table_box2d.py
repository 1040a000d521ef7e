"""Curling and billiard in the Box2D Python package: the papers' tables, stepped by Box2D itself.

The oracle of `qdx/tasks/curling.py` and `qdx/tasks/billiard.py`. Curling: scene of the SERENE
repository (Paolo et al., 2021); billiard: that of TAXONS (Paolo et al., 2020); both on the engine
of the author's billiard (github.com/GPaolo/Billiard), Box2D 2.3.10 (PyPI). Bodies are made in the
author's order, which is the order Box2D visits islands and contacts in. Joint-connected bodies do
not collide (Box2D's default). All dynamic bodies are bullets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import Box2D
import numpy as np

HIDDEN, LAYERS = 5, 3
HALF_TABLE = 1.5
PI = Box2D.b2_pi
HOLES = np.array([[-1.5, 1.5], [1.5, 1.5]])
HOLE_RADIUS = 0.4


class Constants(NamedTuple):
    """What differs between the tables."""

    horizon: int
    radius: float
    density: float
    bounce: float
    damping: float
    spin_damping: float
    torques: tuple[float, float]
    sleeps: bool
    has_holes: bool


CURLING = Constants(500, 0.15, 1.0, 0.9, 1.1, 2.0, (100.0, 100.0), sleeps=False, has_holes=False)
BILLIARD = Constants(300, 0.2, 0.5, 0.7, 1.0, 1.0, (1e5, 1e4), sleeps=True, has_holes=True)


class Scene:
    """One episode; `observe` gives the six numbers of the papers, float32 as Box2D keeps them."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants
        self.world = Box2D.b2World(gravity=(0, 0), doSleep=constants.sleeps)
        side, level = {"box": (0.05, 1.5)}, {"box": (1.5, 0.05)}
        for position, box in (((0, 1.5), side), ((3, 1.5), side), ((1.5, 3), level)):
            self._wall(position, box)
        self.floor = self._wall((1.5, 0), level)
        self._place()
        # The author's reset: what moves is made twice, which reorders Box2D's broad phase.
        for body in (self.ball, *self.links):
            self.world.DestroyBody(body)
        self._place()

    def _place(self) -> None:
        """The ball and the arm."""
        c = self.constants
        self.ball = self.world.CreateDynamicBody(
            position=(1.0, 1.7),
            bullet=True,
            allowSleep=c.sleeps,
            linearDamping=c.damping,
            angularDamping=c.spin_damping,
            fixtures=Box2D.b2FixtureDef(
                shape=Box2D.b2CircleShape(radius=c.radius),
                density=c.density,
                friction=0.9,
                restitution=c.bounce,
            ),
        )
        link_0 = self._link((1.5, 0.5), density=5)
        link_1 = self._link((1.5, 1.4), density=1)
        self.links = (link_0, link_1)
        self.joints = (
            self._joint(self.floor, link_0, (1.5, 0.0), limit=0.4 * PI, torque=c.torques[0]),
            self._joint(link_0, link_1, (1.5, 1.0), limit=0.9 * PI, torque=c.torques[1]),
        )

    def _wall(self, position: tuple[float, float], box: dict) -> Box2D.b2Body:
        return self.world.CreateStaticBody(position=position, shapes=Box2D.b2PolygonShape(**box))

    def _link(self, position: tuple[float, float], density: float) -> Box2D.b2Body:
        fixture = Box2D.b2FixtureDef(
            shape=Box2D.b2PolygonShape(box=(0.05, 0.5)),
            density=density,
            friction=0.9,
            restitution=0.0,
        )
        return self.world.CreateDynamicBody(
            position=position, bullet=True, allowSleep=self.constants.sleeps, fixtures=fixture
        )

    def _joint(
        self,
        a: Box2D.b2Body,
        b: Box2D.b2Body,
        anchor: tuple[float, float],
        *,
        limit: float,
        torque: float,
    ):
        return self.world.CreateRevoluteJoint(
            bodyA=a,
            bodyB=b,
            anchor=anchor,
            lowerAngle=-limit,
            upperAngle=limit,
            enableLimit=True,
            maxMotorTorque=torque,
            motorSpeed=0.0,
            enableMotor=True,
        )

    def observe(self) -> tuple[float, ...]:
        x, y = self.ball.position
        a, b = self.joints
        return x - HALF_TABLE, y - HALF_TABLE, a.angle, b.angle, a.speed, b.speed

    def step(self, speeds: np.ndarray) -> None:
        for joint, speed in zip(self.joints, speeds, strict=True):
            joint.motorSpeed = float(min(max(speed, -1.0), 1.0))
        self.world.Step(1.0 / 60.0, 100, 100)
        self.world.ClearForces()

    def is_touched(self) -> bool:
        """Whether anything touches anything: ball, arm or walls."""
        return any(contact.touching for contact in self.world.contacts)

    def is_over(self) -> bool:
        if not self.constants.has_holes:
            return False
        ball = np.array(self.ball.position) - HALF_TABLE
        return bool((np.linalg.norm(ball - HOLES, axis=1) <= HOLE_RADIUS).any())


def controller(genome: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Weights and bias of every layer, from the papers' gene order."""
    shapes = [(6, HIDDEN), *[(HIDDEN, HIDDEN)] * (LAYERS - 1), (HIDDEN, 2)]
    layers, at = [], 0
    for rows, columns in shapes:
        weights = genome[at : at + rows * columns].reshape(rows, columns)
        layers.append((weights, genome[at + rows * columns]))
        at += rows * columns + 1
    return layers


def act(layers: list[tuple[np.ndarray, float]], sight: np.ndarray) -> np.ndarray:
    """2 sigmoid(x) - 1 on every layer."""
    for weights, bias in layers:
        sight = np.tanh((sight @ weights + bias) / 2)
    return sight


def act_all(genome: np.ndarray, path: np.ndarray) -> np.ndarray:
    """(T, 2) actions of a genome (94,) on observations (T, 6)."""
    layers = controller(np.asarray(genome, np.float64))
    return np.stack([act(layers, sight) for sight in np.asarray(path, np.float64)])


def polynomials(genome: np.ndarray, steps: int) -> np.ndarray:
    """(T, 2) actions of an open-loop genome (15,): sum of w_j cos(t / scale)^j, t = step / T."""
    t = np.arange(steps) / steps
    actions = []
    for *weights, offset in np.asarray(genome[:14], np.float64).reshape(2, 7):
        x = np.cos(t / (1 + offset))
        actions.append(sum(w * x**j for j, w in enumerate(weights)))
    return np.clip(np.stack(actions, axis=1), -1, 1)


Decide = Callable[[int, np.ndarray], np.ndarray]


def play(constants: Constants, decide: Decide) -> np.ndarray:
    """(T + 1, 6) observations before the first step and after each; after an end the last ones."""
    scene = Scene(constants)
    path = np.empty((constants.horizon + 1, 6))
    path[0] = scene.observe()
    for t in range(constants.horizon):
        scene.step(decide(t, path[t]))
        path[t + 1] = scene.observe()
        if scene.is_over():
            path[t + 2 :] = path[t + 1]
            break
    return path


def untouched(constants: Constants, actions: np.ndarray) -> np.ndarray:
    """(t, 6) observations under known actions (T, 2), as long as nothing touches anything."""
    scene, path = Scene(constants), []
    for action in actions:
        path.append(scene.observe())
        scene.step(action)
        if scene.is_touched():
            break
    return np.array(path)


def steered(constants: Constants, genome: np.ndarray) -> np.ndarray:
    """(T + 1, 6) observations of a controller (94,)."""
    layers = controller(np.asarray(genome, np.float64))
    return play(constants, lambda _, sight: act(layers, sight))


def curling(genome: np.ndarray) -> np.ndarray:
    """(501, 6) observations of a controller (94,)."""
    return steered(CURLING, genome)


def billiard_controller(genome: np.ndarray) -> np.ndarray:
    """(301, 6) observations of a controller (94,)."""
    return steered(BILLIARD, genome)


def billiard(genome: np.ndarray) -> np.ndarray:
    """(301, 6) observations of an open-loop genome (15,)."""
    actions = polynomials(genome, BILLIARD.horizon)
    return play(BILLIARD, lambda t, _: actions[t])

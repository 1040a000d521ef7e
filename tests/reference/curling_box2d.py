"""Curling in the Box2D Python package: the scene of the papers, stepped by Box2D itself.

The oracle of `qdx/tasks/curling.py`. Scene of the SERENE repository (Paolo et al., 2021) on the
engine of the author's billiard (github.com/GPaolo/Billiard), Box2D 2.3.10 (PyPI). Bodies are made
in the author's order, which is the order Box2D visits islands and contacts in. Joint-connected
bodies do not collide (Box2D's default). All dynamic bodies are bullets; nothing sleeps.
"""

from __future__ import annotations

import Box2D
import numpy as np

HORIZON = 500
HIDDEN, LAYERS = 5, 3
HALF_TABLE = 1.5
PI = Box2D.b2_pi


class Scene:
    """One episode; `observe` gives the six numbers of the papers, float32 as Box2D keeps them."""

    def __init__(self) -> None:
        self.world = Box2D.b2World(gravity=(0, 0), doSleep=False)
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
        self.ball = self.world.CreateDynamicBody(
            position=(1.0, 1.7),
            bullet=True,
            allowSleep=False,
            linearDamping=1.1,
            angularDamping=2.0,
            fixtures=Box2D.b2FixtureDef(
                shape=Box2D.b2CircleShape(radius=0.15), density=1.0, friction=0.9, restitution=0.9
            ),
        )
        link_0 = self._link((1.5, 0.5), density=5)
        link_1 = self._link((1.5, 1.4), density=1)
        self.links = (link_0, link_1)
        self.joints = (
            self._joint(self.floor, link_0, (1.5, 0.0), 0.4 * PI),
            self._joint(link_0, link_1, (1.5, 1.0), 0.9 * PI),
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
            position=position, bullet=True, allowSleep=False, fixtures=fixture
        )

    def _joint(self, a: Box2D.b2Body, b: Box2D.b2Body, anchor: tuple[float, float], limit: float):
        return self.world.CreateRevoluteJoint(
            bodyA=a,
            bodyB=b,
            anchor=anchor,
            lowerAngle=-limit,
            upperAngle=limit,
            enableLimit=True,
            maxMotorTorque=100.0,
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


def rollout(genome: np.ndarray, steps: int = HORIZON) -> np.ndarray:
    """(steps + 1, 6) observations before the first step and after each, of one genome (94,)."""
    scene, layers = Scene(), controller(np.asarray(genome, np.float64))
    path = np.empty((steps + 1, 6))
    path[0] = scene.observe()
    for t in range(steps):
        scene.step(act(layers, path[t]))
        path[t + 1] = scene.observe()
    return path

"""Networks that drive worlds: the same episodes as other rollouts, refilled slots, any batch."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from qdx.core.errors import ConfigError
from qdx.core.types import Genomes, Purpose, take
from qdx.encodings.noise import Philox
from qdx.encodings.on_device import OnDevice
from qdx.encodings.seed_chain import Decoder, SeedChain, dense
from qdx.executors.evaluate import evaluate
from qdx.executors.local import Local, LocalParameters
from qdx.observers.sampling import Checkpoints, Final, Path
from qdx.policies.network import DqnParameters, HumanoidMlpParameters, dqn_small, humanoid_mlp
from qdx.policies.network_torch import TorchNetwork
from qdx.rollout.fused_slots import FusedSlots
from qdx.rollout.networks import NetworkRollout, film
from qdx.tasks.image_maze import ImageMaze, background
from qdx.tasks.sensor_maze import SensorMaze
from qdx.tasks.stepped import Finish
from tests.conformance.making import equal
from tests.encodings.test_seed_chain import leaves, tree
from tests.rollout.test_stepped import Walk, WalkWorlds


@dataclass(frozen=True)
class Short:
    """The image maze for a few steps."""

    inner: ImageMaze = field(default_factory=ImageMaze)
    horizon: int = 6

    def __getattr__(self, name):
        return getattr(ImageMaze(), name)

    @property
    def facts(self):
        return replace(self.inner.facts, horizon=self.horizon)


def mlp(task, **keys):
    return humanoid_mlp(HumanoidMlpParameters(hidden=(16, 8), **keys), task.facts)


def genes_of(shape, n, scale=1.0):
    drawn = np.random.default_rng(0).standard_normal((n, shape.n_genes), "f4")
    made = shape.initial(drawn)
    made[:, shape.layers[-1].start :] = scale * drawn[:, shape.layers[-1].start :]
    return made


def batch(genes, purpose=Purpose.SEARCH):
    n = len(genes)
    z = np.zeros(n, np.int32)
    return Genomes(np.arange(n), genes, np.full(n, -1), np.full(n, purpose, np.int32), z)


def test_an_episode_is_that_of_the_fused_task_driven_by_hand():
    task = SensorMaze()
    shape = mlp(task, slots=4, pipelines=1)
    genes = genes_of(shape, 3)
    got = NetworkRollout(task, shape, Path(1))(batch(genes))
    slots = FusedSlots(task, 1, "cpu", "measures")  # one world, a module asked step by step
    one = np.zeros(1, np.int64)
    for row in range(3):
        net = TorchNetwork.load(shape, genes[row])
        slots.begin(one, one)
        places = [slots.measure(one)[0]]
        for _ in range(task.facts.horizon):
            with torch.no_grad():
                slots.step(one, net(slots.observe(one)))
            places.append(slots.measure(one)[0])
        np.testing.assert_allclose(got.observations["path"][row, :60], places[:60], atol=1e-2)
    assert (got.length == 400).all()
    assert len(np.unique(got.truth, axis=0)) == 3


@pytest.fixture(scope="module")
def played():
    shape = mlp(SensorMaze(), slots=8)
    rollout = NetworkRollout(SensorMaze(), shape, Checkpoints(3))
    genomes = batch(genes_of(shape, 50))
    return rollout, genomes, rollout(genomes)


@pytest.mark.parametrize("rows", [[3], [9, 2], list(range(49, -1, -1))])
def test_bits_do_not_depend_on_the_batch(played, rows):
    rollout, genomes, whole = played
    rows = np.array(rows)
    assert equal(rollout(take(genomes, rows)), take(whole, rows))


@pytest.mark.parametrize("keys", [{"slots": 50}, {"slots": 3}, {"pipelines": 1}])
def test_bits_do_not_depend_on_slots_and_pipelines(played, keys):
    rollout, genomes, whole = played
    again = replace(rollout, policy=replace(rollout.policy, **keys))
    executor = Local(LocalParameters(threads=3))
    assert equal(evaluate(executor, again, genomes, stopping=lambda: False), whole)
    executor.close()


def test_validation_episodes_of_a_network_share_it_and_have_its_outcome(played):
    rollout, genomes, whole = played
    rows = np.repeat([4, 7, 30], 5)
    several = take(genomes, rows)
    several = replace(several, ids=np.arange(15), purpose=np.full(15, Purpose.VALIDATION, np.int32))
    got = rollout(several)
    np.testing.assert_allclose(got.truth[:, 0] > 0, True)
    assert all(
        equal(take(got, np.arange(i, i + 1)), take(got, np.arange(i + 1, i + 2)))
        for i in (0, 1, 5, 10)
    )  # a maze without chance
    near = np.abs(got.truth - whole.truth[rows]).max(axis=1)
    assert np.median(near) < 1e-2  # several observations of one network round otherwise


def test_genes_that_are_not_finite_fail_alone(played):
    rollout, genomes, whole = played
    some = take(genomes, np.arange(4))
    some.genes[1, 3] = np.nan
    got = rollout(some)
    assert got.failed.tolist() == [False, True, False, False]
    assert equal(take(got, np.array([0, 2, 3])), take(whole, np.array([0, 2, 3])))


def test_no_genomes_have_no_outcomes(played):
    rollout, genomes, _ = played
    assert len(rollout(take(genomes, np.zeros(0, np.int64)))) == 0


def test_frames_are_the_maze_the_robot_and_its_past():
    task = ImageMaze()
    slots = FusedSlots(task, 2, "cpu", "measures")
    one = np.array([1])
    slots.begin(one, one)
    first = slots.observe(one)[1].numpy().copy()
    assert first.shape == (4, 84, 84)
    assert not first[:3].any()
    changed = first[3] != np.floor(255 * background() + 0.5)
    rows, columns = np.nonzero(changed)  # the robot, a disc of 8 units around (36, 184)
    assert abs(columns.mean() * 2.5 - 36) < 3
    assert abs(rows.mean() * 2.5 - 184) < 3
    assert changed.sum() == pytest.approx(np.pi * (8 / 2.5) ** 2, rel=0.2)
    slots.step(one, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    second = slots.observe(one)[1].numpy()
    assert equal(second[2], first[3])
    assert not second[:2].any()


def test_convolutional_networks_drive_the_image_maze():
    task = Short()
    shape = dqn_small(DqnParameters(slots=4, padding="valid"), task.facts)
    genomes = batch(genes_of(shape, 6, scale=0.3))
    rollout = NetworkRollout(task, shape, Final())
    got = rollout(genomes)
    assert (got.length == 6).all()
    assert len(np.unique(got.truth, axis=0)) > 1
    assert equal(rollout(take(genomes, np.array([4, 1]))), take(got, np.array([4, 1])))


def test_a_film_has_the_frame_of_every_step():
    task = Short()
    shape = dqn_small(DqnParameters(slots=4, padding="valid"), task.facts)
    frames = film(NetworkRollout(task, shape, Final()), batch(genes_of(shape, 2)))
    slots, one = FusedSlots(task, 1, "cpu", "measures"), np.zeros(1, np.int64)
    slots.begin(one, one)
    assert frames.shape == (6, 84, 84)
    assert equal(frames[0], slots.observe(one)[0, -1].numpy())
    assert not equal(frames[0], frames[5])
    with pytest.raises(ConfigError, match="no frames to film"):
        film(
            NetworkRollout(SensorMaze(), mlp(SensorMaze()), Final()), batch(np.zeros((1, 5), "f4"))
        )


@dataclass(frozen=True)
class Uneven(Walk):
    """Episodes of very different lengths: a world's seed says how long."""

    facts = replace(Walk.facts, episode_seed="per_genome")

    def open(self, n):
        return UnevenWorlds(self, n)


class UnevenWorlds(WalkWorlds):
    def reset(self, seeds):
        self.last = 1 + seeds % 8
        self.task.log.append(int(seeds[0]))
        return np.zeros(len(seeds), bool)

    def step(self, rows, actions):
        super().step(rows, actions)
        return self.at[rows, 1] >= self.last[rows]

    def finish(self):
        n = len(self.at)
        return Finish(self.at[:, 1], np.full(n, -1), np.full(n, "", object))


def test_slots_are_filled_again_and_every_episode_is_played_once():
    task = Uneven()
    shape = mlp(task, slots=5, pipelines=2)
    genomes = batch(genes_of(shape, 41))
    rollout = NetworkRollout(task, shape, Final())
    got = rollout(genomes)
    seeds = [entry for entry in task.log if isinstance(entry, int)]
    assert len(seeds) == len(set(seeds)) == 41
    assert len(task.log) == 2 * 41  # and every world was closed
    assert (got.fitness == got.length).all()
    assert len(np.unique(got.length)) == 8


def test_torch_decodes_to_the_bits_of_numpy():
    shape = mlp(SensorMaze())
    made = SeedChain(shape, Philox())
    lineage = tree(30, made)
    expected, out = dense(made, leaves(lineage)), torch.empty(shape.n_genes)
    there = Decoder(made, OnDevice(made, "cpu"))
    for row in range(30):
        there.write(leaves(lineage), row, out)
        assert equal(out.numpy(), expected[row])

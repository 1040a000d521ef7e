"""Seed chains decode to what the formula says, in every process and from every cache."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from qdx.core.errors import ConfigError
from qdx.core.records import Records
from qdx.core.types import Genomes, Lineage, join, take
from qdx.encodings import seed_chain
from qdx.encodings.bases import Bases
from qdx.encodings.noise import Philox, Table
from qdx.encodings.seed_chain import Decoder, OnHost, SeedChain, dense
from tests.conformance.making import Shelf, cloud, genomes

ENTRIES, N_GENES, LENGTH = 1 << 16, 3000, 300
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Half:
    """A policy whose first parameters are half of their noise."""

    n_genes: int = N_GENES

    def initial(self, normal):
        return np.float32(0.5) * normal


def encoding(folder, *, noise="table", **more):
    stream = Philox() if noise == "philox" else Table(ENTRIES, str(folder))
    return SeedChain(Half(), stream, **more)


class Counted(OnHost):
    """Counts passes over all parameters."""

    passes = 0

    def start(self, seed, out):
        self.passes += 1
        super().start(seed, out)

    def mutate(self, parent, sigma, seed, out):
        self.passes += 1
        super().mutate(parent, sigma, seed, out)


def tree(n, made, seed=0):
    """A random tree: a node's parent is one of the five before it."""
    rng = np.random.default_rng(seed)
    ids = np.arange(n)
    parents = np.where(ids == 0, -1, np.maximum(ids - rng.integers(1, 6, n), 0))
    sigmas = rng.choice([0.002, 0.1], n).astype(np.float32)
    sigmas[0] = 0
    return Lineage(ids, parents, made.seeds(n, rng), sigmas)


def leaves(lineage):
    """One individual a node: the node itself, as a row of a batch."""
    z = np.zeros(len(lineage), np.int32)
    return Genomes(
        lineage.ids,
        np.zeros((len(lineage), 0), np.float32),
        lineage.parents,
        z,
        z,
        lineage.seeds,
        lineage.sigmas,
        lineage,
    )


def by_the_formula(lineage, row, made):
    """theta of a node, from its first ancestor on; every operation rounds to float32."""
    path, table = [row], np.empty(N_GENES, np.float32)
    while lineage.parents[path[-1]] >= 0:
        path.append(int(lineage.parents[path[-1]]))
    made.noise.fill(int(lineage.seeds[path[-1]]), 0, table)
    theta = np.float32(0.5) * table
    for node in reversed(path[:-1]):
        made.noise.fill(int(lineage.seeds[node]), 0, table)
        theta = theta + lineage.sigmas[node] * table
    return theta


@pytest.mark.parametrize("noise", ["table", "philox"])
def test_chains_decode_to_the_formula(noise, tmp_path, monkeypatch):
    monkeypatch.setattr(seed_chain, "BLOCK", 1024)  # so that a policy is several blocks
    made = encoding(tmp_path, noise=noise)
    lineage = tree(60, made)
    decoded = dense(made, leaves(lineage))
    expected = np.stack([by_the_formula(lineage, row, made) for row in range(60)])
    assert np.array_equal(decoded, expected)


def test_neither_the_cache_nor_the_order_of_rows_changes_a_bit(tmp_path):
    lineage = tree(80, encoding(tmp_path))
    batch = leaves(lineage)
    whole = dense(encoding(tmp_path), batch)
    rows = np.random.default_rng(1).permutation(80)
    for cache in (1, 3):
        assert np.array_equal(
            dense(encoding(tmp_path, cache=cache), take(batch, rows)), whole[rows]
        )


def test_a_child_costs_one_pass_however_long_its_lineage(tmp_path):
    made = encoding(tmp_path)

    n = 200
    ids, seeds = np.arange(n), made.seeds(n, np.random.default_rng(0))
    line = Lineage(ids, ids - 1, seeds, np.full(n, 0.01, np.float32))
    arithmetic = Counted(made)
    decoder, out = Decoder(made, arithmetic), np.empty(N_GENES, np.float32)
    decoder.write(leaves(line), n - 2, out)
    assert arithmetic.passes == n - 1
    for _ in range(20):  # siblings: the parent is decoded
        arithmetic.passes = 0
        decoder.write(leaves(line), n - 2, out)
        assert arithmetic.passes == 1
    arithmetic.passes = 0
    decoder.write(leaves(line), n - 1, out)  # the next generation: the parent is one step ahead
    assert arithmetic.passes == 2


def test_parents_are_not_written_over_by_their_children(tmp_path):
    made = encoding(tmp_path)
    lineage = tree(30, made)
    first = dense(made, leaves(lineage))
    for _ in range(3):
        assert np.array_equal(dense(made, leaves(lineage)), first)


SCRIPT = """
import sys, numpy as np
from tests.encodings.test_seed_chain import *
made = encoding(sys.argv[1], noise=sys.argv[2])
lineage = tree(LENGTH + 1, made, seed=5)
print(dense(made, take(leaves(lineage), np.array([LENGTH]))).tobytes().hex())
"""


@pytest.mark.parametrize("noise", ["table", "philox"])
def test_a_long_lineage_decodes_to_the_same_bits_in_a_fresh_process(noise, tmp_path):
    made = encoding(tmp_path, noise=noise)
    lineage = tree(LENGTH + 1, made, seed=5)
    here = dense(made, take(leaves(lineage), np.array([LENGTH])))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), noise]
    there = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here.tobytes().hex()


def test_bases_bound_the_decoding_and_change_no_bit(tmp_path):
    plain = encoding(tmp_path)
    n = 101
    ids = np.arange(n)
    line = Lineage(ids, ids - 1, plain.seeds(n, np.random.default_rng(0)), np.full(n, 0.01, "f4"))
    row = take(leaves(line), np.array([n - 1]))
    expected = dense(plain, row)
    based = encoding(tmp_path, bases=Bases(20, str(tmp_path), "test"))
    assert np.array_equal(dense(based, row), expected)
    files = sorted((tmp_path / "bases").iterdir())
    assert len(files) == 4  # after 20, 40, 60 and 80 mutations; the parent has 99

    seed_chain.decoder.cache_clear()
    out = np.empty(N_GENES, np.float32)
    counted = Counted(based)
    Decoder(based, counted).write(row, 0, out)
    assert np.array_equal(out, expected[0])
    assert counted.passes == 20
    for file in files:  # damaged ones are not believed
        file.write_bytes(b"\0" + file.read_bytes()[1:])
    Decoder(based, OnHost(based)).write(row, 0, out)
    assert np.array_equal(out, expected[0])


def test_equal_chains_of_two_campaigns_are_one_and_unequal_ones_are_two(tmp_path):
    made = encoding(tmp_path)
    one, other = tree(10, made, seed=1), tree(10, made, seed=2)  # the same ids
    first, second = dense(made, leaves(one)), dense(made, leaves(other))
    assert not (first == second).all(axis=1).any()
    moved = replace(
        one, ids=one.ids + 500, parents=np.where(one.parents < 0, -1, one.parents + 500)
    )
    assert np.array_equal(dense(made, leaves(moved)), first)


def test_genes_are_no_chains(tmp_path):
    with pytest.raises(ConfigError, match="expected seed chains"):
        dense(encoding(tmp_path), genomes(2))


def test_a_batch_that_was_cut_and_joined_keeps_its_lineage(tmp_path):
    batch = leaves(tree(9, encoding(tmp_path)))
    halves = [take(batch, np.arange(4)), take(batch, np.arange(4, 9))]
    assert halves[0].lineage is batch.lineage
    assert join(halves).lineage is batch.lineage
    apart = [replace(half, lineage=leaves(batch.lineage).lineage) for half in halves]
    other = Lineage(np.array([3, 20]), np.array([-1, 3]), np.zeros(2, "u8"), np.zeros(2, "f4"))
    both = join([apart[0], replace(apart[1], lineage=other)]).lineage
    assert both.ids.tolist() == [*range(9), 20]


def stored(rows):
    """Rows of chains as evaluations: each a child of the row before it."""
    batch = cloud(rows)
    ids = batch.genomes.ids
    chains = replace(
        batch.genomes,
        genes=np.zeros((rows, 0), np.float32),
        parents=ids - 1,
        seeds=ids.astype(np.uint64) * np.uint64(7),
        sigmas=np.full(rows, 0.5, np.float32),
    )
    return replace(batch, genomes=chains)


def test_the_store_keeps_the_ancestors_of_what_is_held_and_nobody_else():
    records, batch = Records(), stored(10)
    records.add(batch)
    records.hold(np.array([6]))
    records.sweep()
    assert records.ids().tolist() == [0, 1, 2, 3, 4, 5, 6]
    records.hold(np.array([3]))
    records.release(np.array([6]))
    records.sweep()
    assert records.ids().tolist() == [0, 1, 2, 3]
    assert records.lineage(np.array([2, -1])).ids.tolist() == [0, 1, 2]


def test_a_revived_store_has_the_tree_of_the_one_that_was_committed():
    records, shelf, again = Records(), Shelf(), Records()
    records.add(stored(8))
    records.hold(np.array([5]))
    records.sweep()
    shelf.commit(records, {})
    shelf.unpack(again, {})
    again.hold(np.array([5]))
    for store in (records, again):
        chain = store.evaluations(np.array([5])).genomes
        assert chain.lineage.ids.tolist() == [0, 1, 2, 3, 4]
        assert chain.lineage.seeds.tolist() == [0, 7, 14, 21, 28]
        store.release(np.array([5]))
        store.sweep()
        assert len(store) == 0

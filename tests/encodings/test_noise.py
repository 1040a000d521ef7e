"""Noise: the same numbers everywhere, and normal ones."""

import hashlib

import numpy as np
import pytest
from scipy import stats

from qdx.core.errors import ConfigError, MachineError
from qdx.encodings import noise
from qdx.encodings.noise import Philox, Table

ENTRIES = 1 << 16


def filled(stream, seed, n, start=0):
    out = np.empty(n, np.float32)
    stream.fill(seed, start, out)
    return out


def philox4x64(counter, key, rounds=10):
    """Salmon et al. 2011, section 3: one block of four words, in Python's own integers."""
    mask, x, (k0, k1) = 2**64 - 1, list(counter), key
    for _ in range(rounds):
        first, second = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [(second >> 64) ^ x[1] ^ k0, second & mask, (first >> 64) ^ x[3] ^ k1, first & mask]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return x


def test_the_table_is_the_frozen_stream_of_the_released_code(tmp_path):
    table = Table(ENTRIES, str(tmp_path))
    drawn = np.random.RandomState(123).randn(ENTRIES).astype(np.float32)
    assert np.array_equal(filled(table, 0, ENTRIES), drawn)
    assert np.array_equal(filled(table, 1000, 50, start=16), drawn[1016:1066])


def test_a_table_made_in_chunks_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(noise, "CHUNK", 999)
    noise.open_table(ENTRIES, str(tmp_path))  # its documented digest is checked
    assert [file.suffix for file in sorted(tmp_path.iterdir())] == [".f32", ".sha256"]


def test_a_changed_table_is_refused(tmp_path):
    for entries in (ENTRIES, 1234):  # a documented length and another
        file = tmp_path / f"noise-123-{entries}.f32"
        noise._make(file, entries)
        data = bytearray(file.read_bytes())
        data[77] ^= 1
        file.write_bytes(data)
        with pytest.raises(MachineError, match=r"SHA-256.*Remove the file"):
            noise.open_table(entries, str(tmp_path))


def test_a_folder_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be used"):
        noise.open_table(ENTRIES, str(tmp_path / "file"))


def test_seeds_of_a_table_reach_its_last_slice_and_not_beyond(tmp_path):
    table, rng = Table(100, str(tmp_path)), np.random.default_rng(0)
    seeds = table.seeds(5000, 90, rng)
    assert seeds.dtype == np.uint64
    assert set(seeds.tolist()) == set(range(11))
    with pytest.raises(ConfigError, match=r"encoding\.entries.*101 parameters"):
        table.seeds(1, 101, rng)
    with pytest.raises(ConfigError, match=r"encoding\.entries.*slice 11 ends"):
        filled(table, 11, 90)


def test_philox_is_philox():
    words = [w for i in range(1, 5) for w in philox4x64([i, 0, 0, 0], [12345, 0])]
    cut = [(word >> shift) & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    expected = stats.norm.ppf((np.array(cut) + 0.5) / 65536).astype(np.float32)
    assert np.allclose(filled(Philox(), 12345, 64), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("stream", ["table", "philox"])
def test_any_piece_is_a_piece_of_the_whole(stream, tmp_path):
    made = Philox() if stream == "philox" else Table(ENTRIES, str(tmp_path))
    whole = filled(made, 2**15 + 1, 5003)
    for start, n in ((0, 1), (16, 33), (4992, 11)):
        assert np.array_equal(filled(made, 2**15 + 1, n, start), whole[start : start + n])


def test_philox_is_normal_and_its_seeds_are_unlike():
    streams = np.stack([filled(Philox(), seed, 1 << 16) for seed in (0, 1, 2**63, 2**64 - 1)])
    assert abs(streams.mean()) < 0.01
    assert abs(streams.var() - 0.99998) < 0.01
    assert stats.kstest(streams.ravel(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(streams) - np.eye(4)).max() < 0.02


def test_seeds_of_philox_are_any_of_64_bits():
    seeds = Philox().seeds(1000, 10, np.random.default_rng(0))
    assert seeds.max() > 2**63
    assert len(np.unique(seeds)) == 1000


def test_the_quantiles_are_checked(monkeypatch):
    monkeypatch.setattr(noise, "QUANTILES_SHA", hashlib.sha256(b"others").hexdigest())
    noise.quantiles.cache_clear()
    with pytest.raises(MachineError, match="not the documented ones"):
        noise.quantiles()

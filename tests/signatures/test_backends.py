"""Which backend does the work, where, and what it leaves in the process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
import torch

import qdx
from qdx.core.errors import ConfigError, QdxError
from qdx.signatures import horner, reference, transform
from qdx.signatures.stream import Stream
from qdx.signatures.threads import one_thread

PATHS = np.random.default_rng(0).normal(size=(7, 12, 2)).cumsum(axis=1)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def absent(name: str, *rest: Any) -> Any:
    return None if name == "pysiglib" else importlib.util.find_spec(name, *rest)


def probe(code: str) -> str:
    """What a fresh process prints last."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def test_auto_is_torch_where_pysiglib_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "find_spec", absent)
    assert transform.choose("auto") == "torch"
    with pytest.raises(ConfigError, match=r"pip install 'qdx\[fast\]', or use torch"):
        transform.choose("pysiglib")


def test_auto_is_pysiglib_on_the_cpu_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "find_spec", lambda name: object())
    assert transform.choose("auto") == "pysiglib"
    assert transform.choose("auto", "cuda") == "torch"


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of auto, torch, pysiglib, esig, got 'x'"):
        transform.choose("x")


@pytest.mark.parametrize("backend", ["pysiglib", "esig"])
def test_only_torch_works_on_other_devices(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match=f"expected torch for paths on cuda, got '{backend}'"):
        transform.choose(backend, "cuda")


def test_importing_qdx_imports_no_torch() -> None:
    code = "import qdx, qdx.signatures, sys; print([m in sys.modules for m in ('torch', 'esig')])"
    assert probe(code) == "[False, False]"


def test_esig_leaves_nothing_in_the_process_that_asks_for_it() -> None:
    code = (
        "import numpy as np, sys; from qdx.signatures import reference;"
        "print(reference.signatures(np.eye(3)[None], 2, False).shape, 'roughpy' in sys.modules)"
    )
    assert probe(code) == "(1, 12) False"


def test_esig_works_through_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reference.signatures(PATHS, 2, False)
    monkeypatch.setattr(reference, "LOSS", 4 * 12 * 170)
    assert reference.signatures(PATHS, 2, False).tobytes() == whole.tobytes()


def test_a_process_of_esig_that_ends_badly_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference.sys, "executable", "/bin/false")
    with pytest.raises(QdxError, match="esig: its process ended with 1"):
        reference.signatures(PATHS, 2, False)


def test_one_thread_holds_for_the_thread_that_asked_only() -> None:
    before, seen = torch.get_num_threads(), {}

    def look(name: str) -> None:
        with one_thread():
            seen[name] = torch.get_num_threads()
        seen[f"{name} after"] = torch.get_num_threads()

    try:
        torch.set_num_threads(3)
        worker = threading.Thread(target=look, args=("worker",))
        worker.start()
        worker.join()
        seen["main"] = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert seen == {"worker": 1, "worker after": 3, "main": 3}


def test_signatures_keep_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, before = [], torch.get_num_threads()
    increments = horner.increments

    def spy(*arguments: Any) -> Any:
        seen.append(torch.get_num_threads())
        return increments(*arguments)

    monkeypatch.setattr(horner, "increments", spy)
    try:
        torch.set_num_threads(3)
        qdx.signature(PATHS, 2, backend="torch")
        Stream(7, channels=2, depth=2).extend(PATHS)
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1]


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("log", [False, True])
def test_cuda_agrees_with_the_cpu_and_stays_there(log: bool) -> None:
    paths = torch.from_numpy(PATHS).cuda()
    found = qdx.signature(paths, 3, log=log)
    assert found.device == paths.device
    expected = qdx.signature(PATHS, 3, log=log, backend="torch")
    np.testing.assert_allclose(found.cpu().numpy(), expected, atol=1e-12)


@pytest.mark.gpu
@needs_cuda
def test_a_path_has_the_same_bits_in_any_batch_on_cuda() -> None:
    paths = torch.from_numpy(PATHS).cuda()
    whole = qdx.signature(paths, 3)
    for rows in ([0], [6], [2, 3, 4]):
        assert torch.equal(qdx.signature(paths[rows], 3), whole[rows])

"""This machine: its GPUs, one for each worker, and how long anything on it is waited for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from qdx.core.errors import ConfigError

LOCALHOST = "127.0.0.1"
TIMEOUT_S = 10.0  # of everything that is asked of a scheduler or a driver


def gpus_for(workers: int, gpus: list[str]) -> list[str]:
    """The GPUs that workers are pinned to, one each.

    Raises:
        ConfigError: There are none, or not enough.
    """
    if not gpus or workers > len(gpus):
        raise ConfigError(
            f"executor.workers: expected at most one worker per GPU, got {workers or 'one'} for "
            f"{len(gpus)} GPUs. CUDA_VISIBLE_DEVICES says which of them are used."
        )
    return gpus[: workers or len(gpus)]


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Indices or UUIDs of the GPUs this process may use, as CUDA_VISIBLE_DEVICES names them.

    CUDA ends the list at the first entry that is no device, such as -1 or an empty one. Without the
    variable, nvidia-smi is asked: it opens no CUDA context in this process.
    """
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return _installed_gpus()
    gpus: list[str] = []
    for entry in listed.split(","):
        name = entry.strip()
        if not (name.isdigit() or name.startswith(("GPU-", "MIG-"))):
            break
        gpus.append(name)
    return gpus


def _installed_gpus() -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    query = [command, "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.stdout.split() if done.returncode == 0 else []

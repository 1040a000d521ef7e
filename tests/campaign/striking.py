"""Rollouts that go wrong once, at a certain genome, in whichever process runs it.

Each strike leaves a file behind, so a test can prove that it happened, how often, and to whom.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdx.core.protocols import Rollout
from qdx.core.types import Genomes, Outcomes

FOR_EVER_S = 3600


def kill_itself(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def stop_itself(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    os.kill(os.getpid(), signal.SIGSTOP)
    return outcomes()


def kill_victims(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    """The processes whose ids stand in `victims`, this one last."""
    pids = [int(pid) for pid in (strike.folder / "victims").read_text().split()]
    for pid in sorted(pids, key=lambda pid: pid == os.getpid()):
        os.kill(pid, signal.SIGKILL)
    return outcomes()


def hang(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    time.sleep(FOR_EVER_S)


def hang_with_the_interpreter(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    """In a call that never lets another thread run."""
    ctypes.PyDLL(None).sleep(FOR_EVER_S)


def garbage(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    return {"fitness": "a lot"}


def wrong_shape(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    right = outcomes()
    return replace(right, observations={k: v[:, :1] for k, v in right.observations.items()})


def too_few(strike: Strike, outcomes: Callable[[], Outcomes]) -> Any:
    bad = object.__new__(Outcomes)  # no check of a constructor comes between
    bad.__dict__.update({k: v[:-1] if k == "fitness" else v for k, v in vars(outcomes()).items()})
    return bad


@dataclass(frozen=True)
class Strike:
    """A rollout, and what befalls it at a genome.

    Attributes:
        rollout: The real one.
        at: Id of the genome.
        fault: One of the functions above.
        folder: Where strikes are marked.
        times: How often it strikes.
    """

    rollout: Rollout
    at: int
    fault: Callable[[Strike, Callable[[], Outcomes]], Any]
    folder: Path
    times: int = 1

    def __call__(self, genomes: Genomes) -> Any:
        if self.at in genomes.ids and self._is_free():
            return self.fault(self, lambda: self.rollout(genomes))
        return self.rollout(genomes)

    def _is_free(self) -> bool:
        """Take the next of the strikes that are left; of several processes one gets it."""
        for i in range(self.times):
            try:
                with (self.folder / f"strike-{i:02d}").open("x") as mark:
                    mark.write(f"{os.getpid()}")
            except FileExistsError:
                continue
            return True
        return False


def strikes(folder: Path) -> list[int]:
    """The processes that were struck, in order."""
    return [int(mark.read_text()) for mark in sorted(folder.glob("strike-*"))]

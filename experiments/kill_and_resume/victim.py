"""`qdx` in a process that SIGKILLs itself: victim.py PLACE COUNT DELAY_S NOTE -- ARGUMENTS.

PLACE is where, COUNT at the how-manieth time:
    rollout   DELAY_S after a kernel was started, while it runs
    between   between two generations, right after a journal line was written
    writing   at a file operation of the storage; a write is cut in half
    clock     DELAY_S after the first generation, wherever that falls
    bootstrap, exploitation, handover
              inside SERENE's exploiting half, DELAY_S after selection began in that phase; a hand-over counts
              where an emitter ended

NOTE is a file. The last thing the process does is to write into it in which phase SERENE is: exploration,
bootstrap, exploitation, handover; or none, where another searcher runs.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from qdx.campaign.campaign import Campaign
from qdx.cli.app import call
from qdx.rollout import fused
from qdx.searchers.exploitation import Exploitation

OPERATIONS = ("write", "pwrite", "fsync", "replace", "rename")


PHASES = {"idle": "exploration", "found": "bootstrap", "exploit": "exploitation"}
RAW_OPEN, RAW_WRITE = os.open, os.write  # not those that `while_writing` puts in their place


class Watch:
    """What SERENE is doing now."""

    note = ""
    living: Exploitation | None = None
    hands_over = False  # since the selection that this generation began with

    @classmethod
    def phase(cls) -> str:
        if cls.living is None:
            return "none"
        if cls.hands_over:
            return "handover"
        return PHASES.get(cls.living._phase, cls.living._phase)


def watch(note: str) -> None:
    """Follow the exploiting half of the searcher that is built from now on."""
    init, hand_over, tell = Exploitation.__init__, Exploitation._hand_over, Exploitation.tell

    def born(self: Exploitation, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        Watch.living = self

    def handing_over(self: Exploitation) -> Any:
        Watch.hands_over = bool(self._ended)
        return hand_over(self)

    def told(self: Exploitation, *args: Any) -> None:
        tell(self, *args)
        Watch.hands_over = False

    Watch.note = note
    Exploitation.__init__ = born  # type: ignore[method-assign]
    Exploitation._hand_over = handing_over  # type: ignore[method-assign]
    Exploitation.tell = told  # type: ignore[method-assign]


def die() -> None:
    RAW_WRITE(RAW_OPEN(Watch.note, os.O_WRONLY | os.O_CREAT), Watch.phase().encode())
    os.kill(os.getpid(), signal.SIGKILL)


class At:
    """True at the how-manieth call."""

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self) -> bool:
        self._left -= 1
        return self._left == 0


def during_rollout(at: At, delay_s: float) -> None:
    real = fused._launch

    def launch(*args: Any) -> Any:
        if at():
            threading.Timer(delay_s, die).start()
        return real(*args)

    fused._launch = launch


def between_generations(at: At, delay_s: float) -> None:
    real = Campaign.journal

    def journal(self: Campaign, record: Any) -> None:
        real(self, record)
        if at():
            die()

    Campaign.journal = journal  # type: ignore[method-assign]


def while_writing(at: At, delay_s: float) -> None:
    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if at():
                if name.endswith("write"):
                    real(args[0], bytes(args[1])[: len(args[1]) // 2], *args[2:])
                die()
            return real(*args, **kwargs)

        return operation

    def begin(self: Campaign, record: Any) -> None:  # not before the run has begun
        Campaign.journal = real_journal  # type: ignore[method-assign]
        for name in OPERATIONS:
            setattr(os, name, wrap(name, getattr(os, name)))
        real_journal(self, record)

    real_journal = Campaign.journal
    Campaign.journal = begin  # type: ignore[method-assign]


def by_the_clock(at: At, delay_s: float) -> None:
    real = Campaign.journal

    def journal(self: Campaign, record: Any) -> None:
        Campaign.journal = real  # type: ignore[method-assign]
        threading.Timer(delay_s, die).start()
        real(self, record)

    Campaign.journal = journal  # type: ignore[method-assign]


def inside_serene(method: str, counts: Callable[[Exploitation], bool]) -> Callable[..., None]:
    def place(at: At, delay_s: float) -> None:
        real = getattr(Exploitation, method)

        def watched(self: Exploitation, *args: Any) -> Any:
            if counts(self) and at():
                threading.Timer(delay_s, die).start()
                real(self, *args)
                time.sleep(60)  # the timer ends it; what was computed is never told
            return real(self, *args)

        setattr(Exploitation, method, watched)

    return place


PLACES = {
    "bootstrap": inside_serene("admit", lambda e: e._phase in ("found", "bootstrap")),
    "exploitation": inside_serene("admit", lambda e: e._phase == "exploit"),
    "handover": inside_serene("_hand_over", lambda e: bool(e._ended)),
    "rollout": during_rollout,
    "between": between_generations,
    "writing": while_writing,
    "clock": by_the_clock,
}

if __name__ == "__main__":
    place, count, delay_s, note, _, *arguments = sys.argv[1:]
    watch(note)
    PLACES[place](At(int(count)), float(delay_s))
    sys.exit(call(arguments))

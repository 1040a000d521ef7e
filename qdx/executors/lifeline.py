"""The connection to a cluster: opened in the background, opened again when it breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import final

from qdx.core.errors import QdxError, RolloutError
from qdx.executors.engine import Engine

BACKOFF_S = 1.0  # before the second try; doubled each time, up to:
LONGEST_BACKOFF_S = 30.0
CLOSING_S = 10.0  # an opening that is under way when the campaign ends is waited for so long


@final
class Lifeline:
    """Opens an engine without holding up the campaign, a bounded number of times in a row.

    Args:
        engine: What is opened.
        tries: Times in a row that it may fail, after the first.
        limit_s: An opening that takes longer hangs.
        clock: In seconds.
    """

    def __init__(
        self,
        engine: Engine,
        tries: int,
        limit_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._tries, self._limit_s, self._clock = engine, tries, limit_s, clock
        self._opener: Opener | None = None
        self._opening: Opening | None = None
        self._failed = 0  # tries in a row
        self._next_try = 0.0
        self.is_up = False

    def hold(self, timeout_s: float) -> bool:
        """Whether the engine is open; else open it, waiting up to `timeout_s`.

        Raises:
            RolloutError: It could not be opened, not once in all tries; or opening it hangs.
        """
        if self.is_up:
            return True
        if self._opening is None:
            left = self._next_try - self._clock()
            if left > 0:
                time.sleep(min(left, timeout_s))
                return False
            self._opener = self._opener or Opener(self._engine)
            self._opening = self._opener.begin(self._clock())
        if not self._opening.done.wait(timeout_s):
            self._check_time(self._opening)
            return False
        opening, self._opening = self._opening, None
        if opening.error is not None:
            self._count(opening.error)
        self.is_up = opening.error is None and not opening.is_abandoned
        return self.is_up

    def broke(self, reason: BaseException) -> None:
        """The engine was lost.

        Raises:
            RolloutError: Once too often without an answer in between.
        """
        self.is_up = False
        self._count(reason)

    def answered(self) -> None:
        """The cluster works: earlier tries are forgotten."""
        self._failed = 0

    def close(self) -> None:
        """Let the engine go, also one that is being opened."""
        if self._opener is None:
            return
        opening, self.is_up = self._opening, False
        hangs = opening is not None and not opening.done.wait(CLOSING_S) and opening.abandon()
        if not hangs:  # else it is closed by its opener, should it ever be open
            self._engine.close()
        self._opener.end()

    def _check_time(self, opening: Opening) -> None:
        if self._clock() - opening.began > self._limit_s:
            opening.abandon()
            raise RolloutError(
                f"executor.workers_timeout_s: expected the cluster to open within "
                f"{self._limit_s:g} s, and it has not. See whether it can start, or give it longer."
            )

    def _count(self, error: BaseException) -> None:
        self._failed += 1
        pause = min(BACKOFF_S * 2 ** (self._failed - 1), LONGEST_BACKOFF_S)
        self._next_try = self._clock() + pause
        if isinstance(error, QdxError):
            raise error
        if self._failed > self._tries:
            self._failed = 0
            raise RolloutError(
                f"executor: the cluster was lost or out of reach {self._tries + 1} times in a row, "
                f"last because: {type(error).__name__}: {error}. See whether it runs; a resume may "
                "also name another executor."
            ) from error


@final
class Opening:
    """One try to open an engine.

    Attributes:
        began: On the lifeline's clock.
        done: Set when it is over.
        error: What stood in the way.
        is_abandoned: Nobody waits for it: should the engine open after all, it is closed again.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.is_abandoned = False
        self._lock = threading.Lock()

    def abandon(self) -> bool:
        """Wait no longer; whether it was still under way."""
        with self._lock:
            if not self.done.is_set():
                self.is_abandoned = True
            return self.is_abandoned

    def finish(self, engine: Engine, error: BaseException | None) -> None:
        """It is over."""
        self.error = error
        with self._lock:
            self.done.set()
            late = self.is_abandoned
        if late and error is None:
            engine.close()


@final
class Opener:
    """A thread that opens an engine, and outlives what it starts: some processes end with it.

    It never keeps this process from ending.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._openings: SimpleQueue[Opening | None] = SimpleQueue()
        threading.Thread(target=self._run, name="cluster", daemon=True).start()

    def begin(self, now: float) -> Opening:
        """Open it, after what is under way."""
        opening = Opening(now)
        self._openings.put(opening)
        return opening

    def end(self) -> None:
        """No more openings."""
        self._openings.put(None)

    def _run(self) -> None:
        while (opening := self._openings.get()) is not None:
            error: BaseException | None = None
            try:
                self._engine.open()
            except BaseException as caught:  # the campaign is told
                error = caught
            opening.finish(self._engine, error)

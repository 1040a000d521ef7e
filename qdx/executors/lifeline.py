"""The connection to a cluster: opened in the background, opened again when it breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import final

from qdx.core.errors import QdxError, RolloutError
from qdx.executors.engine import Engine

BACKOFF_S = 1.0  # before the second try; doubled each time, up to:
LONGEST_BACKOFF_S = 30.0
CLOSING_S = 30.0  # an opening that is under way when the campaign ends is waited for so long


@final
class Lifeline:
    """Opens an engine without holding up the campaign, a bounded number of times in a row."""

    def __init__(
        self, engine: Engine, tries: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._tries, self._clock = engine, tries, clock
        self._opener: ThreadPoolExecutor | None = None
        self._opening: Future[None] | None = None
        self._failed = 0  # tries in a row
        self._next_try = 0.0
        self.is_up = False

    def hold(self, timeout_s: float) -> bool:
        """Whether the engine is open; else open it, waiting up to `timeout_s`.

        Raises:
            RolloutError: It could not be opened, not once in all tries.
        """
        if self.is_up:
            return True
        if self._opening is None:
            left = self._next_try - self._clock()
            if left > 0:
                time.sleep(min(left, timeout_s))
                return False
            self._opener = self._opener or ThreadPoolExecutor(1, "cluster")
            self._opening = self._opener.submit(self._engine.open)
        wait([self._opening], timeout_s)
        if not self._opening.done():
            return False
        error, self._opening = self._opening.exception(), None
        if error is None:
            self.is_up = True
        else:
            self._count(error)
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
        if self._opening is not None:
            wait([self._opening], CLOSING_S)
        if self._opener is not None:
            self._opener.shutdown(wait=False, cancel_futures=True)
            self._engine.close()

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
                f"last because: {error!r}."
            ) from error

"""Where the time of a generation goes, without a word about it in the loop."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, final


@final
class Stopwatch:
    """Seconds by "room.method", collected from the parts it wraps."""

    def __init__(self) -> None:
        """Started now."""
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._since = time.perf_counter()

    def wrap(self, room: str, part: Any) -> Any:
        """The same part, whose method calls are timed."""
        return _Timed(part, room, self._seconds)

    def lap(self) -> dict[str, float]:
        """Seconds since the last lap: in all ("wall") and by method; then starts anew."""
        now = time.perf_counter()
        lap = {"wall": now - self._since, **self._seconds}
        self._seconds.clear()
        self._since = now
        return {name: round(seconds, 6) for name, seconds in lap.items()}


class _Timed:
    def __init__(self, part: Any, room: str, seconds: defaultdict[str, float]) -> None:
        self._part, self._room, self._sums = part, room, seconds

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("_part", "_room", "_sums"):
            raise AttributeError(f"{self._room}.{name}: set it on the part, not on its stopwatch")
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._part, name)
        if not callable(attribute):
            return attribute

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return attribute(*args, **kwargs)
            finally:
                self._sums[f"{self._room}.{name}"] += time.perf_counter() - start

        self.__dict__[name] = timed  # found directly from now on
        return timed

    def __len__(self) -> int:
        return len(self._part)

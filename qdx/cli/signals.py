"""Ctrl-C and SIGTERM, for as long as a command has an answer of its own to them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_stop(answer: Callable[[], None]) -> Iterator[None]:
    """Have a function answer them inside; outside it is as before."""

    def handler(number: int, frame: Any) -> None:
        answer()

    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

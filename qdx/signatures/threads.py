"""Torch on one thread: on a machine that others use too, sharing short steps costs far more."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, the calling thread runs torch alone; other threads keep what they have.

    Also a decorator. `torch.set_num_threads` would change what threads born later begin with.
    """
    torch.get_num_threads()  # a thread's first use sets its number of threads: not after the limit
    with _controller().limit(limits=1, user_api="openmp"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    """The thread pools of this process; looked for once, after torch has opened its own."""
    return ThreadpoolController()

"""When a campaign commits."""

from __future__ import annotations

import time
from typing import final

from qdx.assembly.sections import CheckpointSection


@final
class Rhythm:
    """Counts generations and seconds since the last commit."""

    def __init__(self, checkpoint: CheckpointSection) -> None:
        self._p = checkpoint
        self.committed(0)

    def committed(self, generation: int) -> None:
        """A commit was made, or gone on from, after so many generations."""
        self._generation, self._at = generation, time.monotonic()

    def is_due(self, generation: int) -> bool:
        """Whether enough has happened since; the first generation is committed."""
        return (
            self._generation == 0
            or generation - self._generation >= self._p.generations
            or time.monotonic() - self._at >= self._p.seconds
        )

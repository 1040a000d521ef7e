"""What has come since the last record: what a journal line says beside the state of the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qdx.core.errors import RolloutError
from qdx.core.types import Evaluations, Json, Outcomes, Status, Verdict

SHOWN_FAILURES = 5  # failed rows a journal line names


@dataclass
class Window:
    """Counts of the evaluations of a generation, all at once or shard by shard.

    Attributes:
        evaluations: How many.
        failed: How many of them failed.
        verdicts: Archive → how many it refused, improved and added.
        failures: Id and reason of the first failed rows.
    """

    evaluations: int = 0
    failed: int = 0
    verdicts: dict[str, Json] = field(default_factory=dict)
    failures: list[Json] = field(default_factory=list)

    @classmethod
    def of(cls, archives: Sequence[str]) -> Window:
        """Nothing yet, of these archives."""
        return cls(verdicts={name: {s.name.lower(): 0 for s in Status} for name in archives})

    def add(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        """What was evaluated and what archives decided."""
        failed = evaluations.outcomes.failed
        ids, reasons = evaluations.genomes.ids[failed], evaluations.outcomes.reason[failed]
        left = SHOWN_FAILURES - len(self.failures)
        self.evaluations += len(evaluations)
        self.failed += int(failed.sum())
        self.failures += [
            {"id": int(i), "reason": str(r)}
            for i, r in zip(ids[:left], reasons[:left], strict=True)
        ]
        for name, verdict in verdicts.items():
            decided = verdict.status.tolist()
            for status in Status:
                self.verdicts[name][status.name.lower()] += decided.count(status)


def refuse_failures(
    outcomes: Outcomes, limit: float, *, before: Window | None = None, of: int = 1
) -> None:
    """Stop when more of a generation failed than is tolerated.

    Args:
        outcomes: Of a generation, or of some of it.
        limit: Share of it that may fail.
        before: What came of the same generation before.
        of: Evaluations that it has at least.

    Raises:
        RolloutError: Says how many and why.
    """
    before = before or Window()
    n_failed = before.failed + int(outcomes.failed.sum())
    share = n_failed / max(before.evaluations + len(outcomes), of)
    if share > limit:
        reason = before.failures[:1] or [{"reason": str(outcomes.reason[outcomes.failed][0])}]
        raise RolloutError(
            f"max_failed_fraction: expected at most {limit} of a generation to fail, got "
            f"{share:.2f} (first reason: {reason[0]['reason']})."
        )

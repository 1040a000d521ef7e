"""The loop: the table of contents of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdx.core.types import Evaluations, Record, seen
from qdx.executors.evaluate import evaluate

if TYPE_CHECKING:
    from qdx.campaign.campaign import Campaign


def generation(c: Campaign) -> Record:
    """Ask, evaluate, describe, admit, add, tell, learn when it is time, count."""
    c.exchange.meet(c)  # other islands, where there are any
    genomes = c.searcher.ask()
    outcomes = evaluate(
        c.executor, c.rollout, genomes, stopping=c.is_stopping, waiting=c.on_waiting
    )
    c.refuse_failures(outcomes)
    described = c.descriptor.describe(seen(genomes, outcomes), outcomes.failed)
    evaluations = Evaluations(genomes, outcomes, described)
    c.records.add(evaluations)
    admitted = c.searcher.admit(evaluations)
    verdicts = {
        name: c.archives[name].add(c.records.evaluations(ids)) for name, ids in admitted.items()
    }
    c.searcher.tell(evaluations, verdicts)
    lesson = c.searcher.lesson()
    learnt = c.learn(lesson) if lesson is not None else {}
    c.records.sweep()
    c.tally.count(evaluations)
    return c.record(evaluations, verdicts, learnt)


def run(c: Campaign) -> None:
    """Generations until the budget is spent: journal each, commit when due."""
    while not c.is_finished():
        c.journal(generation(c))
        if c.is_commit_due():
            c.commit("running")
    c.commit("finished")

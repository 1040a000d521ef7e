"""`qdx run` and `qdx resume`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qdx.cli import printing
from qdx.cli.signals import on_stop
from qdx.core.errors import InterruptedRun

if TYPE_CHECKING:
    from qdx.campaign.campaign import Campaign

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Dotted keys of the config.")
]


def run(
    config: Annotated[Path, typer.Argument(help="A YAML file.")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Run directory.")] = None,
) -> None:
    """Run a campaign; its directory is archives/<name>-<seed> unless --out says otherwise."""
    from qdx.campaign.campaign import Campaign

    with Campaign(config, out, overrides=overrides or []) as campaign:
        conduct(campaign)


def resume(
    directory: Annotated[Path, typer.Argument(help="A run directory.")],
    overrides: Overrides = None,
) -> None:
    """Go on from the last commit.

    Budget, executor, checkpoint, max_failed_fraction and where islands meet may change, nothing
    else.
    """
    from qdx.campaign.campaign import Campaign

    def stop() -> None:  # what needs no commit
        raise InterruptedRun(_stopped(directory))

    with on_stop(stop):  # results may be told again, and others waited for
        campaign = Campaign.resume(directory, overrides or [])
    with campaign:
        for sentence in campaign.skipped:
            printing.warn(f"passed over: {sentence}")
        for difference in campaign.moved:
            printing.warn(f"not where the run began, bits may differ: {difference}")
        if campaign.told_again:
            print(f"told {campaign.told_again} results from the event log, which no commit held")
        if campaign.is_finished():
            budget = campaign.config.campaign.budget
            print(f"finished already, at a budget of {budget}; budget=N goes further")
        conduct(campaign)


def _stopped(directory: Path) -> str:
    return (
        f"{directory}: stopped at once; the last commit stands. "
        f"Go on with: qdx resume {shlex.quote(str(directory))}"
    )


def conduct(campaign: Campaign) -> None:
    """Run to the end with progress; Ctrl-C and SIGTERM end it after a clean commit."""
    from qdx.cli.progress import ProgressReport

    def stop() -> None:
        if campaign.is_stopping():  # asked twice: do not wait for the commit
            raise KeyboardInterrupt
        campaign.stop()

    done = campaign.tally.evaluations
    budget, slots = campaign.config.campaign.budget, campaign.executor.slots
    try:
        with on_stop(stop), ProgressReport(budget, done, slots) as progress:
            campaign.on_waiting = progress.waiting
            campaign.run(progress)
    except KeyboardInterrupt as error:
        raise InterruptedRun(_stopped(campaign.path)) from error
    printing.result(campaign.path)

"""The errors of qdx, each with the exit code the command line ends with.

    QdxError
      ConfigError        2  the user's input: config, arguments, a directory that is no run
        ShapeError       2  an array whose shape does not fit
      DamagedRunError    3  a run directory without a usable commit
      LockedRunError     3  a run directory another live process writes to
      RolloutError       4  rollouts failed: too many failures, no workers in time
      MachineError       5  disk full, out of memory; the last commit stands
      InterruptedRun   130  Ctrl-C or SIGTERM, after a clean commit

A message has four parts: the name as the user wrote it, what was expected, what came, what to do.
"""

from __future__ import annotations


class QdxError(Exception):
    """Whatever qdx raises on purpose."""

    exit_code = 1


class ConfigError(QdxError, ValueError):
    """The user's input is wrong."""

    exit_code = 2


class ShapeError(ConfigError):
    """An array does not have the shape its reader needs."""


class DamagedRunError(QdxError):
    """A run directory holds no commit that verifies."""

    exit_code = 3


class LockedRunError(QdxError):
    """Another live process writes to the run directory."""

    exit_code = 3


class RolloutError(QdxError):
    """Rollouts failed beyond what the campaign tolerates."""

    exit_code = 4


class MachineError(QdxError):
    """The machine failed the run; the last commit stands."""

    exit_code = 5


class InterruptedRun(QdxError):
    """The run was asked to stop and stopped after a clean commit."""

    exit_code = 130

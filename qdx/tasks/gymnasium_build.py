"""From a config to a Gymnasium task: what the user named is looked up and tried once."""

from __future__ import annotations

import contextlib
import functools
from importlib.metadata import packages_distributions
from typing import Any

import numpy as np

from qdx.core.errors import ConfigError
from qdx.core.task_facts import Goal, TaskFacts
from qdx.tasks.gymnasium_parameters import GymnasiumParameters
from qdx.tasks.gymnasium_registry import make, registered, told
from qdx.tasks.gymnasium_task import RGB, Episode, GymnasiumTask
from qdx.tasks.gymnasium_view import View, view_of

# Distributions, where installed, that outcomes depend on; the last two draw frames.
SIMULATORS = ("gymnasium", "mujoco", "Box2D", "ale-py", "pygame", "pillow")
MOST_GOALS = 127  # an int8 numbers them
MOST_CELLS = 10_000_000  # of the coverage grid, whose counts every commit holds


def build(parameters: GymnasiumParameters, kind: str) -> GymnasiumTask:
    """The task of a config.

    Args:
        parameters: Of the section.
        kind: gymnasium:<Id>.

    Raises:
        ConfigError: No such environment, one that needs a missing package or whose spaces are not
            supported, or parameters that do not fit it.
    """
    spec = registered(kind)
    horizon = parameters.horizon or spec.max_episode_steps
    if horizon is None:
        raise ConfigError(
            f"task.horizon: missing; {spec.id} has no time limit of its own. Give a number of "
            "steps."
        )
    if "max_episode_steps" in parameters.kwargs:
        raise ConfigError("task.kwargs.max_episode_steps: unknown key. Use task.horizon.")
    view, descriptor, renders = _tried(parameters, kind)
    entry_point = _where(spec.entry_point)
    if parameters.bins ** len(descriptor) > MOST_CELLS:
        raise ConfigError(
            f"task.bins: expected at most {MOST_CELLS:,} cells in all, got {parameters.bins} to "
            f"the power of {len(descriptor)}, the measures. Use fewer bins, or fewer measures."
        )
    facts = TaskFacts(
        name=kind,
        summary=f"Gymnasium's {spec.id}; an episode is worth the sum of its rewards.",
        observation=tuple(f"observation {i}" for i in range(view.n_seen)),
        action=tuple(f"action {i}" for i in range(view.n_acts)),
        horizon=horizon,
        measures=tuple(_name(key) for key in descriptor),
        bounds=_bounds(parameters, descriptor, view),
        bins=(parameters.bins,) * len(descriptor),
        goals=_goals(parameters, len(descriptor)),
        hidden=(5, 2),
        source=f"Gymnasium, {entry_point}",
        episode_seed=parameters.episode_seed,
        renders=renders,
    )
    return GymnasiumTask(parameters, descriptor, facts, _libraries(entry_point))


def _tried(parameters: GymnasiumParameters, kind: str) -> tuple[View, tuple[int | str, ...], bool]:
    """How numbers are translated and where measures are found, after a reset that went well.

    And whether the environment says that it renders pixels.
    """
    environment = make(kind, parameters.kwargs)
    try:
        view = view_of(environment)
        descriptor = _descriptor(parameters, environment, view)
        renders = RGB in (environment.metadata or {}).get("render_modes", ())
        probe = Episode(environment, descriptor)
        if probe.reset(0):
            raise RuntimeError(probe.reason)
    except ConfigError:
        raise
    except Exception as error:  # whatever an environment may raise
        raise ConfigError(f"task: {kind} cannot be used ({told(error)}).") from error
    finally:
        with contextlib.suppress(Exception):
            environment.close()
    return view, descriptor, renders


def _descriptor(
    parameters: GymnasiumParameters, environment: Any, view: View
) -> tuple[int | str, ...]:
    """Where each measure is found, checked against the environment."""
    n = len(view.bounds)
    descriptor = parameters.descriptor or _first_two(parameters, view)
    if len(set(descriptor)) < len(descriptor):
        raise ConfigError(f"task.descriptor: expected each entry once, got {list(descriptor)}.")
    named = any(isinstance(key, str) for key in descriptor)
    info = _numbers_in_info(environment, view) if named else set()
    for i, key in enumerate(descriptor):
        if isinstance(key, str) and key not in info:
            known = ", ".join(sorted(info)) or "none"
            raise ConfigError(
                f"task.descriptor.{i}: expected an index, or the name of a number that `info` has "
                f"from the reset on (here: {known}), got {key!r}."
            )
        if isinstance(key, int) and not 0 <= key < n:
            raise ConfigError(
                f"task.descriptor.{i}: expected an index of the {n} observed numbers, 0 to "
                f"{n - 1}, got {key}."
            )
    return descriptor


def _first_two(parameters: GymnasiumParameters, view: View) -> tuple[int, ...]:
    """The first two observed numbers; where no bounds are given, the first two that have some."""
    bounded = tuple(i for i, pair in enumerate(view.bounds) if pair is not None)
    every = tuple(range(len(view.bounds)))
    return (bounded if bounded and parameters.bounds is None else every)[:2]


def _numbers_in_info(environment: Any, view: View) -> set[str]:
    """Names of the numbers in `info`, both at a reset and after a step."""
    _, before = environment.reset(seed=0)
    *_, after = environment.step(view.action(np.zeros(view.n_acts, np.float32)))
    return {k for k in before.keys() & after.keys() if _is_number(before[k], after[k])}


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int | float | np.number | np.bool_) for value in values)


def _bounds(
    parameters: GymnasiumParameters, descriptor: tuple[int | str, ...], view: View
) -> tuple[tuple[float, float], ...]:
    """The range of each measure: as given, else the observation space's."""
    given = parameters.bounds
    if given is None:
        own = [None if isinstance(key, str) else view.bounds[key] for key in descriptor]
        for key, pair in zip(descriptor, own, strict=True):
            if pair is None:
                raise ConfigError(
                    f"task.bounds: missing; {_name(key)} has no bounds of its own. Give the range "
                    f"of coverage, one pair for each of {list(descriptor)}: [[low, high], …]."
                )
        return tuple(pair for pair in own if pair is not None)
    if len(given) != len(descriptor):
        raise ConfigError(
            f"task.bounds: expected {len(descriptor)} pairs, one for each of {list(descriptor)}, "
            f"got {len(given)}."
        )
    for i, (low, high) in enumerate(given):
        if not low < high:
            raise ConfigError(f"task.bounds.{i}: expected low < high, got {[low, high]}.")
    return given


def _goals(parameters: GymnasiumParameters, n_measures: int) -> tuple[Goal, ...]:
    """The discs, checked."""
    goals = parameters.goals
    if len({goal.name for goal in goals}) < len(goals) or len(goals) > MOST_GOALS:
        raise ConfigError(
            f"task.goals: expected at most {MOST_GOALS} with different names, got {len(goals)}."
        )
    for i, goal in enumerate(goals):
        if len(goal.centre) != n_measures:
            raise ConfigError(
                f"task.goals.{i}.centre: expected {n_measures} numbers, one a measure, got "
                f"{list(goal.centre)}."
            )
    return tuple(Goal(goal.name, goal.centre, goal.radius) for goal in goals)


def _name(key: int | str) -> str:
    """A measure's name."""
    return key if isinstance(key, str) else f"observation {key}"


def _where(entry_point: Any) -> str:
    """module:name of what makes an environment."""
    if isinstance(entry_point, str):
        return entry_point
    return f"{entry_point.__module__}:{getattr(entry_point, '__qualname__', '')}"


def _libraries(entry_point: str) -> tuple[str, ...]:
    """The simulators, and the distribution that brings the environment."""
    package = entry_point.partition(":")[0].partition(".")[0]
    owners = () if package == "gymnasium" else _owners(package)
    return tuple(dict.fromkeys([*SIMULATORS, *owners]))


@functools.cache
def _owners(package: str) -> tuple[str, ...]:
    """The distributions that bring a package; looking takes half a second."""
    return tuple(packages_distributions().get(package, []))

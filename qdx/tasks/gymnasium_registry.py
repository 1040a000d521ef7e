"""Environments by id: looked up in Gymnasium's registry, which installed packages add to.

Before its version 1, Gymnasium let packages register environments through entry points of the group
`gymnasium.envs`; since then it wants their module imported, which a config must not ask for. Many
packages still have the entry point, and here it is still called, when an id is not known.
"""

from __future__ import annotations

import difflib
import functools
import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

import gymnasium
from gymnasium.envs import registration
from gymnasium.envs.registration import EnvSpec

from qdx.core.errors import ConfigError

GROUP = "gymnasium.envs"
NO_NAMESPACE = ("__root__", "__internal__")  # names of entry points; others are put before the ids
LETTERS = 200  # of what an exception says


def registered(kind: str) -> EnvSpec:
    """What the registry has for gymnasium:<Id>.

    Raises:
        ConfigError: The id is not in the registry, or names a module to import.
    """
    id_ = kind.partition(":")[2]
    if ":" in id_:
        raise ConfigError(
            f"task.kind: expected gymnasium:<Id>, got {kind!r}. A config imports no module; a "
            f"package registers its environments through the entry-point group {GROUP!r}."
        )
    problems = () if id_ in gymnasium.registry else _ask_packages()
    if id_ not in gymnasium.registry:
        near = difflib.get_close_matches(id_, gymnasium.registry, n=1)
        hint = f" Did you mean 'gymnasium:{near[0]}'?" if near else ""
        failed = f" Some packages could not register theirs: {'; '.join(problems)}."
        raise ConfigError(
            f"task.kind: expected gymnasium:<Id> of a registered environment, got {kind!r}."
            f"{hint}{failed if problems else ''}"
        )
    return gymnasium.registry[id_]


def make(kind: str, kwargs: Mapping[str, Any]) -> Any:
    """A new environment, without a time limit of its own.

    Raises:
        ConfigError: It is unknown, or cannot be made.
    """
    spec = registered(kind)
    try:
        return gymnasium.make(spec, max_episode_steps=-1, disable_env_checker=True, **kwargs)
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise ConfigError(
            f"task: {kind} needs a package that is not installed ({told(error)}). Environments of "
            "MuJoCo need: pip install 'qdx[mujoco]'"
        ) from error
    except Exception as error:  # whatever an environment may raise
        raise ConfigError(f"task: {kind} cannot be made ({told(error)}).") from error


def told(error: Exception) -> str:
    """An exception in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return text if len(text) <= LETTERS else text[:LETTERS] + "…"


@functools.cache
def _ask_packages() -> tuple[str, ...]:
    """Let all installed packages register their environments, once; what went wrong."""
    problems = []
    for point in entry_points(group=GROUP):
        registration.current_namespace = None if point.name in NO_NAMESPACE else point.name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of environments that importing it registered too
                register = point.load()
                if callable(register):
                    register()
        except Exception as error:  # an installed package may raise anything
            problems.append(f"{point.value} ({told(error)})")
        finally:
            registration.current_namespace = None
    return tuple(problems)

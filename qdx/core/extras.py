"""Packages that only some tasks and exports need."""

from __future__ import annotations

import importlib
from typing import Any

from qdx.core.errors import ConfigError


def need(module: str, *, extra: str, of: str) -> Any:
    """A module of an optional package, imported now.

    Args:
        module: Its dotted name.
        extra: The extra of qdx that installs it.
        of: Who needs it, as the user wrote it.

    Raises:
        ConfigError: It is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigError(
            f"{of} needs {package}, which cannot be imported ({error}). Install it with: "
            f"pip install 'qdx[{extra}]'"
        ) from error

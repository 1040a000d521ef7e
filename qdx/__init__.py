"""qdx: quality-diversity exploration campaigns.

Names are resolved on use: `import qdx` pulls in neither torch, Warp, Dask nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qdx.api import Campaign, Elite, Run, evaluate, n_genes, run
    from qdx.api import open_run as open
    from qdx.signatures.transform import signature

__version__ = "0.1.0"
__all__ = ["Campaign", "Elite", "Run", "evaluate", "n_genes", "open", "run", "signature"]

_HOMES = {name: ("qdx.api", name) for name in __all__} | {
    "open": ("qdx.api", "open_run"),
    "signature": ("qdx.signatures.transform", "signature"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qdx' has no attribute {name!r}")
    home, there = _HOMES[name]
    return getattr(importlib.import_module(home), there)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""A config of several islands: what they have in common, and what is each one's own.

budget: 10000
task: hard_maze
islands:
  exchange: 10
  each:
    - {seed: 1, searcher: map_elites}
    - {seed: 2, searcher: cma_me}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qdx.assembly.written import assign
from qdx.core.types import Json

SHARED = ("islands", "island")  # what cannot be an island's own
Given = Sequence[tuple[list[str], Any]]  # keys and values of a command line


def of_island(raw: Json, name: str, problems: list[str], given: Given = ()) -> Json:
    """The config of the island that `island` names; any other config as it is.

    Args:
        raw: As it was written, what was given in it.
        name: Of the file, which names the folder of the islands where nothing else does.
        problems: What is wrong is added, a sentence each.
        given: Keys and values of the command line, which stand above what is an island's own.
    """
    islands = raw.get("islands")
    if not isinstance(islands, Mapping) or "each" not in islands:
        return raw
    each, island = islands["each"], raw.get("island", 0)
    if not isinstance(each, list) or not all(isinstance(own, Mapping) for own in each):
        problems.append(
            f"islands.each: expected a list of what is each island's own, got {each!r}."
        )
        return {key: value for key, value in raw.items() if key != "islands"}
    problems += [
        f"islands.each: expected {key} beside each, for all islands, got it in the section of "
        f"island {i}."
        for i, own in enumerate(each)
        for key in SHARED
        if key in own
    ]
    own = each[island] if isinstance(island, int) and 0 <= island < len(each) else {}
    shared = {key: value for key, value in islands.items() if key != "each"}
    shared.setdefault("n", len(each))
    shared.setdefault("folder", f"archives/{raw.get('name') or name or 'islands'}-exchange")
    merged = {**raw, **own}
    for path, value in given:
        assign(merged, path, value)
    return {**merged, "island": island, "islands": shared}

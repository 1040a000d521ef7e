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

from collections.abc import Mapping

from qdx.core.types import Json


def of_island(raw: Json, name: str, problems: list[str]) -> Json:
    """The config of the island that `island` names; any other config as it is.

    Args:
        raw: As it was written.
        name: Of the file, which names the folder of the islands where nothing else does.
        problems: What is wrong is added, a sentence each.
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
    own = each[island] if isinstance(island, int) and 0 <= island < len(each) else {}
    shared = {key: value for key, value in islands.items() if key != "each"}
    shared.setdefault("n", len(each))
    shared.setdefault("folder", f"archives/{raw.get('name') or name or 'islands'}-exchange")
    return {**raw, **own, "islands": shared}

"""What follows from a tree of seed chains: the digest that a policy is known by, and its depth."""

from __future__ import annotations

import functools
import hashlib

from qdx.core.types import Lineage

KEY_BYTES = 16


class Chains:
    """What is derived from a tree: per id its row, the digest of its chain, its mutations."""

    def __init__(self, tree: Lineage) -> None:
        self.row: dict[int, int] = dict(zip(tree.ids.tolist(), range(len(tree)), strict=True))
        self.key: dict[int, bytes] = {}
        self.depth: dict[int, int] = {}
        for id_ in self.row:
            self._visit(tree, id_)

    def _visit(self, tree: Lineage, id_: int) -> None:
        """A node after its ancestors, without recursion: lineages are long."""
        ahead = []
        while id_ >= 0 and id_ not in self.key:
            ahead.append(id_)
            id_ = int(tree.parents[self.row[id_]])
        for node in reversed(ahead):
            at = self.row[node]
            parent, own = int(tree.parents[at]), tree.seeds[at].tobytes()
            if parent >= 0:
                own = self.key[parent] + own + tree.sigmas[at].tobytes()
            self.key[node] = hashlib.blake2b(own, digest_size=KEY_BYTES).digest()
            self.depth[node] = self.depth[parent] + 1 if parent >= 0 else 0


@functools.lru_cache(maxsize=8)
def chains_of(tree: Lineage) -> Chains:
    """Derived once for all rows of a batch; a lineage is known by its identity."""
    return Chains(tree)

"""Candidate neighbours by matrix product and top-k on any device of torch that has float64.

`qdx.archives.neighbours` loads it when asked to: a campaign on numpy alone never imports torch.
"""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray as Array

from qdx.archives.neighbours_scan import reach

CELLS = 2**27  # entries of one product: 1 GiB of float64


@final
class TorchScan:
    """A `qdx.archives.neighbours_scan.Scan` on a device, which keeps a copy of the points there.

    The rows it has seen must not move: a new set of places needs a new scan.

    Args:
        device: As torch writes it: "cpu", "cuda", "cuda:1".
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._points = torch.empty((0, 0), dtype=torch.float64, device=self._device)
        self._n = 0

    def __call__(
        self,
        points: Float32[Array, "N D"],
        squares: Float64[Array, " N"],
        queries: Float64[Array, "B D"],
        k: int,
        bound: Float64[Array, " B"],
    ) -> Int64[Array, "B C"]:
        """See `Scan`; `bound` is not needed, since top-k finds its own."""
        del bound
        with torch.inference_mode():
            self._copy(points)
            norms = torch.from_numpy(squares).to(self._device)
            n_rows = max(1, CELLS // len(points))
            tables = [
                self._candidates(queries[start : start + n_rows], norms, k)
                for start in range(0, len(queries), n_rows)
            ]
        width = max(table.shape[1] for table in tables)
        return np.concatenate(
            [
                np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1)
                for table in tables
            ]
        )

    def _copy(self, points: Float32[Array, "N D"]) -> None:
        """Brings the rows added since the last call to the device."""
        n, dimension = points.shape
        if n > len(self._points):
            grown = torch.empty((2 * n, dimension), dtype=torch.float64, device=self._device)
            if self._n:
                grown[: self._n] = self._points[: self._n]
            self._points = grown
        self._points[self._n : n] = torch.from_numpy(points[self._n :]).to(self._device)
        self._n = n

    def _candidates(
        self, queries: Float64[Array, "B D"], norms: torch.Tensor, k: int
    ) -> Int64[Array, "B C"]:
        """Top-k, wider for the rows where the k-th may tie with the last one fetched."""
        places = self._points[: self._n]
        query_squares = np.einsum("bd,bd->b", queries, queries)
        table = np.full((len(queries), 0), -1, np.int64)
        rows, width = np.arange(len(queries)), min(k + 1, self._n)
        on_device = torch.from_numpy(queries).to(self._device)
        values = torch.addmm(norms, on_device, places.T, alpha=-2.0)  # |p|² - 2x·p
        while len(rows):
            some = (
                values
                if len(rows) == len(queries)
                else values[torch.from_numpy(rows).to(self._device)]
            )
            lowest, members = torch.topk(some, width, dim=1, largest=False)
            wider = width - table.shape[1]
            table = np.pad(table, ((0, 0), (0, wider)), constant_values=-1)
            table[rows] = members.cpu().numpy()
            if width == self._n:
                break
            last, kth = lowest[:, -1].cpu().numpy(), lowest[:, k - 1].cpu().numpy()
            rows = rows[last <= reach(kth, query_squares[rows], places.shape[1])]
            width = min(2 * width, self._n)
        return table

"""What a config may say of each archive; light, so that listing them imports nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Interval

Outside = Literal["clip", "refuse"]
Ties = Literal["keep", "replace"]
Rivals = Literal["as_fit", "fitter"]


@dataclass(frozen=True)
class NoveltyParameters:
    """An unstructured archive that keeps every admitted row.

    Attributes:
        neighbours: k of the novelty an added row is given.
        method: How neighbours are found; auto picks by dimension, size and device.
    """

    neighbours: Annotated[int, Ge(1)] = 15
    method: Literal["auto", "tree", "brute", "torch"] = "auto"


@dataclass(frozen=True)
class DominatedNoveltyParameters:
    """A bounded archive of those that are far from everybody better.

    Attributes:
        capacity: Most individuals it holds.
        neighbours: k, the nearest rivals whose mean distance an individual is judged by.
        rivals: Who those are: whoever is at least as fit (the authors' code), or fitter (their
            paper).
    """

    capacity: Annotated[int, Ge(1)] = 1024
    neighbours: Annotated[int, Ge(1)] = 3
    rivals: Rivals = "as_fit"


@dataclass(frozen=True)
class GridParameters:
    """A regular grid over the descriptor's bounds.

    Attributes:
        bins: Cells per dimension, the same for all.
        bounds: (low, high) per dimension; the task's own where not given.
        outside: What becomes of a descriptor outside the bounds; it is counted either way.
        ties: Whether an equally fit newcomer leaves the elite of a cell (keep) or takes its place
            (replace), as in the SERENE baseline, whose elites drift where nothing is rewarded.
    """

    bins: Annotated[int, Ge(1)] = 50
    bounds: tuple[tuple[float, float], ...] | None = None
    outside: Outside = "clip"
    ties: Ties = "keep"


@dataclass(frozen=True)
class CvtParameters:
    """A centroidal Voronoi tessellation of the descriptor's bounds.

    Attributes:
        cells: Number of centroids.
        samples: Uniform points clustered into them.
        bounds: (low, high) per dimension; the task's own where not given.
        outside: What becomes of a descriptor outside the bounds; it is counted either way.
        ties: Whether an equally fit newcomer leaves the elite of a cell (keep) or takes its place
            (replace).
    """

    cells: Annotated[int, Ge(2)] = 1000
    samples: Annotated[int, Ge(2)] = 50_000
    bounds: tuple[tuple[float, float], ...] | None = None
    outside: Outside = "clip"
    ties: Ties = "keep"


@dataclass(frozen=True)
class SoftGridParameters(GridParameters):
    """A grid whose cells ask for less than their elite's fitness (CMA-MAE).

    Attributes:
        learning_rate: α, how far a cell's threshold moves towards what passed it; 1 for all the
            way, as in CMA-ME, 0 for never.
        threshold_min: Where thresholds begin, below the least fitness: nothing else is kept.
    """

    learning_rate: Annotated[float, Interval(ge=0, le=1)] = 0.01
    threshold_min: float = -1.0


@dataclass(frozen=True)
class SoftCvtParameters(CvtParameters):
    """A tessellation whose cells ask for less than their elite's fitness (CMA-MAE).

    Attributes:
        learning_rate: α, how far a cell's threshold moves towards what passed it.
        threshold_min: Where thresholds begin, below the least fitness: nothing else is kept.
    """

    learning_rate: Annotated[float, Interval(ge=0, le=1)] = 0.01
    threshold_min: float = -1.0


SoftParameters = SoftGridParameters | SoftCvtParameters
CellsParameters = GridParameters | CvtParameters

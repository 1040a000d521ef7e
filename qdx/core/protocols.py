"""The interfaces between the rooms: when each method is called and what it must guarantee.

A class of qdx is one of these protocols or a final leaf. NumPy crosses these doors: no tensor, Warp
array, Dask future, Ray object or `ribs` archive is a parameter or a result.

The grammar of a generation, as `campaign/loop.py` writes it:

    genomes     = searcher.ask()
    outcomes    = executor(rollout, genomes)
    evaluations = (genomes, outcomes, descriptor.describe(outcomes.observations))
    admitted    = searcher.admit(evaluations)
    verdicts    = archive.add(evaluations of those ids) for each archive named in `admitted`
    searcher.tell(evaluations, verdicts)
    lesson      = searcher.lesson()
    if lesson:    descriptor.learn(...), then everything is redescribed
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float32, Float64, Int32, Int64, Shaped
from numpy import ndarray as Array

from qdx.core.task_facts import Ceiling, Scenery, TaskFacts
from qdx.core.types import Described, Evaluations, Genomes, Json, Outcomes, State, Verdict

Observations = Mapping[str, Shaped[Array, "B ..."]]
Bounds = tuple[tuple[float, float], ...]
Describe = Callable[[Int64[Array, " B"]], Described]


class MemberChanges(NamedTuple):
    """Ids to remove, then ids to append, to bring the last commit of an archive up to date."""

    added: Int64[Array, " A"]
    removed: Int64[Array, " R"]


@runtime_checkable
class Stateful(Protocol):
    """A part of a campaign that a resume must bring back."""

    def state(self) -> State:
        """Everything the part's future depends on. Called at every commit: keep it small."""
        ...

    def restore(self, state: State) -> None:
        """Continue as the part that gave `state`. Called once, on a freshly built part."""
        ...


@runtime_checkable
class Task(Protocol):
    """A world. Fused tasks add their kernel functions (`tasks/fused.py`)."""

    @property
    def facts(self) -> TaskFacts:
        """Names, sizes and goals; cheap, no world is built."""
        ...

    def ceiling(self) -> Ceiling | None:
        """Computed from the geometry on request; None where unknown."""
        ...

    def scenery(self) -> Scenery:
        """What pictures are drawn on; built on request."""
        ...


@runtime_checkable
class Observer(Protocol):
    """What an episode leaves behind: fixed, pure, computed where the episode ran.

    Samples are the ground-truth measures. An observer whose class says `samples_of = "sketch"` is
    given the numbers a frame is drawn from instead, (B, S, K) with a K for each name in
    `facts.sketch`; a task that cannot draw its frames again gives the frames, (B, S, H, W, 3)
    uint8.
    """

    def steps(self, horizon: int) -> Int64[Array, " S"]:
        """Steps after which the ground-truth measures are sampled, ascending; 0 is the start.

        After an early end the remaining samples repeat the last state.
        """
        ...

    def observations(
        self, samples: Float32[Array, "B S M"], lengths: Int32[Array, " B"], facts: TaskFacts
    ) -> Observations:
        """What travels back to the campaign, under the observer's own name.

        A row does not depend on the rows around it. Rows of failed episodes may hold anything, NaN
        too, and must not raise.

        Args:
            samples: The measures after `steps(facts.horizon)`.
            lengths: Steps each episode was alive.
            facts: The task's.
        """
        ...

    def bounds(self, facts: TaskFacts) -> Bounds:
        """(low, high) of each number an episode leaves behind; infinite where it has no range.

        Raises:
            ConfigError: The task has nothing for this observer.
        """
        ...


@runtime_checkable
class Rollout(Protocol):
    """Runs episodes: a picklable function that opens kernels and tables once per process."""

    def __call__(self, genomes: Genomes) -> Outcomes:
        """Row by row; the result of a row does not depend on the rows around it.

        A genome that cannot be evaluated comes back as `failed` with NaN fitness, never as an
        exception.
        """
        ...


@runtime_checkable
class Divisible(Protocol):
    """A rollout that readies a batch once and runs it in pieces, side by side in one process."""

    def divide(
        self, genomes: Genomes, size: int
    ) -> tuple[list[Callable[[], None]], Callable[[], Outcomes]]:
        """Pieces of about `size` rows, and what gives the outcomes when all of them have run.

        Pieces may run in any order and on any thread. The outcomes are those of a call with the
        whole batch, bit for bit.
        """
        ...


@runtime_checkable
class Executor(Protocol):
    """Where a rollout runs."""

    def submit(self, rollout: Rollout, genomes: Genomes) -> int:
        """Start evaluating a batch; returns its ticket at once."""
        ...

    def collect(self, timeout: float | None = None) -> dict[int, Outcomes]:
        """Finished tickets and their outcomes, rows in the order of their genomes.

        Waits for at least one, up to `timeout` seconds; empty after a timeout or with nothing
        under way.

        Raises:
            RolloutError: A shard could not be evaluated at all.
        """
        ...

    def cancel(self, ticket: int) -> None:
        """Forget a batch: it is never collected. What has started may run to its end."""
        ...

    def progress(self) -> tuple[int, int]:
        """Genomes that are evaluated and genomes submitted, of the batches under way."""
        ...

    def slots(self) -> int:
        """Shards that can run at once, as far as is known just now; 0 where it is not."""
        ...

    def report(self) -> Json:
        """What befell shards since last asked, as counts; empty where nothing did.

        It stands beside the times of a generation, not in the journal: it is no part of the run.
        """
        ...

    def close(self) -> None:
        """Release the workers. Called once, also after errors."""
        ...


@runtime_checkable
class Descriptor(Stateful, Protocol):
    """Observation → point in behaviour space.

    Attributes:
        has_surprise: Whether what it describes has a surprise.
    """

    has_surprise: ClassVar[bool]

    def dimension(self) -> int:
        """D."""
        ...

    def bounds(self) -> Bounds:
        """(low, high) of each number of a descriptor; infinite where it has no range."""
        ...

    def describe(self, observations: Observations, failed: Bool[Array, " B"]) -> Described:
        """Pure: equal observations, equal bits within a space version; failed rows are NaN.

        Observations are what the observer left, and the genome by the names `genes` and `id`
        (`core.types.seen`), which only baselines look at.
        """
        ...

    def learn(self, observations: Observations) -> Json | None:
        """The space moves and its version goes up. Called only after `Searcher.lesson`.

        Returns:
            What the training came to, for the journal; None where the space stays as it is.
        """
        ...


@runtime_checkable
class Archive(Stateful, Protocol):
    """Who is kept. Holds ids; what belongs to an id lives in the record store."""

    def add(self, evaluations: Evaluations) -> Verdict:
        """Decide on the rows of a batch. Failed rows and members are refused."""
        ...

    def remove(self, ids: Int64[Array, " R"]) -> None:
        """Forget members; unknown ids are an error."""
        ...

    def redescribe(self, describe: Describe) -> None:
        """The space moved: give every member its new descriptor and settle conflicts anew."""
        ...

    def members(self) -> Int64[Array, " N"]:
        """Ids, in the archive's own canonical order."""
        ...

    def load(self, ids: Int64[Array, " N"]) -> None:
        """The members of a commit, in the order they were added. Called once, before `restore`."""
        ...

    def changes(self) -> MemberChanges:
        """Members added and removed since `committed` was last called."""
        ...

    def committed(self) -> None:
        """The last `changes` are safe."""
        ...

    def report(self) -> Json:
        """Counts for the journal: `size`, and what else the kind has to say."""
        ...


@runtime_checkable
class ArchiveView(Protocol):
    """What a searcher may see of an archive."""

    def __len__(self) -> int: ...

    def members(self) -> Int64[Array, " N"]:
        """Ids, in the archive's own canonical order: of an unstructured one, the oldest first."""
        ...

    def parents(self, n: int, *, key: int) -> Int64[Array, " n"]:
        """Ids drawn uniformly with replacement, in canonical order, keyed by `key`."""
        ...

    def neighbours(
        self,
        descriptors: Float32[Array, "B D"],
        k: int,
        *,
        exclude: Int64[Array, " B"] | None = None,
    ) -> tuple[Float64[Array, "B K"], Int64[Array, "B K"]]:
        """Distances and ids of the k nearest members, nearest first; fewer where it is small.

        `exclude` names, for each descriptor, a member that does not count: the individual itself.
        """
        ...


@runtime_checkable
class Searcher(Stateful, Protocol):
    """Who proposes. One paper per file."""

    def ask(self) -> Genomes:
        """The next batch, ids in canonical order. Repeatable until an archive or `tell` is told."""
        ...

    def admit(self, evaluations: Evaluations) -> dict[str, Int64[Array, " R"]]:
        """Ids offered to each named archive, after the batch was evaluated.

        Mostly of the batch; earlier individuals the searcher still holds may be offered too.
        """
        ...

    def tell(self, evaluations: Evaluations, verdicts: Mapping[str, Verdict]) -> None:
        """What became of the batch and of what was offered, in that order; ends the generation."""
        ...

    def lesson(self) -> Int64[Array, " L"] | None:
        """Ids to learn the behaviour space from, when it is time; called after `tell`."""
        ...

    def redescribe(self, describe: Describe) -> None:
        """The space moved: refresh whatever was derived from descriptors."""
        ...

    def report(self) -> Json:
        """Counts for the journal; may be empty."""
        ...

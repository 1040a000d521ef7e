"""Atari 2600 games through the vectoriser of the Arcade Learning Environment.

Bellemare, Naddaf, Veness & Bowling, "The arcade learning environment", JAIR 47, 2013; Machado et
al., "Revisiting the arcade learning environment", JAIR 61, 2018. All worlds of a piece are stepped
at once by ale-py's own threads, without the interpreter; networks drive them
(`rollout/networks.py`).

Two protocols. `paper`: as Such et al. (2017) evaluate, without sticky actions. `modern`: an action
is repeated with probability 0.25 (Machado et al.). Both: frames of 84 x 84, the last 4, those
before the start black; an action lasts 4 frames, the last two of which are maximised; all lives are
one episode; rewards as the game gives them; the minimal actions; `cap` actions end an episode.

Deviations from the released code of Such et al., which are the vectoriser's: 0 to 29 frames without
action at the start, not 1 to 30; frames are averaged down, not interpolated; where a game wants
FIRE to start, it is pressed for one frame and before them. FIRE is pressed only where it is the
first action after none, as in that code; the vectoriser would press it wherever there is a FIRE.

An episode follows from its seed alone: a reset with a seed loads the game anew, whatever the world
has played before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge
from jaxtyping import Bool, Float32, Int64
from numpy import ndarray as Array

from qdx.core.errors import ConfigError
from qdx.core.extras import need
from qdx.core.task_facts import Ceiling, EpisodeSeed, Scenery, TaskFacts
from qdx.tasks.stepped import Finish

FRAMES, SIDE, SKIP = 4, 84, 4
STICKY = {"paper": 0.0, "modern": 0.25}
NO_OPS = 30
UNCAPPED = 10**8  # frames: the cap is the horizon, for the vectoriser's counts frames
# Minimal actions of the games of Such et al., so that nothing is loaded to list them.
ACTIONS = {
    "amidar": 10, "assault": 7, "asterix": 9, "asteroids": 14, "atlantis": 4, "enduro": 9,
    "frostbite": 18, "gravitar": 18, "kangaroo": 18, "seaquest": 18, "skiing": 3, "venture": 18,
    "zaxxon": 18,
}  # fmt: skip


@dataclass(frozen=True)
class Atari:
    """One game.

    Attributes:
        game: As ale-py names it, such as frostbite or ms_pacman.
        protocol: `paper`, without sticky actions, or `modern`, with them.
        cap: Actions of a full episode, four frames each.
        scores: Of the coverage grid, lowest and highest.
        episode_seed: What an episode is reset with.
        threads: Of the vectoriser, for each group of slots.
    """

    game: str = "frostbite"
    protocol: Literal["paper", "modern"] = "paper"
    cap: Annotated[int, Ge(1)] = 5000
    scores: tuple[float, float] = (0.0, 10_000.0)
    episode_seed: EpisodeSeed = "per_genome"
    threads: Annotated[int, Ge(1)] = 1

    libraries: ClassVar = ("ale-py",)

    @property
    def facts(self) -> TaskFacts:
        """Raises ConfigError where the game does not exist, or ale-py is needed to know it."""
        if not self.scores[0] < self.scores[1]:
            raise ConfigError(
                f"task.scores: expected the lowest, then the highest, got {list(self.scores)}."
            )
        n_actions = ACTIONS.get(self.game) or len(minimal_actions(self.game))
        return TaskFacts(
            name="atari",
            summary="An Atari game, seen in frames; an episode is worth its score.",
            observation=("screen",),
            action=tuple(f"action {i}" for i in range(n_actions)),
            horizon=self.cap,
            measures=("score", "actions taken"),
            bounds=(self.scores, (0.0, float(self.cap))),
            bins=(50, 50),
            goals=(),
            hidden=(5, 2),
            source="Arcade Learning Environment; Such et al. 2017; Machado et al. 2018",
            episode_seed=self.episode_seed,
            policy="dqn_large",
            image=(FRAMES, SIDE, SIDE),
        )

    def slots(self, n: int) -> AtariSlots:
        """Games side by side.

        Raises:
            ConfigError: ale-py is missing, or has no such game.
        """
        return AtariSlots(self, n)

    def ceiling(self) -> Ceiling | None:
        return None

    def scenery(self) -> Scenery:
        return Scenery(None, (0.0, 0.0))


def open_ale() -> Any:
    """The package; its banner is held back.

    Raises:
        ConfigError: It is not installed.
    """
    ale = need("ale_py", extra="atari", of="task: atari")
    ale.ALEInterface.setLoggerMode(ale.LoggerMode.Error)
    return ale


def minimal_actions(game: str) -> list[int]:
    """The actions of a game.

    Raises:
        ConfigError: ale-py is missing, or has no such game.
    """
    ale = open_ale()
    known = ale.roms.get_all_rom_ids()
    if game not in known:
        raise ConfigError(
            f"task.game: expected one of ale-py's {len(known)} games, such as frostbite or "
            f"ms_pacman, got {game!r}."
        )
    emulator = ale.ALEInterface()
    emulator.loadROM(ale.roms.get_rom_path(game))
    return [int(action.value) for action in emulator.getMinimalActionSet()]


@final
class AtariSlots:
    """Games of one piece; the interface is `Slots` of `rollout/slots.py`.

    All games are stepped together, those that are over too: the vectoriser has no others.
    """

    def __init__(self, task: Atari, n: int) -> None:
        actions, ale = minimal_actions(task.game), open_ale()
        self._n, self._games = n, None
        self._totals, self._t = np.zeros(n), np.zeros(n, np.int32)
        if n:
            self._games = ale.AtariVectorEnv(
                task.game,
                n,
                num_threads=min(task.threads, n),
                max_num_frames_per_episode=UNCAPPED,
                repeat_action_probability=STICKY[task.protocol],
                frameskip=SKIP,
                stack_num=FRAMES,
                noop_max=NO_OPS,
                use_fire_reset=len(actions) > 1 and actions[1] == int(ale.Action.FIRE.value),
                reward_clipping=False,  # on by default, and ruins a fitness
                episodic_life=False,
            )
        self._frames: Array | None = None

    def begin(self, slots: Int64[Array, " R"], seeds: Int64[Array, " R"]) -> Bool[Array, " R"]:
        if self._frames is None:  # a first reset is one of all
            every = np.zeros(self._n, np.int64)
            every[slots] = seeds
            self._frames, _ = self._games.reset(seed=every)  # type: ignore[attr-defined]
        else:
            mask = np.zeros(self._n, bool)
            mask[slots] = True
            self._frames, _ = self._games.reset(  # type: ignore[attr-defined]
                seed=seeds.astype(np.int64), options={"reset_mask": mask}
            )
        self._totals[slots], self._t[slots] = 0, 0
        return np.zeros(len(slots), bool)

    def observe(self, slots: Int64[Array, " R"]) -> Any:
        return self._frames

    def step(self, slots: Int64[Array, " R"], actions: Any) -> Bool[Array, " R"]:
        chosen = actions.argmax(dim=1).cpu().numpy()  # the first of equals
        games: Any = self._games
        self._frames, rewards, terminated, truncated, _ = games.step(chosen)
        self._totals[slots] += rewards[slots]
        self._t[slots] += 1
        over: Array = (terminated | truncated)[slots]
        return over

    def sample(self, slots: Int64[Array, " R"]) -> Float32[Array, "R 2"]:
        return self.measure(slots)

    def measure(self, slots: Int64[Array, " R"]) -> Float32[Array, "R 2"]:
        return np.column_stack([self._totals[slots], self._t[slots]]).astype(np.float32)

    def finish(self, slots: Int64[Array, " R"]) -> Finish:
        none = np.full(len(slots), -1)
        return Finish(self._totals[slots].astype(np.float32), none, np.full(len(slots), "", object))

    def close(self) -> None:
        if self._games is not None:
            self._games.close()

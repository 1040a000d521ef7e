"""Which claims of the Deep GA study results/ supports.

python experiments/deep_ga/check.py        # exit 0 when everything that was run holds

A claim is judged in every seed that was run; campaigns that were not run are named and judge nothing.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import Compared, judged  # noqa: E402
from drawing import Rows, frames_of, load  # noqa: E402

Found = list[Compared]


def goals(studies: dict[str, Rows], expected: dict) -> Found:
    """Who comes to the goal, and who ends no nearer to it than the dead end."""
    found = []
    for study, searchers in expected["reaches the goal"].items():
        for searcher, there in searchers.items():
            for r in studies.get(study, {}).get(searcher, []):
                text = f"{study} {searcher} seed {r['seed']}: {r['rewarded']} episodes at the goal"
                found.append(Compared((r["rewarded"] > 0) == there, text))
    for study, searchers in expected["elite at most"].items():
        for searcher, most in searchers.items():
            for r in studies.get(study, {}).get(searcher, []):
                text = f"{study} {searcher} seed {r['seed']}: elite {r['elite']}, at most {most}"
                found.append(Compared(r["elite"] <= most, text))
    return found


def orders(studies: dict[str, Rows], expected: dict) -> Found:
    """One searcher above another: in fresh episodes of the final elites, and after equal frames."""
    found = []
    for study, (better, worse) in expected["above in every seed"].items():
        by = studies.get(study, {})
        others = {r["seed"]: r for r in by.get(worse, [])}
        for r in by.get(better, []):
            if (other := others.get(r["seed"])) is None:
                continue
            one, two = r["test"]["mean"], other["test"]["mean"]
            text = f"{study} seed {r['seed']}: test of {better} {one} above {worse} {two}"
            found.append(Compared(one > two, text))
            frames = min(frames_of(r)[-1], frames_of(other)[-1])
            one, two = elite_at(r, frames), elite_at(other, frames)
            text = f"{study} seed {r['seed']}: after {frames:.0f} frames {better} {one} above {worse} {two}"
            found.append(Compared(one > two, text))
    return found


def elite_at(row: dict, frames: float) -> float:
    """Reward of the elite after so many frames."""
    return float(row["curve"][np.searchsorted(frames_of(row), frames, "right") - 1][1])


def missing(studies: dict[str, Rows], expected: dict) -> list[str]:
    """Campaigns that a claim needs and nobody has run."""
    wanted = {(s, who) for s, by in expected["reaches the goal"].items() for who in by}
    wanted |= {(s, who) for s, pair in expected["above in every seed"].items() for who in pair}
    return sorted(f"{s} {who}" for s, who in wanted if who not in studies.get(s, {}))


def main() -> int:
    studies, expected = load(HERE / "results"), json.loads((HERE / "expected.json").read_text())
    for text in missing(studies, expected):
        print("      not run:", text)
    return judged(goals(studies, expected) + orders(studies, expected), expected["known to differ"])


if __name__ == "__main__":
    sys.exit(main())

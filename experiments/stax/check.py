"""Compare results/ of the STAX study with expected.json.

    python experiments/stax/check.py                 # exit 0 when everything holds
    python experiments/stax/check.py --expect 4      # writes the part of expected.json made from another seed

`paper` in expected.json are the published figures (STAX repository, notebook figures, ±0.01): reached or passed.
`seed` are campaigns with another seed than the checked ones, with the tolerances they are held to.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import Compared, judged  # noqa: E402
from drawing import load, value  # noqa: E402


def against_paper(studies: dict, expected: dict) -> list[Compared]:
    """Coverage within the tolerance or above; rewards at least the reference's."""
    found, tolerance = [], expected["tolerance"]
    for study, by in expected["paper"].items():
        for variant, marks in by.items():
            for mark, numbers in marks.items():
                rows = [r for r in studies.get(study, {}).get(variant, []) if mark in r["at"]]
                for what, there in numbers.items() if rows else []:
                    here = float(np.mean([value(r, mark, what) for r in rows]))
                    less = tolerance["paper coverage" if what == "coverage" else "paper reading"]
                    text = f"{study} {variant} {what} at {mark}: {here:.3f} for {there:.2f}"
                    found.append(Compared(here >= there - less, text, abs(here - there)))
    return found


def against_seed(studies: dict, expected: dict) -> list[Compared]:
    """Means agree with another seed's within the tolerance of each measure.

    A goal that some of the seeds reach and others do not has no mean to compare; it is passed over.
    """
    found, tolerance = [], expected["tolerance"]
    for study, by in expected["seed"].items():
        for variant, numbers in by.items():
            mark = numbers["evaluations"]
            rows = [r for r in studies.get(study, {}).get(variant, []) if mark in r["at"]]
            for what, there in numbers["found"].items() if rows else []:
                each = [value(r, mark, what) for r in rows]
                if what != "coverage" and min(*each, there) < 0.05 < max(*each, there):
                    continue
                here = float(np.mean(each))
                allowed = tolerance["seed coverage" if what == "coverage" else "seed reward"]
                text = f"{study} {variant} {what} at {mark}: {here:.3f} for {there:.3f}"
                off = abs(here - there)
                found.append(Compared(off <= allowed, text, off))
    return found


def expect(seed: str) -> None:
    """The runs in results-of-seed-<seed>/ into expected.json, at the last mark of each."""
    path = HERE / "expected.json"
    expected = json.loads(path.read_text())
    expected["seed"] = {}
    for study, by in load(HERE, f"results-of-seed-{seed}").items():
        for variant, rows in by.items():
            mark, there = list(rows[0]["at"].items())[-1]
            numbers = {"coverage": there["coverage"]} | there["best"]
            kept = {"evaluations": mark, "found": numbers}
            expected["seed"].setdefault(study, {})[variant] = kept
    path.write_text(json.dumps(expected, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expect", metavar="SEED")
    options = parser.parse_args(arguments)
    if options.expect:
        expect(options.expect)
        return 0
    studies, expected = load(HERE), json.loads((HERE / "expected.json").read_text())
    found = against_paper(studies, expected) + against_seed(studies, expected)
    return judged(found, expected["known to differ"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Compare results/ of the SERENE study with expected.json.

    python experiments/serene/check.py                 # exit 0 when everything holds
    python experiments/serene/check.py --expect 4      # writes the part of expected.json made from another seed

`paper` in expected.json are the published figures (SERENE repository, notebook figures, ±0.01); `seed` are
means of campaigns with other seeds than the checked ones, with the tolerances they are held to.
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

MARK = "100000"  # evaluations at which seeds are compared


def against_paper(studies: dict, expected: dict) -> list[Compared]:
    """Coverage within the tolerance, SERENE's rewards at least the reference's, the same order."""
    found = []
    for study, by_searcher in expected["paper"].items():
        for searcher, marks in by_searcher.items():
            for mark, numbers in marks.items():
                rows = [r for r in studies[study].get(searcher, []) if mark in r["at"]]
                for what, there in numbers.items() if rows else []:
                    here = float(np.mean([value(r, mark, what) for r in rows]))
                    if what == "coverage":
                        ok = abs(here - there) <= expected["tolerance"]["paper coverage"]
                    elif searcher == "serene":
                        ok = here >= there - expected["tolerance"]["paper reading"]
                    else:
                        continue
                    text = f"{study} {searcher} {what} at {mark}: {here:.3f} for {there:.2f}"
                    found.append(Compared(ok, text, abs(here - there)))
        order = expected["paper order"][study]
        ranks = [
            float(np.mean([value(r, "100000", "coverage") for r in studies[study][s]]))
            for s in order
        ]
        text = " > ".join(f"{s} {x:.3f}" for s, x in zip(order, ranks, strict=True))
        ok = ranks == sorted(ranks, reverse=True)
        found.append(Compared(ok, f"{study} order of coverage at 100000: {text}"))
    return found


def against_seed(studies: dict, expected: dict) -> list[Compared]:
    """Means at 100 000 evaluations agree with another seed's, within the tolerance of each measure.

    A goal that some of the seeds reach and others do not has no mean to compare; it is passed over.
    """
    found = []
    for study, by_searcher in expected["seed"].items():
        for searcher, numbers in by_searcher.items():
            for what, there in numbers.items():
                each = [value(r, MARK, what) for r in studies[study][searcher]]
                if what != "coverage" and min(*each, there) < 0.05 < max(*each, there):
                    continue
                here = float(np.mean(each))
                allowed = expected["tolerance"][
                    "seed coverage" if what == "coverage" else "seed reward"
                ]
                text = f"{study} {searcher} {what}: {here:.3f} for {there:.3f}"
                off = abs(here - there)
                found.append(Compared(off <= allowed, text, off))
    return found


def expect(seed: str) -> None:
    """The means of the runs in results-of-seed-<seed>/ into expected.json."""
    path = HERE / "expected.json"
    expected = json.loads(path.read_text())
    studies = load(HERE / f"results-of-seed-{seed}")
    expected["seed"] = {
        study: {
            s: {"coverage": rows[0]["at"][MARK]["coverage"]} | rows[0]["at"][MARK]["best"]
            for s, rows in by.items()
        }
        for study, by in studies.items()
        if study not in expected["paper"]
    }
    path.write_text(json.dumps(expected, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--expect", metavar="SEED")
    options = parser.parse_args(arguments)
    if options.expect:
        expect(options.expect)
        return 0
    studies, expected = load(HERE / "results"), json.loads((HERE / "expected.json").read_text())
    found = against_paper(studies, expected) + against_seed(studies, expected)
    return judged(found, expected["known to differ"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

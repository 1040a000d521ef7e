"""Which claims about learned spaces results/ supports.

    python experiments/taxons/check.py       # exit 0 when all of them hold

There are no published numbers to meet: the coverage of TAXONS stands in its paper's figures alone. So the
claims are orders of mean coverage of the true space, in expected.json: `above` holds where the first
space covers at least as much as the second, less the tolerance.
"""

import json
import sys
from pathlib import Path

import numpy as np
from drawing import load

HERE = Path(__file__).parent


def against_claims(studies: dict, expected: dict) -> list[tuple[bool, str]]:
    """Each claim, study by study."""
    found = []
    for study, by in studies.items():
        means = {s: float(np.mean([r["coverage"] for r in rows])) for s, rows in by.items()}
        for better, worse in expected["above"]:
            if better in means and worse in means:
                holds = means[better] >= means[worse] - expected["tolerance"]
                found.append(
                    (
                        holds,
                        f"{study}: {better} above {worse}: {means[better]:.3f}, {means[worse]:.3f}",
                    )
                )
    return found


def main() -> int:
    studies, expected = load(HERE / "results"), json.loads((HERE / "expected.json").read_text())
    found = against_claims(studies, expected)
    known = expected["known to differ"]
    for holds, text in found:
        reason = next((why for start, why in known.items() if text.startswith(start)), "")
        print(
            "ok   " if holds else "known" if reason else "OFF  ",
            text,
            f"({reason})" if reason else "",
        )
    wrong = [t for holds, t in found if not holds and not any(t.startswith(k) for k in known)]
    print(f"{len(found)} claims, {len(wrong)} off without a known cause")
    return int(bool(wrong) or not found)


if __name__ == "__main__":
    sys.exit(main())

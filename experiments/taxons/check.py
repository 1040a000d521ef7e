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

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from campaigns import Compared, judged  # noqa: E402
from drawing import load  # noqa: E402


def against_claims(studies: dict, expected: dict) -> list[Compared]:
    """Each claim, study by study."""
    found = []
    for study, by in studies.items():
        means = {s: float(np.mean([r["coverage"] for r in rows])) for s, rows in by.items()}
        for better, worse in expected["above"]:
            if better in means and worse in means:
                holds = means[better] >= means[worse] - expected["tolerance"]
                text = f"{study}: {better} above {worse}: {means[better]:.3f}, {means[worse]:.3f}"
                found.append(Compared(holds, text))
    return found


def main() -> int:
    studies, expected = load(HERE / "results"), json.loads((HERE / "expected.json").read_text())
    return judged(against_claims(studies, expected), expected["known to differ"])


if __name__ == "__main__":
    sys.exit(main())

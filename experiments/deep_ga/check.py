"""Compare results/ of the Deep GA study with expected.json.

python experiments/deep_ga/check.py        # exit 0 when everything that was run holds
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def rows_of() -> dict[tuple[str, str], list[dict]]:
    """Campaigns by study and searcher."""
    found: dict[tuple[str, str], list[dict]] = {}
    for file in sorted((HERE / "results").glob("*.json")):
        row = json.loads(file.read_text())
        found.setdefault((row["study"], row["as"]), []).append(row)
    return found


def verdicts(rows: dict, expected: dict) -> list[tuple[bool, str]]:
    """A sentence for each claim whose campaigns were run, and whether it holds in every seed."""
    found = []
    for study, searchers in expected["reaches the goal"].items():
        for searcher, there in searchers.items():
            for row in rows.get((study, searcher), []):
                did = row["rewarded"] > 0
                text = f"{study} {searcher} seed {row['seed']}: {row['rewarded']} at the goal, elite {row['elite']}"
                found.append((did == there, text))
    for study, searchers in expected["elite at most"].items():
        for searcher, most in searchers.items():
            for row in rows.get((study, searcher), []):
                text = f"{study} {searcher} seed {row['seed']}: elite {row['elite']} for at most {most}"
                found.append((row["elite"] <= most, text))
    for study, (better, worse) in expected["above in every seed"].items():
        pairs = zip(rows.get((study, better), []), rows.get((study, worse), []), strict=False)
        for one, other in pairs:
            text = f"{study} seed {one['seed']}: {better} {one['elite']}, {worse} {other['elite']}"
            found.append((one["elite"] > other["elite"], text))
    return found


def main() -> int:
    found = verdicts(rows_of(), json.loads((HERE / "expected.json").read_text()))
    for ok, text in found:
        print("ok   " if ok else "OFF  ", text)
    wrong = sum(not ok for ok, _ in found)
    print(f"{len(found)} claims, {wrong} off")
    return int(bool(wrong) or not found)


if __name__ == "__main__":
    sys.exit(main())

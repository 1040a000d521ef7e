"""SIGKILL a campaign at seeded random moments, resume it, compare digests with the calm run.

    python experiments/kill_and_resume/run.py [--kills 50] [--seed 0] [--budget 6000] [--out results.json]
    python experiments/kill_and_resume/run.py --serene [--kills 30] [--out results-serene.json]

With --serene the kills land in bootstrap, exploitation and hand-over of SERENE, on a controller of six
genes, whose emitters stagnate soon enough to be handed over. The process writes down in which phase it dies: a
kill aimed at one must land in it, and every one of the three must be hit.
Every kill must land before the end, every resume must redo no more than one commit interval, the
archive must not be empty, and both digests must be those of the uninterrupted run. Exit code 1 else.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
SAME_SOURCE = os.environ | {"PYTHONPATH": str(HERE.parents[1])}  # for the victim as for `-m qdx`
INTERVAL = 5  # generations between commits
THREADS = (1, 2, 4)
ANYWHERE = ("rollout", "between", "writing", "clock")
PHASES = ("bootstrap", "exploitation", "handover")
PLACES = {
    "novelty_search": ANYWHERE,
    "map_elites": ANYWHERE,
    "serene": (*PHASES, *ANYWHERE),
}
SERENE = {
    "budget": 60_000,
    "task": "point",
    "policy": {"kind": "mlp", "hidden": 1, "layers": 1},
    "searcher": {"kind": "serene", "chunk": 5000, "population": 50},
}


def config(folder: Path, searcher: str, options: argparse.Namespace) -> Path:
    path = folder / f"{searcher}.yaml"
    plain = {"budget": options.budget, "task": options.task, "searcher": searcher}
    own = SERENE if searcher == "serene" else plain
    rhythm = {"generations": INTERVAL, "seconds": 1000}
    path.write_text(json.dumps({"seed": 3, **own, "checkpoint": rhythm}))  # JSON is YAML
    return path


def qdx(*arguments: object, check: bool = True) -> str:
    command = [sys.executable, "-m", "qdx", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=SAME_SOURCE
    )
    if check and done.returncode:
        raise RuntimeError(f"{command}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def summary(run: Path) -> dict:
    return json.loads(qdx("inspect", run, "--json"))


def wound(rng: random.Random, place: str, generations: int, seconds: float) -> tuple[int, float]:
    """How-manieth time and how long after, so that the kill falls inside the run."""
    count = {
        "rollout": rng.randrange(1, 5 * generations),  # at least five shards a generation
        "between": rng.randrange(1, generations),
        "writing": rng.randrange(1, 3 * generations),
        "clock": 1,
        "bootstrap": rng.randrange(1, 40),
        "exploitation": rng.randrange(1, 300),
        "handover": rng.randrange(1, 4),
    }[place]
    longest = {"between": 0.0, "writing": 0.0, "clock": 0.8 * seconds}
    return count, rng.uniform(0.0, longest.get(place, 0.002))


def strike(start: list[object], case: dict, note: Path) -> int:
    """Start the victim; its exit status is negative when a signal ended it."""
    wound = (case["place"], case["count"], case["delay_s"], note)
    victim = [sys.executable, HERE / "victim.py", *wound, "--", *start]
    done = subprocess.run(
        list(map(str, victim)), capture_output=True, timeout=600, check=False, env=SAME_SOURCE
    )
    return done.returncode


def journalled(run: Path) -> int:
    """Generations that were journalled, committed or not."""
    lines = (run / "journal.jsonl").read_bytes().split(b"\n")
    return len([line for line in lines[:-1] if line])


def one_kill(folder: Path, calm: dict, cfg: Path, case: dict) -> dict:
    """Kill, look, resume, compare."""
    run = folder / "killed"
    shutil.rmtree(run, ignore_errors=True)
    threads = f"executor.threads={case['threads']}"
    note = folder / "phase"
    note.unlink(missing_ok=True)
    status = strike(["run", cfg, threads, "--out", run], case, note)
    at_kill = summary(run)
    redone = journalled(run) - at_kill["generation"]
    qdx("resume", run, f"executor.threads={case['threads_after']}")
    resumed = summary(run)
    return case | {
        "killed": status == -signal.SIGKILL,
        "phase": note.read_text() if note.exists() else "none",
        "committed_generation": at_kill["generation"],
        "before_the_end": at_kill["evaluations"] < calm["budget"],
        "redone_generations": redone,
        "archive_size": at_kill["archive_size"],
        "same_digest": resumed["digest"] == calm["digest"],
        "same_state_digest": resumed["state_digest"] == calm["state_digest"],
    }


def is_right(result: dict) -> bool:
    return (
        result["killed"]
        and result["phase"] == (result["place"] if result["place"] in PHASES else result["phase"])
        and result["before_the_end"]
        and result["committed_generation"] > 0
        and 0 <= result["redone_generations"] <= INTERVAL
        and result["archive_size"] > 0
        and result["same_digest"]
        and result["same_state_digest"]
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=6000)
    parser.add_argument("--task", default="hard_maze")
    parser.add_argument("--serene", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calm, configs = {}, {}
        searchers = ("serene",) if options.serene else ("novelty_search", "map_elites")
        for searcher in searchers:
            configs[searcher] = config(folder, searcher, options)
            qdx("run", configs[searcher], "executor.threads=1", "--out", folder / searcher)
            calm[searcher] = summary(folder / searcher)
        for i in range(options.kills):
            searcher = searchers[i % len(searchers)]
            place = PLACES[searcher][i // len(searchers) % len(PLACES[searcher])]
            generations = calm[searcher]["generation"]
            while True:
                count, delay_s = wound(rng, place, generations, calm[searcher]["wall_s"])
                case = {
                    "searcher": searcher,
                    "place": place,
                    "count": count,
                    "delay_s": round(delay_s, 4),
                    "threads": rng.choice(THREADS),
                    "threads_after": rng.choice(THREADS),
                }
                result = one_kill(folder, calm[searcher], configs[searcher], case)
                if result["killed"] and result["before_the_end"] and result["archive_size"]:
                    break  # a kill past the end, or of an empty archive, proves nothing: aim again
            results.append(result)
            print(
                f"{i + 1:3d} {'ok ' if is_right(result) else 'BAD'} {json.dumps(result)}",
                flush=True,
            )
    right = sum(map(is_right, results))
    print(f"{right} of {len(results)} kills resumed to the uninterrupted run")
    landed = dict(sorted(Counter(result["phase"] for result in results).items()))
    missed = [phase for phase in PHASES if options.serene and phase not in landed]
    if options.serene:
        print(f"they landed in {landed}" + f", none in {', '.join(missed)}" * bool(missed))
    if options.out:
        kept = {"right": right, "landed": landed, "kills": results}
        options.out.write_text(json.dumps(kept, indent=1) + "\n")
    return 0 if right == len(results) and not missed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

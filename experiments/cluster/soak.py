"""Random SIGKILLs of workers, scheduler and campaign for some minutes; then the books are checked.

    python experiments/cluster/soak.py [--minutes 30] [--seed 0] [--workers 2] [--out soak.json]

A campaign runs on a Dask scheduler and its workers, each a process of its own on 127.0.0.1. Every few seconds
one of them, or all workers at once, is killed and started anew; a killed campaign is resumed. At the end it is
asked to stop, and a calm campaign of as many evaluations runs on threads of one process. Both digests must be
equal: then no evaluation was lost and none was counted twice. Exit code 1 else.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROLES = ("worker", "worker", "worker", "all workers", "scheduler", "campaign")
PAUSE_S = (0.0, 4.0)  # between the first generation after a kill and the next kill
PATIENCE_S = 300.0  # a campaign that makes no generation for so long hangs
CONFIG = {
    "seed": 5,
    "task": "hard_maze",
    "searcher": {"kind": "novelty_search", "population": 200},
    "checkpoint": {"generations": 2, "seconds": 1000},
}


def qdx(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "qdx", *map(str, arguments)]


class Cluster:
    """Processes that are killed and started anew."""

    def __init__(self, folder: Path, n_workers: int) -> None:
        self.folder, self.started = folder, Counter()
        self.file, self.run = folder / "scheduler.json", folder / "run"
        (folder / "config.json").write_text(json.dumps(CONFIG))  # JSON is YAML
        self.scheduler = self._scheduler()
        self.workers = [self._worker() for _ in range(n_workers)]
        self.campaign = self._campaign()

    def kill(self, role: str, rng: random.Random) -> None:
        if role == "scheduler":
            end(self.scheduler)
            self.scheduler = self._scheduler()
            everybody = range(len(self.workers))  # their scheduler has gone, and they with it
            for i in everybody:
                end(self.workers[i])
                self.workers[i] = self._worker()
        elif role == "campaign":
            end(self.campaign)
            self.campaign = self._campaign()
        else:
            some = (
                range(len(self.workers))
                if role == "all workers"
                else [rng.randrange(len(self.workers))]
            )
            for i in some:
                end(self.workers[i])
            for i in some:
                self.workers[i] = self._worker()

    def goes_on(self, generations: int) -> int:
        """Wait for a generation beyond so many; how many there are."""
        deadline = time.monotonic() + PATIENCE_S
        journal = self.run / "journal.jsonl"
        before = journal.stat().st_size if journal.exists() else 0
        while time.monotonic() < deadline:
            if self.campaign.poll() is not None:
                raise RuntimeError(
                    f"the campaign ended by itself: {(self.folder / 'qdx.log').read_text()}"
                )
            size = journal.stat().st_size if journal.exists() else 0
            if size > before:  # a resume first cuts off what was not committed
                return journal.read_bytes().count(b"\n")
            before = min(before, size)
            time.sleep(0.05)
        raise RuntimeError(f"no generation within {PATIENCE_S:g} s after {generations}")

    def stop(self) -> int:
        """Ask the campaign to commit and end; its exit code."""
        self.campaign.send_signal(signal.SIGTERM)
        try:
            return self.campaign.wait(120)
        finally:
            for process in (self.campaign, self.scheduler, *self.workers):
                end(process)

    def _scheduler(self) -> subprocess.Popen:
        self.file.unlink(missing_ok=True)
        where = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter")
        return self._start("distributed.cli.dask_scheduler", *where, "--scheduler-file", self.file)

    def _worker(self) -> subprocess.Popen:
        how = (
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            "--memory-limit",
            "0",
            "--host",
            "127.0.0.1",
        )
        where = (
            "--scheduler-file",
            self.file,
            "--local-directory",
            self.folder,
            "--death-timeout",
            "60",
        )
        return self._start(
            "distributed.cli.dask_worker", *how, *where, "--name", f"w{self.started.total()}"
        )

    def _campaign(self) -> subprocess.Popen:
        executor = f"executor={{kind: dask, scheduler_file: '{self.file}', tries: 50, shard: 25}}"
        if (self.run / "config.yaml").exists():
            return self._start("qdx", "resume", self.run)
        return self._start(
            "qdx",
            "run",
            self.folder / "config.json",
            executor,
            "budget=1000000000",
            "--out",
            self.run,
        )

    def _start(self, module: str, *arguments: object) -> subprocess.Popen:
        self.started[module] += 1
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with (self.folder / f"{module}.log").open("ab") as log:
            command = [sys.executable, "-m", module, *map(str, arguments)]
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def befell(run: Path) -> Counter:
    """What happened to shards, in all lines that a kill did not cut short."""
    counts: Counter = Counter()
    for line in (run / "timings.jsonl").read_text().splitlines():
        try:
            counts.update(json.loads(line).get("shards", {}))
        except json.JSONDecodeError:
            continue
    return counts


def inspect(run: Path) -> dict:
    done = subprocess.run(qdx("inspect", run, "--json"), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rng, kills = random.Random(options.seed), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster(folder, options.workers)
        until = time.monotonic() + 60 * options.minutes
        try:
            generations = 0
            while time.monotonic() < until:
                generations = cluster.goes_on(generations)
                time.sleep(rng.uniform(*PAUSE_S))
                role = rng.choice(ROLES)
                cluster.kill(role, rng)
                kills[role] += 1
            cluster.goes_on(generations)
        finally:
            status = cluster.stop()
        soaked = inspect(cluster.run)
        calm = (
            "run",
            folder / "config.json",
            f"budget={soaked['evaluations']}",
            "--out",
            folder / "calm",
        )
        subprocess.run(qdx(*calm), check=True, capture_output=True)
        reference = inspect(folder / "calm")
        same = [
            key
            for key in ("evaluations", "digest", "state_digest")
            if soaked[key] == reference[key]
        ]
        report = {
            "minutes": options.minutes,
            "kills": dict(kills),
            "shards": dict(befell(cluster.run)),
            "exit_code": status,
            "generations": soaked["generation"],
            "evaluations": soaked["evaluations"],
            "evaluations_of_the_calm_run": reference["evaluations"],
            "same": same,
        }
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0 if len(same) == 3 and status == 130 and soaked["generation"] > 1 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

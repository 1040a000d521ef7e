"""The scripts of configs/cluster run, without the queue that would start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from qdx.assembly.stored import StoredRun
from qdx.campaign.campaign import Campaign
from tests.campaign.processes import PATIENCE_S, ROOT, waiting

CLUSTER = ROOT / "configs" / "cluster"
SCRIPTS = sorted(CLUSTER.glob("*.sh"))
SMALL = (
    "{budget: 2500, seed: 3, task: point, searcher: novelty_search, checkpoint: {generations: 2}}"
)


class Jobs:
    """What a queue would have started: scripts in sessions of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "small.yaml").write_text(SMALL)
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CONFIG": str(folder / "small.yaml"),
            "RUN": str(folder / "run"),
            "HOST": "127.0.0.1",
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def submit(self, script: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{script}.log").open("ab") as log:
            job = subprocess.Popen(
                ["bash", CLUSTER / script, *arguments],
                cwd=self.folder,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(job)
        return job

    def end(self) -> None:
        for job in self.started:
            if job.poll() is None:
                os.killpg(job.pid, signal.SIGKILL)
                job.wait(PATIENCE_S)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    made.end()


def digests(path: Path) -> tuple[str, str]:
    run = StoredRun.open(path)
    assert run.snapshot.meta["status"] == "finished"
    return run.digest(), run.state_digest()


def calm(folder: Path) -> tuple[str, str]:
    with Campaign(folder / "small.yaml", folder / "calm") as campaign:
        campaign.run()
    return digests(folder / "calm")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_valid_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)


@pytest.mark.slow
def test_a_job_of_the_sweep_runs_its_campaign_and_a_restarted_one_ends_at_once(
    jobs: Jobs, tmp_path: Path
) -> None:
    for _ in range(2):
        job = jobs.submit("slurm_sweep.sh", SLURM_ARRAY_TASK_ID="3", SWEEP="sweep")
        assert job.wait(PATIENCE_S) == 0, (tmp_path / "slurm_sweep.sh.log").read_text()
    finished = [path.parent.name for path in (tmp_path / "sweep").glob("*/journal.jsonl")]
    assert finished == ["small-random_search-2"]


@pytest.mark.slow
def test_a_campaign_and_its_workers_find_each_other_and_survive_preemption(
    jobs: Jobs, tmp_path: Path
) -> None:
    journal = tmp_path / "run" / "journal.jsonl"
    jobs.submit("slurm_worker.sh")  # workers may come first
    campaign = jobs.submit("slurm_campaign.sh", CONFIG=str(longer(tmp_path)))
    for _ in waiting():
        if journal.exists() and journal.read_bytes().count(b"\n") >= 3:
            break
        assert campaign.poll() is None, (tmp_path / "slurm_campaign.sh.log").read_text()
    campaign.send_signal(signal.SIGTERM)
    assert campaign.wait(PATIENCE_S) == 130
    assert StoredRun.open(tmp_path / "run").snapshot.meta["status"] == "interrupted"


def longer(folder: Path) -> Path:
    path = folder / "longer.yaml"
    path.write_text(SMALL.replace("2500", "100000000"))
    return path


@pytest.mark.slow
def test_a_campaign_on_workers_of_the_queue_is_the_same_run(jobs: Jobs, tmp_path: Path) -> None:
    campaign = jobs.submit("slurm_campaign.sh")
    jobs.submit("slurm_worker.sh", SLURM_JOB_ID="1")
    assert campaign.wait(PATIENCE_S) == 0, (tmp_path / "slurm_campaign.sh.log").read_text()
    assert digests(tmp_path / "run") == calm(tmp_path)


def test_the_kubernetes_manifest_fits_together() -> None:
    documents: list[Any] = list(yaml.safe_load_all((CLUSTER / "kubernetes.yml").read_text()))
    by_kind = {(d["kind"], d["metadata"]["name"]): d for d in documents}
    assert len(by_kind) == len(documents) == 5
    service = by_kind["Service", "qdx-scheduler"]
    scheduler = by_kind["Deployment", "qdx-scheduler"]["spec"]["template"]
    assert service["spec"]["selector"] == scheduler["metadata"]["labels"]
    address = f"tcp://qdx-scheduler:{service['spec']['ports'][0]['port']}"
    (worker,) = by_kind["Deployment", "qdx-worker"]["spec"]["template"]["spec"]["containers"]
    (campaign,) = by_kind["Job", "qdx-campaign"]["spec"]["template"]["spec"]["containers"]
    assert address in worker["command"]
    assert address in campaign["args"][0]
    (volume,) = by_kind["Job", "qdx-campaign"]["spec"]["template"]["spec"]["volumes"]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert ("PersistentVolumeClaim", claim) in by_kind

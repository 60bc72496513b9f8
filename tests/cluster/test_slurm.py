"""The workflow on a real SLURM: what a lab's cluster does to its jobs, and that nothing is lost by it.

Trainings are caught in the middle by SIGSTOP, so that no machine is too fast or too slow for a case: SLURM wakes what
it ends.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from local_slurm import Cluster, NoSlurm, end_with_parent, local_slurm

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 900  # seconds, for a busy machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed: pip install -e '.[slurm]'")
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(local_slurm())
        except NoSlurm as reason:
            pytest.skip(str(reason))
        yield running


STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _nothing_outlives_a_test() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


class Study:
    """A folder in which Snakemake makes `study.yaml` on a cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        (folder / "config.yaml").write_text(yaml.safe_dump({"sources": [str(HERE / "study.yaml")]}))
        profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())
        profile["slurm-init-seconds-before-status-checks"] = 3
        profile["group-components"]["evaluations"] = 2
        profile["set-resources"]["evaluate"]["gpu"] = 1  # which nothing uses: the GPU of this cluster is an empty file
        (folder / "profile").mkdir()
        (folder / "profile/config.yaml").write_text(yaml.safe_dump(profile))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> None:
        command = [sys.executable, "-m", "snakemake", *words, "--snakefile", str(ROOT / "workflow/Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(self.folder / "config.yaml")]
        command += ["--workflow-profile", str(self.folder / "profile")]
        environment = {k: v for k, v in self.cluster.environment.items() if k != "RNNPIPE_END_WITH_PARENT"}
        with open(self.folder / "output.txt", "ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
        STARTED.append(self.process)

    def wait(self) -> int:
        assert self.process is not None
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end:\n{self.output[-4000:]}") from None

    def until_ended(self, job: str) -> None:
        end = time.monotonic() + PATIENCE
        while job in self.cluster.call("squeue", "-h", "-o", "%A").split():
            assert time.monotonic() < end
            time.sleep(0.2)

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait while Snakemake runs."""
        end = time.monotonic() + PATIENCE
        while not condition():
            running = self.process is not None and self.process.poll() is None
            assert running and time.monotonic() < end, f"it did not happen:\n{self.output[-4000:]}"
            time.sleep(0.1)

    def submitted(self, name: str) -> list[str]:
        """Numbers that SLURM gave to the jobs of this name (`rule_train/long_1`, `group_datasets`), in turn."""
        return re.findall(rf"has been submitted with SLURM jobid (\d+) \(log: \S*/{name}\S*/\d+\.log\)", self.output)

    def log(self, stage: str, name: str) -> str:
        path = self.folder / f"results/logs/{stage}/{name}.log"
        return path.read_text() if path.exists() else ""

    def hold(self, experiment: str, seed: int) -> str:
        """Stop a training in the middle, and return the number of its job."""
        self.until(lambda: re.search(r"^update +[1-9]", self.log("train", f"{experiment}/seed{seed}"), re.M))
        process = stage_process(self.folder, f"results/train/{experiment}/seed{seed}.pth")
        os.kill(process, signal.SIGSTOP)
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        return next(v.decode().partition("=")[2] for v in variables if v.startswith(b"SLURM_JOB_ID="))


def stage_process(folder: Path, output: str) -> int:
    """The process of a stage that writes a file of this folder."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = place.joinpath("cmdline").read_bytes().split(b"\0")
            if b"rnnpipe" in words and output.encode() in words and place.joinpath("cwd").readlink() == folder:
                return int(place.name)
    raise AssertionError(f"nothing writes {output}")


def finished(cluster: Cluster, job: str) -> list[dict[str, str]]:
    """What SLURM wrote down about each end of a job."""
    lines = (cluster.folder / "finished.txt").read_text().splitlines()
    rows = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
    return [row for row in rows if row["JobId"] == job]


def states(cluster: Cluster, job: str) -> list[str]:
    return [row["JobState"] for row in finished(cluster, job)]


def test_the_profile_fits_the_rules_and_the_default_profile() -> None:
    profile, default = (
        yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text()) for name in ("slurm", "default")
    )
    text = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(profile["groups"]) <= set(re.findall(r"^rule (\w+):", text, re.M))
    assert set(profile["groups"].values()) == set(profile["group-components"])
    in_turn = {rule for rule, demands in profile["set-resources"].items() if demands.get("in_turn") == 1}
    assert in_turn == set(profile["groups"]), "without it a group takes the CPUs of all its jobs and uses one"
    del default["resources"]  # the GPU of one machine
    assert default.items() <= profile.items(), "it stands in place of the default profile"


@pytest.mark.slow
def test_success_failure_time_limit_and_preemption(cluster: Cluster, tmp_path: Path) -> None:
    study = Study(tmp_path, cluster)
    study.start()

    # a time limit of one minute, for a training that hangs
    limited = study.hold("long", 1)
    cluster.call("scontrol", "update", f"JobId={limited}", "TimeLimit=1")
    # a job of a partition that goes first, and needs the whole node
    preempted = study.hold("long", 2)
    study.until(lambda: "TIMEOUT" in states(cluster, limited))
    urgent = cluster.call("sbatch", "--parsable", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "true")
    study.until(lambda: "COMPLETED" in states(cluster, urgent))

    assert study.wait() == 1, "one job fails for good"
    output = study.output

    assert len(study.submitted("rule_train/broken_1")) == 3
    limits = [finished(cluster, job)[0]["TimeLimit"] for job in study.submitted("rule_train/broken_1")]
    assert limits == ["240", "480", "720"]
    assert "the criterion was not reached" in output and "Raise learning.max_updates" in output
    assert not (tmp_path / "results/figures/learning_broken.pdf").exists()
    for name in ("figures/learning_fine.pdf", "figures/learning_long.pdf", "claims.csv"):
        assert (tmp_path / "results" / name).stat().st_size > 0, f"{name} does not need what failed"
    (evaluations,) = study.submitted("group_evaluations")  # two in one job, in turn: on one CPU and one GPU
    details = cluster.call("scontrol", "show", "job", evaluations).split()
    assert "NumCPUs=1" in details and "TresPerJob=gres:gpu:1" in details and "TimeLimit=00:20:00" in details

    first, second = study.submitted("rule_train/long_1")
    assert first == limited and states(cluster, first) == ["TIMEOUT"] and states(cluster, second)[-1] == "COMPLETED"
    assert study.submitted("rule_train/long_2") == [preempted], "SLURM itself starts it again"
    assert states(cluster, preempted)[0] == "PREEMPTED" and states(cluster, preempted)[-1] == "COMPLETED"
    for seed in (1, 2):
        assert re.match(r"continuing from .* at update [1-9]", study.log("train", f"long/seed{seed}"))
    assert not list(tmp_path.glob("results/train/long/.*.checkpoint")), "training is over"


@pytest.mark.slow
def test_a_lost_submit_process(cluster: Cluster, tmp_path: Path) -> None:
    study = Study(tmp_path, cluster)
    targets = ["results/figures/learning_fine.pdf", "results/train/long/seed1.pth"]
    study.start(*targets)
    lost = study.hold("long", 1)
    study.until(lambda: re.search(r"Finished jobid: \d+ \(Rule: figures\)", study.output))
    made = {path: path.stat().st_ino for path in tmp_path.rglob("results/*/*fine*/seed*.*") if "logs" not in path.parts}
    before = len(study.submitted(""))
    assert study.process is not None
    study.process.kill()
    study.process.wait()

    # as docs/cluster.md says: end what is left, unlock, the same command
    assert cluster.call("squeue", "-h", "-o", "%A") == lost
    page = (ROOT / "docs/cluster.md").read_text()
    (command,) = re.findall(r"^squeue .*scancel$", page, re.M)
    subprocess.run(command, shell=True, env=cluster.environment, check=True)
    study.until_ended(lost)
    study.start("--unlock")
    assert study.wait() == 0, study.output
    study.start(*targets)
    assert study.wait() == 0, study.output

    assert len(study.submitted("")) == before + 1, "only what was running is submitted again"
    assert made and made == {path: path.stat().st_ino for path in made}
    assert re.match(r"continuing from .* at update [1-9]", study.log("train", "long/seed1"))
    assert not list(tmp_path.glob("results/train/*/.*.checkpoint"))

"""A real SLURM of one node in a folder of its own: munged, slurmctld and slurmd, for as long as a command runs.

    python tests/cluster/local_slurm.py COMMAND...   # COMMAND finds this cluster's sbatch, squeue, scancel, ... first

Nothing is installed. Where the machine has no SLURM, the packages of its distribution (Debian or Ubuntu, 3.5 MB) are
unpacked into the folder. Configuration, key, sockets, state and logs lie there, too; the folder goes when the cluster
stops, and so do the daemons when this process dies. It needs no systemd and no cgroups, and can claim more CPUs and
GPUs than there are.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
COMMANDS = ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
CPUS, MEMORY_MB, GPUS = 8, 16_000, 1
PR_SET_PDEATHSIG = 1

CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# a requeued job starts again once its credential has expired: after 15 s, not 2 minutes
AuthInfo=socket={folder}/munge.socket,cred_expire=15
{loopback}
{plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
# processes are followed through /proc: no systemd, no cgroups
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# without it a job that names no memory takes the whole node
DefMemPerCPU=500
# the node has the CPUs and the memory that stand here
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_interval=2,sched_min_interval=100000,batch_sched_delay=0,bf_interval=5
# between SIGTERM and SIGKILL: the time to save
KillWait=20
OverTimeLimit=0
MinJobAge=300
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished.txt
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=batch Nodes=ALL Default=YES MaxTime=UNLIMITED PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL Default=NO MaxTime=UNLIMITED PriorityTier=10 PreemptMode=OFF
"""


class NoSlurm(Exception):
    """Why SLURM cannot be started on this machine."""


@dataclass
class Cluster:
    """A running cluster.

    `environment` is what a process needs to find it: its commands come first in PATH. `folder` holds `finished.txt`,
    a line for each job that has ended.
    """

    folder: Path
    programs: dict[str, str]
    libraries: str
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}"}

    def call(self, *words: str) -> str:
        """Output of one of SLURM's commands."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def write_configuration(self) -> None:
        host = socket.gethostname().partition(".")[0]
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            ports = [one.getsockname()[1] for one in sockets]
        configuration = CONFIGURATION.format(
            host=host,
            user=getpass.getuser(),
            folder=self.folder,
            controller_port=ports[0],
            node_port=ports[1],
            loopback="CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" if is_local(host) else "",
            plugins=f"PluginDir={self.programs['plugins']}" if self.libraries else "",
            cpus=CPUS,
            memory=MEMORY_MB,
            gpus=GPUS,
        )
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(configuration)
        (self.folder / "cgroup.conf").write_text("")
        # a GPU without a file counts as none, and an empty file is enough
        files = [self.folder / f"gpu{k}" for k in range(GPUS)]
        for file in files:
            file.touch()
        lines = ["AutoDetect=off", *(f"Name=gpu File={file}" for file in files)]
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        # SLURM_CONF in the environment is not enough: Snakemake takes SLURM's variables out of a job's
        for name in COMMANDS:
            command = self.folder / "bin" / name
            variables = f"SLURM_CONF={self.folder}/slurm.conf LD_LIBRARY_PATH={self.libraries}"
            command.write_text(f'#!/bin/sh\nexec env {variables} {self.programs[name]} "$@"\n')
            command.chmod(0o755)

    def launch(self, name: str, *words: str) -> None:
        """Start a daemon that ends with this process."""
        with open(self.folder / f"{name}.log", "wb") as log:
            daemon = subprocess.Popen(
                [self.programs[name], *words],
                env={
                    **os.environ,
                    "SLURM_CONF": f"{self.folder}/slurm.conf",
                    "LD_LIBRARY_PATH": self.libraries,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
                start_new_session=True,
            )
        self.daemons.append(daemon)

    def start(self) -> None:
        folder = self.folder
        self.write_configuration()
        self.launch(
            "munged",
            "--foreground",
            "--force",
            f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.messages",
            f"--seed-file={folder}/munged.seed",
        )
        self.wait("munged", lambda: (folder / "munge.socket").exists())
        self.launch("slurmctld", "-D", "-i")
        self.wait("slurmctld", lambda: "is UP" in self.call("scontrol", "ping"))
        self.launch("slurmd", "-D", "-N", "node", "-d", self.programs["slurmstepd"])
        self.wait("slurmd", lambda: "idle" in self.call("sinfo", "-h", "-o", "%T"))

    def wait(self, name: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.daemons[-1].poll() is None:
            with contextlib.suppress(RuntimeError):
                if condition():
                    return
            time.sleep(0.1)
        raise NoSlurm(f"{name} does not come up: {(self.folder / f'{name}.log').read_text()[-600:]}")

    def stop(self) -> None:
        """End the jobs, so that none outlives its daemon, then the daemons."""
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            for job in set(self.call("squeue", "-h", "-o", "%A").split()):
                self.call("scancel", "--full", "--signal=KILL", job)
                self.call("scancel", job)
            end = time.monotonic() + 30
            while time.monotonic() < end and self.call("squeue", "-h", "-t", "R,CG,S", "-o", "%A"):
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def is_local(host: str) -> bool:
    with contextlib.suppress(OSError):
        return socket.gethostbyname(host).startswith("127.")
    return False


def end_with_parent() -> None:
    """Between fork and exec: SIGTERM for this process when the one that started it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def unpack_packages(folder: Path) -> None:
    """Download SLURM's packages, and those that they need and the machine lacks, and unpack them into a folder."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise NoSlurm("SLURM is not installed, and this is not Debian or Ubuntu, whose packages could be unpacked")
    folder.mkdir()
    try:
        try:
            download(folder)
        except subprocess.CalledProcessError:
            if os.geteuid() != 0:  # the list of packages is missing or old, and only root renews it
                raise
            run("apt-get", "update", "-qq", cwd=folder)
            download(folder)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoSlurm(f"the packages of SLURM cannot be had ({last})") from None
    for package in folder.glob("*.deb"):
        run("dpkg", "-x", str(package), "root", cwd=folder)
        package.unlink()


def download(folder: Path) -> None:
    plan = run("apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES, cwd=folder)
    wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    run("apt-get", "download", "-qq", *wanted, cwd=folder)


def run(*words: str, cwd: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        words, cwd=cwd, env=environment, check=True, capture_output=True, text=True, timeout=300
    ).stdout


def find_programs(folder: Path) -> tuple[dict[str, str], str]:
    """Paths of daemons, commands and plugins, and where their libraries are: nowhere special if they are installed."""
    names = ("munged", "slurmctld", "slurmd", "slurmstepd", *COMMANDS)
    path = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    found = {name: shutil.which(name, path=path) for name in names}
    if all(found.values()):
        return {name: str(place) for name, place in found.items()}, ""
    unpack_packages(folder)
    root = folder / "root/usr"
    programs = {}
    for name in names:
        files = sorted((p for d in ("bin", "sbin") for p in root.glob(f"{d}/{name}*")), key=lambda p: len(p.name))
        if not files:
            raise NoSlurm(f"the packages of SLURM lack {name}")
        if files[0].name != name:  # Debian's slurmd-wlm, which works under its plain name only
            files[0].with_name(name).symlink_to(files[0].name)
        programs[name] = str(files[0].with_name(name))
    plugins = [path.parent for path in root.rglob("auth_munge.so")]
    if not plugins:
        raise NoSlurm("the packages of SLURM lack its plugins")
    programs["plugins"] = str(plugins[0])
    return programs, f"{plugins[0]}:{root}/lib/{platform.machine()}-linux-gnu"


@contextlib.contextmanager
def local_slurm() -> Iterator[Cluster]:
    """A cluster that lasts as long as the block; `NoSlurm` says why there is none."""
    if not sys.platform.startswith("linux"):
        raise NoSlurm("SLURM runs on Linux only")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # short: sockets lie in it
    try:
        cluster = Cluster(folder, *find_programs(folder / "packages"))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(words: list[str]) -> int:
    if not words:
        print(__doc__)
        return 64
    try:
        with local_slurm() as cluster:
            return subprocess.run(words, env=cluster.environment).returncode
    except NoSlurm as reason:
        print(f"no SLURM: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

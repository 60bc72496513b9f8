"""Kills at random points of the workflow, until it has borne so many; then one plain call must complete it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.running import PATIENCE, Place, cpu_seconds, processes, wait_until

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
VICTIMS = ("snakemake", "group", "stage", "stage", "stage")
"""The main process alone, it and all that it has started (a closed terminal, Ctrl-C), or one process of a stage."""
MOMENTS = ("some time", "some time", "writing", "checkpoint")
"""After some CPU time of the victim, while a file is being written, or after a training has kept a new checkpoint."""
LONGEST_LIFE = {"snakemake": 3.0, "group": 4.0, "stage": 3.5}
"""CPU seconds after which a victim is killed at the latest."""
LAST_BREATH = 2.0
"""CPU seconds in which a stage whose Snakemake has died must have saved and ended."""


@dataclass
class Kills:
    """What a campaign has done, and what it has seen."""

    counts: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    @property
    def n_kills(self) -> int:
        return sum(n for name, n in self.counts.items() if name.startswith("kill: "))


class Killer:
    """Runs the workflow in a place, again and again, and kills what it draws."""

    def __init__(self, place: Place, undisturbed: Place, seed: int, say: Callable[[str], None]) -> None:
        self.place, self.undisturbed, self.say = place, undisturbed, say
        self.rng = random.Random(seed)
        self.seen = Kills()
        self.resumed: set[tuple[str, int]] = set()

    def campaign(self, kills: int) -> Kills:
        """Kill so many times; whenever the workflow comes to its end before, begin anew."""
        while self.seen.n_kills < kills:
            self.seen.counts["unlocked"] += self.place.unlock()
            process = self.place.start()
            self._disturb(process, kills)
            status = process.wait()
            self._no_orphans()
            self._look_at_logs()
            self.seen.defects += [
                f"{name}: half-written, after kill {self.seen.n_kills}"
                for name in self.place.whole_or_absent(self.undisturbed, killed=True)
            ]
            if status == 0 and self.seen.n_kills < kills:
                self._compare()
                self.seen.counts["came to the end"] += 1
                shutil.rmtree(self.place.folder)
                self.place.folder.mkdir()
        self.seen.counts["unlocked"] += self.place.unlock()
        done = self.place.run()
        if done.returncode:
            self.seen.defects.append(f"one plain call did not complete:\n{done.stdout[-3000:]}")
        self._compare()
        again = self.place.run("--dry-run").stdout
        if "Nothing to be done" not in again:
            self.seen.defects.append(f"something is left to do:\n{again[-2000:]}")
        return self.seen

    def _compare(self) -> None:
        self.seen.defects += self.place.differences(self.undisturbed)
        self.seen.counts["compared"] += 1

    def _disturb(self, process: subprocess.Popen[str], kills: int) -> None:
        """Kill until Snakemake ends, by itself or not."""
        while self.seen.n_kills < kills and process.poll() is None:
            victim, number = self.rng.choice(VICTIMS), self.rng.choice(SIGNALS)
            moment, life = self.rng.choice(MOMENTS), self.rng.uniform(0, LONGEST_LIFE[victim])
            target = self._target(process, victim)
            if target is not None:
                target = self._wait(process, victim, target, moment, life)
            if target is None:
                continue
            n_stages = len(processes(self.place.folder)) - 1
            try:
                if victim == "group":
                    os.killpg(target, number)
                else:
                    os.kill(target, number)
            except ProcessLookupError:
                continue
            self.seen.counts[f"kill: {number.name} to {victim}"] += 1
            self.seen.counts[f"moment: {moment}"] += 1
            self.say(f"kill {self.seen.n_kills}: {number.name} to {victim}, {moment}")
            if victim == "stage":
                self._ended(target)
            elif number != signal.SIGTERM or victim == "group":  # by it alone, Snakemake waits for its jobs
                process.wait(PATIENCE)
                if victim == "snakemake":
                    self.seen.counts["stages whose Snakemake died"] += n_stages

    def _ended(self, pid: int) -> None:
        wait_until(lambda: pid not in processes(self.place.folder), f"the end of process {pid}")

    def _target(self, process: subprocess.Popen[str], victim: str) -> int | None:
        """A process of the kind drawn, once there is one."""
        while process.poll() is None:
            if victim != "stage":
                return process.pid
            stages = sorted(pid for pid in processes(self.place.folder) if pid != process.pid)
            if stages:
                return self.rng.choice(stages)
            time.sleep(0.01)
        return None

    def _wait(self, process: subprocess.Popen[str], victim: str, target: int, moment: str, life: float) -> int | None:
        """Wait for the moment drawn; whom it hits, or None if the workflow or the victim came to its end before."""
        begin = time.time()
        while process.poll() is None:
            if moment == "some time":
                if target not in processes(self.place.folder):
                    return None
                if cpu_seconds(target) >= life:
                    return target
            else:
                at_work = self._writer() if moment == "writing" else self._trainer(begin)
                if at_work is not None:
                    return at_work if victim == "stage" else target
            time.sleep(0.01)
        return None

    def _writer(self) -> int | None:
        """The process that is writing a file now."""
        for part in self.place.results.rglob(".*.part"):
            pid = int(part.name.split(".")[-2])
            if pid in processes(self.place.folder):
                return pid
        return None

    def _trainer(self, begin: float) -> int | None:
        """A process that has kept a checkpoint since then."""
        for path in self.place.results.glob("train/*/.*.checkpoint"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime > begin:
                    for pid, words in processes(self.place.folder).items():
                        if str(path.relative_to(self.place.folder)) in words:
                            return pid
        return None

    def _no_orphans(self) -> None:
        """Stages whose Snakemake is gone save what they have and end, at once."""
        left = processes(self.place.folder)
        before = {pid: cpu_seconds(pid) for pid in left}

        def gone_or_at_work() -> bool:
            alive = processes(self.place.folder)
            return all(pid not in alive or cpu_seconds(pid) > before.get(pid, 0.0) + LAST_BREATH for pid in left)

        wait_until(gone_or_at_work, "stages end with Snakemake")
        alive = processes(self.place.folder)
        for pid, words in alive.items():
            self.seen.defects.append(f"orphan after kill {self.seen.n_kills}: {' '.join(words)[:300]}")
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes(self.place.folder), "orphans die")

    def _look_at_logs(self) -> None:
        for log in self.place.results.glob("logs/**/*.log"):
            text, key = log.read_text(), (str(log), log.stat().st_mtime_ns)
            if text.startswith("continuing") and key not in self.resumed:
                self.resumed.add(key)
                self.seen.counts["continued from a checkpoint"] += 1
            # Python itself ends so when it is interrupted before it runs anything of ours
            if "Traceback" in text and not ("KeyboardInterrupt" in text and "rnnpipe/cli" not in text):
                self.seen.defects.append(f"{log}: a stack trace\n{text[-1500:]}")

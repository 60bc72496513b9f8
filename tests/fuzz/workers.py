"""Runs cases in processes that may crash, hang or run out of memory, and says what became of each."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

MEMORY = 2 * 2**30
"""Address space that a worker may take beyond what it has at its start, bytes."""
GROWTH = 400 * 2**20
"""Memory that a case may touch beyond all earlier ones of its worker, bytes; the corpus is of files below 0.1 MB."""
LIMIT = 300.0
"""Seconds after which a case hangs, on a machine that others may use, too."""
PER_WORKER = 200
"""Cases after which a worker is replaced."""

Case = Callable[[int], dict[str, Any]]
"""Runs the case of a number in the folder that it is called in, and describes it; an exception is a defect."""


def run_cases(
    case: Case, numbers: Sequence[int], n_workers: int = 2, until: float = float("inf")
) -> Iterator[dict[str, Any]]:
    """What became of each case, in the order in which they end.

    Args:
        case: What to run; its result is a dictionary of plain values.
        numbers: Numbers of the cases.
        n_workers: Processes at once.
        until: Time (of `time.monotonic`) after which none is begun.

    Yields:
        The result, with `number`; where there is none because the worker died or hung, `outcome` "killed" or "hang".
    """
    waiting = list(reversed(numbers))
    workers: dict[int, _Worker] = {}
    while waiting or workers:
        while waiting and len(workers) < n_workers and time.monotonic() < until:
            mine = [waiting.pop() for _ in range(min(PER_WORKER, len(waiting)))]
            worker = _Worker(case, mine)
            workers[worker.pipe] = worker
        if not workers:
            return
        ready, _, _ = select.select(list(workers), [], [], 0.5)
        for pipe, worker in list(workers.items()):
            if pipe in ready:
                yield from worker.results()
            if time.monotonic() > until:
                worker.left.clear()
                worker.end()
            if worker.hangs():
                worker.end()
            if worker.done:
                ended = worker.last()
                if ended is not None and time.monotonic() <= until:
                    yield ended
                waiting += reversed(worker.left)
                del workers[pipe]


class _Worker:
    """A forked process that runs cases one after another."""

    def __init__(self, case: Case, numbers: list[int]) -> None:
        self.pipe, end = os.pipe()
        self.left, self.running, self.begun, self.done = list(numbers), None, time.monotonic(), False
        self.buffer, self.hung = b"", False
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            _work(case, numbers, end)
        os.close(end)

    def results(self) -> Iterator[dict[str, Any]]:
        data = os.read(self.pipe, 2**16)
        if not data:
            self.done = True
            return
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "begin" in message:
                self.running, self.begun = message["begin"], time.monotonic()
                self.left.remove(self.running)
            else:
                self.running = None
                yield message

    def hangs(self) -> bool:
        self.hung = self.hung or (self.running is not None and time.monotonic() - self.begun > LIMIT)
        return self.hung

    def end(self) -> None:
        if not self.done:
            os.kill(self.pid, signal.SIGKILL)

    def last(self) -> dict[str, Any] | None:
        """Waits for the process; the case in which it ended, if it did not end by itself."""
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        if self.running is None:
            return None
        outcome = "hang" if self.hung else "killed"
        return {"number": self.running, "outcome": outcome, "detail": f"wait status {status}"}


def _work(case: Case, numbers: list[int], pipe: int) -> None:
    try:
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder, open(Path(folder, "said"), "w+b") as said:
            os.chdir(folder)
            for descriptor in (1, 2):
                os.dup2(said.fileno(), descriptor)
            sys.stdout = open(1, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
            for number in numbers:
                os.write(pipe, json.dumps({"begin": number}).encode() + b"\n")
                before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
                said.seek(0)
                said.truncate()
                try:
                    result = case(number)
                except BaseException as error:
                    frames = traceback.extract_tb(error.__traceback__)
                    own = [f for f in frames if "/rnnpipe/" in f.filename] or frames
                    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
                    result = {"outcome": "trace", "detail": f"{type(error).__name__} at {place}: {str(error)[:200]}"}
                    result["trace"] = "".join(traceback.format_exception(error))[-3000:]
                grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
                if grown > GROWTH and number != numbers[0]:
                    result |= {"outcome": "memory", "detail": f"{grown / 2**20:.0f} MiB, then {result.get('detail')}"}
                result |= {"number": number, "seconds": round(time.monotonic() - began, 2)}
                os.write(pipe, json.dumps(result).encode()[: 2**15] + b"\n")
    finally:
        os._exit(0)

"""How a stage's process ends: with its parent, when it is asked to, and never two on one checkpoint."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

PR_SET_PDEATHSIG = 1


def this_process() -> str:
    """What the processes that this one starts are told for `end_with_parent`: its number, and where that holds."""
    return f"{os.getpid()}@{_number_space()}"


def end_with_parent(parent: str, sig: signal.Signals = signal.SIGTERM) -> None:
    """Linux: get `sig` when the process that started this one dies, `kill -9` included; elsewhere do nothing.

    Meant for jobs of the workflow, which nobody would stop once Snakemake is gone. Called first thing in a process.

    Args:
        parent: `this_process()` of the one whose end counts, since it may be gone before this is called.
        sig: The signal.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    number, _, space = parent.partition("@")
    # a container may stand between the two, and have numbers of its own
    if number.isdigit() and os.getppid() != int(number) and space == _number_space() and not _alive(int(number)):
        os.kill(os.getpid(), sig)


def _number_space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _alive(pid: int) -> bool:
    """Whether a process runs, or at least has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that stays empty until a signal asks the process to stop; the first Ctrl-C is a request, too."""
    received: list[int] = []
    before = {s: signal.signal(s, lambda number, _: received.append(number)) for s in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupted_later() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt after the block only: for what must not be left halfway."""
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if received:
        raise KeyboardInterrupt


@contextlib.contextmanager
def only_one(path: str | Path) -> Iterator[None]:
    """Hold an exclusive lock beside `path`; wait for another process that holds it to end.

    The lock is the kernel's (flock) and goes with the process, so a stale lock file means nothing. The file is removed
    at the end. On a file system that has no locks the work goes on without one.
    """
    path = Path(path)
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(lock, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another process that works on {path}", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                print(f"no lock on {path} ({error.strerror}); make sure that nothing else works on it", flush=True)
            if not _is_at(file.fileno(), lock):
                continue  # the one we waited for has removed the file: lock the new one
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False

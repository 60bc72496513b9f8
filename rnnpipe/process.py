"""How a stage's process ends: with its parent, and never two on one checkpoint."""
import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from pathlib import Path


def end_with_parent(sig=signal.SIGTERM):
    """Linux: get `sig` when the process that started this one dies (kill -9 included)."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(1, int(sig), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() == 1:  # it died before the call
            os.kill(os.getpid(), sig)


@contextlib.contextmanager
def only_one(path):
    """Hold an exclusive lock beside `path`; wait for another holder to end."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another process on this checkpoint", flush=True)
            fcntl.flock(f, fcntl.LOCK_EX)
        yield

"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import glob
import os
import time
from collections.abc import Iterator
from pathlib import Path

from rnnpipe.errors import ArtefactError

MICROSECOND = 1000
"""In ns: dates in seconds, as Snakemake compares them, tell no less than a quarter of it apart."""


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it becomes `path` only on success.

    Raises:
        ArtefactError: The folder cannot be written or the disk is full; nothing half-written stays.
    """
    path = Path(path)
    tmp = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        # h5py and torch report a folder they cannot write to, or a full disk, in their own words
        with open(tmp, "wb"):
            pass
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be written ({error.strerror}); check the folder.") from None
    try:
        yield tmp
        with open(tmp, "rb") as file:
            os.fsync(file.fileno())
        os.replace(tmp, path)
    except OSError as error:
        if error.errno is None:  # not of the system: what was to be written could not be read
            raise
        reason = error.strerror or str(error)
        raise ArtefactError(f"{path}: cannot be written ({reason}); free space or check the folder.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(tmp)


def check_writable(*paths: str | Path) -> None:
    """Find out before long work, not after it, that a result could not be written.

    Raises:
        ArtefactError: The folder of one of the paths cannot be made or written to.
    """
    for path in map(Path, paths):
        probe = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ArtefactError(f"{path}: cannot be written ({error.strerror}); check the folder.") from None


def date_back(folder: str | Path) -> int:
    """Date files of a folder that are from the future, by a clock that was set back, just after the others of it.

    Snakemake refuses what it makes of an input from the future, since that seems older. The order of all files stays as
    it is, so that what is to be made again is found as before.

    Returns:
        How many files were dated back.
    """
    now, dates = time.time_ns(), {}
    for path in Path(folder).rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                dates[path] = path.stat().st_mtime_ns
    future = sorted({date for date in dates.values() if date > now})
    if not future:
        return 0
    last = max((date for date in dates.values() if date <= now), default=now - MICROSECOND * (len(future) + 1))
    back = {date: last + MICROSECOND * k for k, date in enumerate(future, start=1)}
    for path, date in dates.items():
        if date in back:
            with contextlib.suppress(OSError):
                os.utime(path, ns=(back[date], back[date]))
    return sum(date in back for date in dates.values())


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote `path`."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = leftover.name.split(".")[-2]
        if pid.isdigit() and not _alive(int(pid)):
            leftover.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

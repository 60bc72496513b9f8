"""Seals of our HDF5 files: whether one is as it was written, known before any library takes it apart.

The HDF5 library trusts the numbers in a file. One that a disk or a transfer has changed makes it crash, hang, or return
values that nobody wrote. So what we write ends with a seal, the SHA-256 of all that is before it, which HDF5 takes no
notice of, and a file whose seal does not hold is not opened. Any program that changes a file through HDF5 cuts the
seal off; such files, and those of others, are first read by another process, `rnnpipe.io.probe`, whose end is no other
one's.

A seal shows damage, not malice: whoever can compute a hash can seal anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from rnnpipe.errors import ArtefactError

_MARK = b"\nrnnpipe sha256 "
_SEAL = re.compile(_MARK + rb"([0-9a-f]{64})\n")
_LENGTH = len(_MARK) + 65
_BLOCK = 2**20
_known: set[tuple[int, ...]] = set()
"""Files that this process has found to be sound."""


def seal(file: BinaryIO) -> bytes:
    """What to write at the end of a file, which is open for reading."""
    file.seek(0)
    return _MARK + _digest(file, os.fstat(file.fileno()).st_size) + b"\n"


def check_sound(path: Path) -> None:
    """Check that opening a file with the HDF5 library is safe; found to be so, it is not checked again.

    Raises:
        ArtefactError: Its seal does not hold, or it has none and the library fails on it.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if key in _known:
            return
        file.seek(max(0, status.st_size - _LENGTH))
        end = file.read()
        found = _SEAL.fullmatch(end)
        file.seek(0)
        if found is None and _MARK not in end:
            _probe(path)
        elif found is None or _digest(file, status.st_size - _LENGTH) != found[1]:
            raise ArtefactError(
                f"{path}: is damaged: its content is not what its seal (SHA-256) was made of; make it again."
            )
    _known.add(key)


def _digest(file: BinaryIO, size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


def _probe(path: Path) -> None:
    # by its text, so that the probe imports h5py and numpy alone; -P: not what lies in the current folder
    code = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    limit = 60 + path.stat().st_size / 1e7
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, str(path)], stdin=subprocess.DEVNULL, capture_output=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise ArtefactError(f"{path}: is damaged: reading it takes no end; make it again.") from None
    if done.returncode != 0:
        what = done.stdout.decode(errors="replace").strip() or "the HDF5 library fails on it"
        raise ArtefactError(f"{path}: is damaged: {what}; make it again.")

"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from rnnpipe.errors import ArtefactError


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
        reason = error.strerror or str(error)
        raise ArtefactError(f"{path}: cannot be written ({reason}); free space or check the folder.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(tmp)

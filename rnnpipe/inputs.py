"""Which files a result was made of: their names and the hashes of what they held.

Every stage that reads files notes them in the provenance of what it writes, and `rnnpipe info --trace` walks back along
them (`rnnpipe.trace`). A name is noted so that equal studies in different folders of a disk have equal files.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from rnnpipe.errors import ArtefactError


def noted_inputs(out: Path, files: Iterable[tuple[str, Path | None]]) -> dict[str, list[dict[str, str]]]:
    """Entry `inputs` of a provenance: what each file is read as, its name and the SHA-256 of its bytes.

    Args:
        out: File that is made of them.
        files: What each is read as, and where it is; None is left out.

    Raises:
        ArtefactError: One cannot be read.
    """
    return {
        "inputs": [
            {"as": role, "file": noted_name(path, out), "sha256": sha256_of(path)}
            for role, path in files
            if path is not None
        ]
    }


def noted_name(path: Path, out: Path) -> str:
    """A relative path as it was given; an absolute one from the working folder, or else from the nearest one it shares.

    The root of the disk is no folder of theirs: what has only that in common is noted by its name alone.
    """
    if not path.is_absolute():
        return path.as_posix()
    place, here = Path(os.path.abspath(path)), Path.cwd()
    if here != Path(here.anchor) and place.is_relative_to(here):
        return place.relative_to(here).as_posix()
    shared = Path(os.path.commonpath([place.parent, Path(os.path.abspath(out)).parent]))
    return place.name if shared == Path(shared.anchor) else place.relative_to(shared).as_posix()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as `sha256sum` prints it.

    Raises:
        ArtefactError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}).") from None

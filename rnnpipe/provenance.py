"""What made a file: code, versions and settings, without anything that differs between two equal runs."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from rnnpipe.fingerprint import Fingerprint, library_version

LIBRARIES = ("h5py", "matplotlib", "numba", "numpy", "pandas", "scipy", "torch")

CODE_CACHE = "RNNPIPE_CODE_CACHE"
"""Variable of the environment that names the file in which the workflow keeps hashes of code, by the files' content."""


def provenance(stage: str, *modules: str) -> dict[str, str]:
    """Versions and the code hash of a stage (a module name below `rnnpipe.cli`).

    Args:
        stage: The stage.
        *modules: Modules below `rnnpipe` that it imports by name.
    """
    try:
        version = metadata.version("rnnpipe")
    except metadata.PackageNotFoundError:
        version = "checkout"
    # the workflow has read all of the code already: a job that parsed it again would take seconds to do so
    fingerprint = Fingerprint(
        Path(__file__).parents[1], "rnnpipe", (*LIBRARIES, "neurogym"), cache=os.environ.get(CODE_CACHE)
    )
    code = fingerprint(f"rnnpipe.cli.{stage}", *[f"rnnpipe.{module}" for module in modules])
    versions = {name: library_version(name) for name in LIBRARIES}
    if any(module.startswith("environments.neurogym") for module in modules):  # what few have, and is no requirement
        versions["neurogym"] = library_version("neurogym")
    return {"rnnpipe": version, "stage": stage, "code": code, "python": platform.python_version(), **versions}

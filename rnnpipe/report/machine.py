"""The machine and the checkout that a report is made with."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from rnnpipe.fingerprint import library_version

LIBRARIES = ("h5py", "jinja2", "matplotlib", "numba", "numpy", "pandas", "scipy", "snakemake", "torch")
OPTIONAL = ("neurogym", "stable-baselines3", "sb3-contrib")
"""Libraries that are told of only where they are installed."""


def versions() -> dict[str, str]:
    """Versions of what is installed here, by name."""
    found = {"rnnpipe": library_version("rnnpipe"), "python": platform.python_version()}
    found |= {name: library_version(name) for name in LIBRARIES}
    found |= {name: library_version(name) for name in OPTIONAL if library_version(name) != "elsewhere"}
    return {name: "checkout" if (name, v) == ("rnnpipe", "elsewhere") else v for name, v in found.items()}


def machine() -> dict[str, str]:
    """What this machine is, in words."""
    found = {"System": f"{platform.system()} {platform.release()}", "Processor": _processor()}
    found["Cores"] = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        found["Memory"] = f"{memory / 2**30:.1f} GiB"
    except (ValueError, OSError, AttributeError):  # no such thing on this system
        pass
    gpus = _lines("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    return {**found, "GPU": ", ".join(gpus) if gpus else "none"}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit(folder: Path) -> str:
    """The commit of a checkout and whether its files differ from it, in words."""
    head = _lines("git", "-C", str(folder), "rev-parse", "HEAD")
    top = _lines("git", "-C", str(folder), "rev-parse", "--show-toplevel")
    # an installed package, or a copy, may lie within the checkout of something else
    if not head or not top or Path(top[0]).resolve() != folder.resolve():
        return "not a git checkout"
    changed = _lines("git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no")
    if not changed:
        return head[0]
    return f"{head[0]}, with changes in {len(changed)} file{'s' if len(changed) > 1 else ''} that are not committed"


def _lines(*words: str) -> list[str]:
    """Lines that a program prints, none where it is missing or fails."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, env=environment)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []

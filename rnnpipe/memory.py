"""Keeping freed memory, so that arrays of the same size need no new pages from the kernel at every update."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # parameters of glibc's mallopt


def keep_freed_memory() -> None:
    """Ask glibc to serve arrays up to 32 MiB from a heap that it does not shrink; elsewhere do nothing.

    An update of a network makes and frees a few MB of arrays. By default each is a mapping of its own, and touching
    its pages for the first time costs a quarter of the update.
    """
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_MMAP_THRESHOLD, 32 * 2**20)
            libc.mallopt(_TRIM_THRESHOLD, 2**30)
            libc.mallopt(_TOP_PAD, 64 * 2**20)

"""Reads all of an HDF5 file, to see whether the library survives it: a program for a process of its own.

Its status is 0 unless the library crashes, a value claims more than the file can hold, or what an object has cannot be
listed, so that it cannot be read here, but could be looked up by name. Any other error that the library reports is no
concern here: whoever opens the file next will be told the same.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterable
from typing import NoReturn

import h5py

LARGEST_RATIO = 1032
"""Bytes that one byte of a deflated stream can hold."""
DEPTH = 8
ROWS = 2**20
ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError, OverflowError)


def read_group(group: h5py.Group, size: int, depth: int = 0) -> None:
    """Read the attributes and datasets of a group and of those below it."""
    read_attributes(group)
    for name in listed(group, group) if depth < DEPTH else ():
        with contextlib.suppress(*ERRORS):
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue  # no reader follows it
            item = group[name]
            if isinstance(item, h5py.Group):
                read_group(item, size, depth + 1)
            elif isinstance(item, h5py.Dataset):
                read_attributes(item)
                read_dataset(item, size)


def read_attributes(item: h5py.Group | h5py.Dataset) -> None:
    """Read the attributes of an object, one by one."""
    for name in listed(item.attrs, item):
        with contextlib.suppress(*ERRORS):
            item.attrs[name]


def listed(names: Iterable[str], of: h5py.Group | h5py.Dataset) -> list[str]:
    """The names of attributes or members of an object."""
    try:
        return list(names)
    except ERRORS:
        refuse(f"what {of.name} has cannot be listed")


def refuse(problem: str) -> NoReturn:
    """End with a sentence for the one who asked."""
    print(problem)
    sys.stdout.flush()
    os._exit(1)


def read_dataset(dataset: h5py.Dataset, size: int) -> None:
    """Read a dataset in parts, unless no reader would."""
    for dimension in dataset.dims:
        dimension.label  # noqa: B018 - reading it is the point
    if dataset.shape is None or dataset.is_virtual or dataset.external:
        return
    if dataset.nbytes > LARGEST_RATIO * size:
        refuse(f"{dataset.name} claims {dataset.nbytes} bytes, more than a file of {size} bytes can hold")
    if dataset.shape == ():
        dataset[()]
    else:
        step = max(1, ROWS * dataset.shape[0] // max(1, dataset.size))
        for start in range(0, dataset.shape[0] if dataset.size else 0, step):
            dataset[start : start + step]


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(*ERRORS), h5py.File(sys.argv[1], "r") as file:
        read_group(file, os.path.getsize(sys.argv[1]))

"""Checks of files of tensors (.pth), before and after PyTorch reads them: whole, plain, and not more than they hold.

PyTorch, told to read weights alone, runs no code of a file. But it does not look at the checksums in it, and believes
what it says of sizes. Such a file is a ZIP archive of records that are stored as they are.
"""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DEPTH = 32


def check_archive(path: Path) -> None:
    """Check that a file is an archive whose records are stored, inside it and undamaged.

    Raises:
        ValueError: It is not.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(2) != b"PK":
            raise ValueError("it is no archive of tensors")
        size = file.seek(0, 2)
        try:
            with zipfile.ZipFile(file) as archive:
                records = archive.infolist()
                if any(record.compress_type != zipfile.ZIP_STORED for record in records):
                    raise ValueError("its records are compressed, which those of rnnpipe are not")
                if sum(record.file_size for record in records) > size:
                    raise ValueError("it claims to hold more than there is")
                damaged = archive.testzip()
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError(str(error)) from None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ValueError("a record of it lies before its start") from None
    if damaged is not None:
        raise ValueError(f"its record {damaged!r} is damaged")


def check_plain(content: Any, room: int) -> None:
    """Check that a nested value is of plain values and ordinary tensors, which a file of `room` bytes can hold.

    Raises:
        ValueError: It is not.
    """
    waiting, left = [(content, 0)], room
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if isinstance(value, dict):
            waiting += [(item, depth + 1) for pair in value.items() for item in pair]
        elif isinstance(value, list | tuple):
            waiting += [(item, depth + 1) for item in value]
        elif isinstance(value, Tensor):
            if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
                raise ValueError("it holds a tensor that is not an ordinary one")
            left -= value.numel() * value.element_size()
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"it holds an object of type {type(value).__name__}")
        if depth > DEPTH or left < 0 or len(waiting) > room:
            raise ValueError("its content is larger or deeper than the file is")

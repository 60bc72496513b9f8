"""Plain variables of MATLAB files of level 5 (`save -v6` and `-v7`), read without trusting them.

Numbers, logical values and text are decoded, with every length checked against what is there; cells, structs, objects
and functions are named and never decoded. So whatever the bytes, the worst outcome is a `ValueError` (libraries that
decode everything can be made to crash by a damaged file).

Reference: MathWorks, MAT-File Format (level 5).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CHAR, _OPAQUE = 4, 17
_OTHERS = {1: "cell", 2: "struct", 3: "object", 5: "sparse", 16: "function", _OPAQUE: "object"}
_LARGEST = 2**31
"""Bytes of the largest variable that the format allows."""


def read_variables(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Plain variables as arrays of the classes they have in MATLAB, and the classes of all others, by name.

    Text is an array of rows, each a string. Of two variables of one name the later one counts.

    Raises:
        ValueError: Not such a file, or a damaged one.
    """
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it has no header of level 5")
    order = "<" if data[126:128] == b"IM" else ">"
    if data[125 if order == "<" else 124] != 1:
        raise ValueError("its header is not of level 5")
    plain: dict[str, NDArray[Any]] = {}
    others: dict[str, str] = {}
    for kind, content in _elements(memoryview(data)[128:], order):
        if kind == _COMPRESSED:
            kind, content = _unpacked(content, order)
        if kind != _MATRIX:
            raise ValueError(f"it holds an element of type {kind} where a variable should be")
        if len(content):
            name, value = _variable(content, order)
            plain.pop(name, None)
            others.pop(name, None)
            if isinstance(value, str):
                others[name] = value
            elif name:  # what has no name belongs to MATLAB's own objects
                plain[name] = value
    return plain, others


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of one element after the other."""
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise ValueError("it ends within an element")
        kind, size = struct.unpack_from(f"{order}II", data, position)
        if kind >> 16:  # a small element: size and type share four bytes, the content follows at once
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element claims {size} bytes")
            yield kind, data[position + 4 : position + 4 + size]
            position += 8
            continue
        content = data[position + 8 : position + 8 + size]
        if len(content) < size:
            raise ValueError(f"it ends within an element of {size} bytes")
        yield kind, content
        position += 8 + size + (0 if kind == _COMPRESSED else -size % 8)


def _unpacked(content: memoryview, order: str) -> tuple[int, memoryview]:
    """The one element that a compressed one holds; no more of it is unpacked than it claims to be."""
    stream = zlib.decompressobj()
    try:
        tag = stream.decompress(content, 8)
        if len(tag) < 8:
            raise ValueError("a compressed element is too short")
        kind, size = struct.unpack(f"{order}II", tag)
        if size >= _LARGEST:
            raise ValueError(f"a compressed element claims {size} bytes")
        unpacked = stream.decompress(stream.unconsumed_tail, size) if size else b""
    except zlib.error as error:
        raise ValueError(f"a compressed element cannot be unpacked: {error}") from None
    if len(unpacked) < size:
        raise ValueError("a compressed element is shorter than it claims")
    return kind, memoryview(unpacked)


def _variable(content: memoryview, order: str) -> tuple[str, NDArray[Any] | str]:
    """Name and values of a variable, or its class where that is not a plain one."""
    parts = _elements(content, order)

    def part(what: str, kinds: tuple[int, ...]) -> tuple[int, memoryview]:
        kind, data = next(parts, (0, memoryview(b"")))
        if kind not in kinds:
            raise ValueError(f"the {what} of a variable is of type {kind}")
        return kind, data

    _, flags = part("class", (6,))
    if len(flags) != 8:
        raise ValueError("the class of a variable is missing")
    (word,) = struct.unpack_from(f"{order}I", flags)
    number, logical, is_complex = word & 0xFF, bool(word & 0x200), bool(word & 0x800)
    shape: tuple[int, ...] = ()
    if number != _OPAQUE:
        _, sizes = part("shape", (5,))
        if len(sizes) % 4 or len(sizes) < 8:
            raise ValueError("the shape of a variable is missing")
        shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
        if min(shape) < 0 or len(shape) > 32 or math.prod(shape) >= _LARGEST:
            raise ValueError(f"a variable claims the shape {shape}")
    name = bytes(part("name", (1, 2, 16))[1]).decode("latin-1")
    if number in _OTHERS:
        return name, _OTHERS[number]
    if number == _CHAR:
        return name, _text(*part("text", tuple(_TEXT)), shape, order)
    if number not in _CLASSES:
        return name, f"{number} (unknown)"
    dtype = np.dtype(bool if logical else _CLASSES[number])
    values = _numbers(*part("content", tuple(_NUMBERS)), shape, order, dtype)
    if is_complex:
        imaginary = _numbers(*part("imaginary part", tuple(_NUMBERS)), shape, order, dtype)
        values = values + 1j * imaginary
    return name, values


def _numbers(kind: int, data: memoryview, shape: tuple[int, ...], order: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers as their class, from the type that they are stored as."""
    stored = np.dtype(f"{order}{_NUMBERS[kind]}")
    if len(data) != math.prod(shape) * stored.itemsize:
        raise ValueError(f"a variable of shape {shape} holds {len(data)} bytes")
    values = np.frombuffer(data, stored)
    with np.errstate(invalid="ignore"):
        return np.ascontiguousarray(values.astype(dtype).reshape(shape, order="F"))


def _text(kind: int, data: memoryview, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Rows of text."""
    encoding = _TEXT[kind]
    if not encoding.endswith(("8", "1")):
        encoding += "-le" if order == "<" else "-be"
    text = bytes(data).decode(encoding, errors="replace")
    if len(text) != math.prod(shape):
        raise ValueError(f"a text of shape {shape} holds {len(text)} characters")
    letters = np.array(list(text), dtype="U1").reshape(shape, order="F")
    rows = ["".join(row) for row in letters.reshape(-1, shape[-1])] if letters.size else []
    return np.array(rows, dtype=str).reshape(shape[:-1] if letters.size else (0,))

"""Ways to break a file: blindly, in its bytes, or knowing its format, in what it says."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import re
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import torch

from rnnpipe.io.seal import seal

SEAL = 81
"""Length of the seal at the end of an HDF5 file, bytes."""
EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
"""Integers at which counters, sizes and signs turn over."""
LARGEST = 2**24
"""Dataset that is read to be changed, bytes; those of the corpus are far smaller."""
UNWRITABLE = (ValueError, TypeError, OSError, AttributeError, RuntimeError, KeyError, OverflowError)
"""What h5py raises where it cannot write something."""
TEXTS = (
    "",
    "\0",
    "a\nb",
    "../../x",
    "/etc/passwd",
    "$(touch CANARY)",
    "'; touch CANARY; '",
    "%s%n",
    "\u202e\U0001f600",
    "x" * 70_000,
    "{",
    "[" * 100_000,
    "null",
    "NaN",
    "-1e999",
    '{"a": {}}',
    '{"__class__": 1}',
    "!!python/object:os.system",
)


class Hostile:
    """Unpickled, it would create a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


# -- bytes ---------------------------------------------------------------------------------------------------


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """One to six blind changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        data = rng.choice(_BLIND)(rng, bytearray(data))
    return bytes(data)


def _place(rng: random.Random, data: bytearray) -> int:
    """A position; half of them in the head or tail, where formats keep their tables."""
    if len(data) > 600 and rng.random() < 0.5:
        return rng.randrange(600) if rng.random() < 0.7 else len(data) - 1 - rng.randrange(600)
    return rng.randrange(len(data)) if data else 0


def _flip(rng: random.Random, data: bytearray) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        data[_place(rng, data)] ^= 1 << rng.randrange(8)
    return data


def _byte(rng: random.Random, data: bytearray) -> bytearray:
    if data:
        data[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    return data


def _number(rng: random.Random, data: bytearray) -> bytearray:
    """An integer of 2, 4 or 8 bytes, aligned as numbers mostly are, becomes one at an edge."""
    size = rng.choice((2, 4, 8))
    at = _place(rng, data) // size * size
    order = rng.choice("<<<>")
    data[at : at + size] = struct.pack(order + {2: "H", 4: "I", 8: "Q"}[size], rng.choice(EDGES) % 256**size)
    return data


def _nudge(rng: random.Random, data: bytearray) -> bytearray:
    """An integer of four bytes changes a little."""
    at = _place(rng, data) // 4 * 4
    if at + 4 <= len(data):
        (value,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, (value + rng.choice((-1000, -8, -1, 1, 8, 1000))) % 2**32)
    return data


def _truncate(rng: random.Random, data: bytearray) -> bytearray:
    return data[: rng.choice((rng.randrange(len(data) + 1), max(0, len(data) - rng.randrange(1, 64))))]


def _swap(rng: random.Random, data: bytearray) -> bytearray:
    size = rng.choice((4, 16, 64, 512))
    a, b = _place(rng, data), _place(rng, data)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return data


def _insert(rng: random.Random, data: bytearray) -> bytearray:
    at = _place(rng, data)
    data[at:at] = rng.choice(
        (rng.randbytes(rng.choice((1, 4, 8, 100))), bytes(rng.choice((1, 8, 4096))), data[at : at + 64])
    )
    return data


def _delete(rng: random.Random, data: bytearray) -> bytearray:
    at = _place(rng, data)
    del data[at : at + rng.choice((1, 4, 8, 512))]
    return data


def _blank(rng: random.Random, data: bytearray) -> bytearray:
    at, size = _place(rng, data), rng.choice((8, 64, 512, 4096))
    data[at : at + size] = bytes([rng.choice((0, 0xFF))]) * len(data[at : at + size])
    return data


_BLIND: tuple[Callable[[random.Random, bytearray], bytearray], ...] = (
    _flip,
    _flip,
    _flip,
    _byte,
    _number,
    _number,
    _nudge,
    _truncate,
    _swap,
    _insert,
    _delete,
    _blank,
)


# -- values --------------------------------------------------------------------------------------------------


def odd_value(rng: random.Random) -> Any:
    """A plain value that is hardly what is expected."""
    return rng.choice(
        (
            None,
            True,
            False,
            0,
            -1,
            1,
            10**6,
            2**63,
            -(2**63),
            10**30,
            0.0,
            -0.5,
            1e308,
            float("nan"),
            float("inf"),
            [],
            {},
            [1, 2],
            [[]],
            {"a": 1},
            {"name": "rdm_fixed"},
            rng.choice(TEXTS),
            rng.choice(TEXTS),
            b"\xff\0",
        )
    )


def mutate_tree(rng: random.Random, value: Any, odd: Callable[[random.Random], Any] = odd_value) -> Any:
    """A nested value with one change at a random depth; JSON in a string is changed as a value, too."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        what = rng.random()
        if what < 0.12:
            return {k: v for k, v in value.items() if k != key}
        if what < 0.2:
            return {**value, rng.choice(TEXTS): odd(rng)}
        return {**value, key: mutate_tree(rng, value[key], odd)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], mutate_tree(rng, value[at], odd), *value[at + 1 :]]
    if isinstance(value, str) and value.startswith("{") and rng.random() < 0.9:
        return mutate_json(rng, value)
    if isinstance(value, torch.Tensor):
        return rng.choice(_TENSORS)(rng, value)
    return odd(rng)


def mutate_json(rng: random.Random, text: str) -> str:
    """A JSON text with one change, in its values or its bytes."""
    if rng.random() < 0.2:
        return mutate_bytes(rng, text.encode()).decode("latin-1")
    return json.dumps(mutate_tree(rng, json.loads(text)), default=str)


def _dtype(rng: random.Random, value: torch.Tensor) -> torch.Tensor:
    other = rng.choice(
        (torch.int8, torch.bool, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.int64)
    )
    return value.to(other)


def _shape(rng: random.Random, value: torch.Tensor) -> torch.Tensor:
    shape = [n if rng.random() < 0.6 else rng.choice((0, 1, n + 1, 2 * n)) for n in value.shape]
    return torch.zeros(rng.choice((shape, [*shape, 1], shape[1:], shape[::-1])), dtype=value.dtype)


def _huge(rng: random.Random, value: torch.Tensor) -> torch.Tensor:
    """One number that claims to be many, by strides of zero."""
    n = rng.choice((10**4, 10**6, 2**31))
    return torch.zeros(1, dtype=value.dtype).expand(*([n] * max(1, value.dim())))


def _values(rng: random.Random, value: torch.Tensor) -> torch.Tensor:
    value = value.clone()
    if value.numel():
        edge = rng.choice((float("nan"), float("inf"), -1e30, 1e30, -1.0, 0.0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flat = value.view(-1)
            flat[rng.randrange(len(flat)) : rng.choice((len(flat), None))] = edge if value.is_floating_point() else 1
    return value


def _strange(rng: random.Random, value: torch.Tensor) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rng.choice(
            (
                lambda: value.float().to_sparse(),
                lambda: torch.empty(value.shape, device="meta"),
                lambda: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
                lambda: torch.nn.Parameter(value.float()),
                lambda: value.float().requires_grad_(),
                lambda: value.float().reshape(1, -1).to_sparse_csr(),
                lambda: value.t() if value.dim() == 2 else value[..., None],
            )
        )()


_TENSORS = (_dtype, _shape, _shape, _huge, _values, _values, _strange, lambda rng, _: odd_value(rng))


# -- formats -------------------------------------------------------------------------------------------------


def mutate_pth(rng: random.Random, data: bytes, canary: Path) -> bytes:
    """A file of tensors with one change that PyTorch itself, or an attacker, could have written."""
    buffer = io.BytesIO()
    what = rng.random()
    if what < 0.7:
        content = mutate_tree(rng, torch.load(io.BytesIO(data), weights_only=True))
        torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.9)
        return buffer.getvalue()
    if what < 0.8:
        content = torch.load(io.BytesIO(data), weights_only=True)
        content = {**content, rng.choice(list(content)): Hostile(canary)}
        if rng.random() < 0.3:
            return pickle.dumps(content)
        torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.7)
        return buffer.getvalue()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        names = old.namelist()
        chosen = rng.choice([n for n in names if n.endswith("data.pkl")] + names)
        for name in names:
            part = old.read(name)
            if name == chosen:
                bomb = rng.random()
                if bomb < 0.2:
                    part += bytes(20_000_000)
                elif bomb < 0.8:
                    part = mutate_bytes(rng, part)
                elif bomb < 0.9:
                    continue
            packed = zipfile.ZIP_DEFLATED if len(part) > 10**6 or rng.random() < 0.1 else zipfile.ZIP_STORED
            new.writestr(rng.choice((name,) * 19 + ("../" + name,)), part, packed)
    return buffer.getvalue()


def mutate_hdf5(rng: random.Random, data: bytes, canary: Path) -> bytes:
    """An HDF5 file with one to three changes that the library itself could have written."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = _changed_hdf5(rng, data, canary)
    return data


def _changed_hdf5(rng: random.Random, data: bytes, canary: Path) -> bytes:
    """One change; where the library refuses to write it, which two changes of one dataset may lead to, another one."""
    for _ in range(100):
        buffer = io.BytesIO(data)
        with contextlib.suppress(*UNWRITABLE), h5py.File(buffer, "r+") as file:
            names: list[str] = []
            file.visititems(
                lambda name, item, names=names: names.append(name) if isinstance(item, h5py.Dataset) else None
            )
            if rng.random() < 0.3 or not names:
                _attribute(rng, file)
            else:
                _dataset(rng, file, rng.choice(names), canary)
            file.close()
            return buffer.getvalue()
    raise AssertionError("every change is refused")


def _attribute(rng: random.Random, file: h5py.File) -> None:
    names = list(file.attrs)
    name = rng.choice(names) if names else "kind"
    what = rng.random()
    old = file.attrs.get(name)
    if what < 0.15 and names:
        del file.attrs[name]
        return
    if isinstance(old, str) and old.startswith("{") and what < 0.7:
        value: Any = mutate_json(rng, old).replace("\0", "")[:60_000]
    else:
        value = odd_value(rng)
        if isinstance(value, str):
            value = value.replace("\0", "")[:60_000]
        elif isinstance(value, bytes):
            value = np.bytes_(value)
        elif (
            value is None
            or isinstance(value, dict)
            or value == [[]]
            or value == []
            or not -(2**63) <= np.nan_to_num(np.max(value)) <= 2**63 - 1
        ):
            value = rng.choice(
                (h5py.Empty("f"), h5py.Empty(h5py.string_dtype()), np.zeros((0, 3)), np.array([b"\xff"]), file.ref)
            )
    file.attrs[name] = value


def _dataset(rng: random.Random, file: h5py.File, name: str, canary: Path) -> None:
    old = file[name]
    if old.shape is None or old.nbytes > LARGEST:
        raise ValueError(f"{name} has been made an impossible one")
    shape, dtype = list(old.shape), old.dtype
    values = old[()]
    what = rng.choice(
        (
            "delete",
            "shape",
            "shape",
            "dtype",
            "dtype",
            "values",
            "values",
            "values",
            "values",
            "huge",
            "link",
            "group",
            "label",
        )
    )
    if what == "values":
        if dtype.kind in "fiub" and old.size:
            flat = np.ravel(values)
            edges: tuple[float, ...] = (np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0, 1e-320)
            if dtype.kind in "iu":
                edges = (np.iinfo(dtype).max, np.iinfo(dtype).min, 0, 1, 7)
            where = slice(None) if rng.random() < 0.3 else rng.randrange(flat.size)
            with np.errstate(all="ignore"):
                flat[where] = rng.choice(edges) if dtype.kind != "b" else rng.random() < 0.5
            old[...] = flat.reshape(values.shape)
        elif old.size:
            text = rng.choice(TEXTS).replace("\0", "") if rng.random() < 0.7 else b"\xff\xfe"
            old[...] = np.full(old.shape, text, object)
        return
    if what == "label":
        for dimension in old.dims:
            dimension.label = rng.choice(("", "x", "\u202e"))
        old.attrs["unit"] = rng.choice((3, h5py.Empty("f"), np.bytes_(b"\xff"), "x" * 1000))
        return
    del file[name]
    if what == "delete":
        return
    if what == "group":
        file.create_group(name)
    elif what == "link":
        other = rng.choice((name, "/", "/nothing", name.split("/")[0]))
        file[name] = rng.choice(
            (h5py.SoftLink(other), h5py.ExternalLink(str(canary), "/x"), h5py.ExternalLink("/etc/passwd", "/"))
        )
    elif what == "huge":
        n = rng.choice((10**6, 10**9, 2**40, 2**62))
        huge = tuple(n if i == rng.randrange(max(1, len(shape))) else m for i, m in enumerate(shape)) or (n,)
        packed = {"compression": "gzip"} if rng.random() < 0.5 and np.prod([float(m) for m in huge]) < 2**62 else {}
        chunks = tuple(min(max(1, m), 16) for m in huge)
        if np.prod([float(m) for m in huge]) * 16 < 2**63:
            file.create_dataset(name, shape=huge, dtype=dtype, chunks=chunks, **packed)
    elif what == "shape":
        new = tuple(
            rng.choice(
                (
                    [m if rng.random() < 0.6 else rng.choice((0, 1, m + 1, 3 * m)) for m in shape],
                    [*shape, 1],
                    shape[1:],
                    shape[::-1],
                )
            )
        )
        if dtype.kind == "O":
            file.create_dataset(name, data=np.full(new, "a", object), dtype=h5py.string_dtype())
        else:
            file.create_dataset(
                name, data=np.resize(values, new), maxshape=(None,) * len(new) if all(new) and new else None
            )
    else:
        numbers = np.asarray(values) if dtype.kind != "O" else np.zeros(shape)
        kind = rng.choice(
            (
                "text",
                "bytes",
                "compound",
                "complex",
                "double",
                "byte",
                "enum",
                "vlen",
                "opaque",
                "external",
                "virtual",
                "long",
            )
        )
        size = tuple(shape)
        if kind == "text":
            file.create_dataset(
                name, data=np.full(size, rng.choice(TEXTS).replace("\0", "")[:1000], object), dtype=h5py.string_dtype()
            )
        elif kind == "bytes":
            file.create_dataset(name, data=np.full(size, b"\xffab", "S3"))
        elif kind == "compound":
            file.create_dataset(name, shape=size, dtype=[("a", "f8"), ("b", "i4")])
        elif kind == "enum":
            file.create_dataset(name, shape=size, dtype=h5py.enum_dtype({"A": 0, "B": 42}, basetype="i4"))
        elif kind == "vlen":
            file.create_dataset(name, shape=size, dtype=h5py.vlen_dtype(np.dtype("f4")))
        elif kind == "opaque":
            file.create_dataset(name, shape=size, dtype=np.dtype("V7"))
        elif kind == "external" and size and all(size):
            file.create_dataset(
                name,
                shape=size,
                dtype="u1" if dtype.kind == "u" else "f4",
                external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)],
            )
        elif kind == "virtual" and size and all(size):
            layout = h5py.VirtualLayout(shape=size, dtype="f4")
            layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape=size)
            file.create_virtual_dataset(name, layout)
        else:
            to = {"complex": "c16", "double": "f8", "byte": "i1", "long": "i8"}.get(kind, ">f4")
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                file.create_dataset(name, data=np.nan_to_num(numbers).astype(to))


def mutate_mat(rng: random.Random, data: bytes, _: Path) -> bytes:
    """A MATLAB file with other variables, or compressed elements that lie."""
    content = {k: v for k, v in scipy.io.loadmat(io.BytesIO(data)).items() if not k.startswith("__")}
    name = rng.choice(list(content))
    array = np.asarray(content[name])
    choice = rng.randrange(12)
    if choice == 0:
        del content[name]
    elif choice == 1:
        content[name] = rng.choice(TEXTS)[:1000] or "a"
    elif choice == 2:
        content[name] = np.zeros((2, 2), object)
    elif choice == 3:
        content[name] = {"a": array}
    elif choice == 4 and array.dtype.kind in "fiub":
        content[name] = array + 1j
    elif choice == 5:
        content[name] = np.zeros(rng.choice(((0, 0), (1, 0), (3, 3, 3), array.shape[::-1], (1, 1))))
    elif choice == 6 and array.dtype.kind in "fiub":
        content[name] = np.full(array.shape, rng.choice((np.nan, np.inf, -1.0, 1e300, 0.0, 2.5, 1e20)))
    elif choice == 7:
        content[name] = scipy.sparse.eye_array(3).tocsc()
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, content, do_compression=rng.random() < 0.4)
    made = bytearray(buffer.getvalue())
    if choice == 8:  # one variable of many zeros, which are few bytes
        stream = zlib.compressobj(9)
        head = struct.pack("<IIIIII", 14, rng.choice((2**27, 2**31 - 8, 2**32 - 8)), 6, 8, 6, 0) + struct.pack(
            "<IIII", 5, 8, 4096, 4096
        )
        packed = (
            stream.compress(head)
            + b"".join(stream.compress(bytes(2**20)) for _ in range(rng.choice((1, 100))))
            + stream.flush()
        )
        made += struct.pack("<II", 15, len(packed)) + packed
    elif choice == 9:  # dimensions of a variable that is stored as it is
        at = made.find(struct.pack("<II", 5, 8))
        if at >= 0:
            struct.pack_into(
                "<ii", made, at + 8, rng.choice((-1, 0, 2**31 - 1, 65536)), rng.choice((-1, 0, 2**31 - 1, 65536))
            )
    elif choice == 10:
        made[124:128] = rng.choice((b"\x00\x02IM", b"\x01\x00MI", b"\x00\x01XX", bytes(4)))
    elif choice == 11:
        with io.BytesIO() as hdf5:
            with h5py.File(hdf5, "w", userblock_size=512) as file:
                file["w"] = np.zeros((3, 3))
            made = bytearray(b"MATLAB 7.3 MAT-file".ljust(512) + hdf5.getvalue()[512:])
    return bytes(made)


def mutate_pickle(rng: random.Random, data: bytes, canary: Path) -> bytes:
    """Parameters with one change, or with code in them."""
    content = pickle.loads(data)  # noqa: S301 - our own
    if rng.random() < 0.2:
        return pickle.dumps({**content, "x": Hostile(canary)})
    name = rng.choice(list(content))
    array = np.asarray(content[name])
    content[name] = rng.choice(
        (
            odd_value(rng),
            np.zeros(array.shape[::-1]),
            np.full(array.shape, np.nan),
            array.astype("c16"),
            np.zeros((*array.shape, 1)),
            array.astype(object),
            np.zeros(array.shape, [("a", "f8")]),
            np.broadcast_to(np.float64(0), (10**5,) * 2)[:2],
        )
    )
    return pickle.dumps(content, protocol=rng.choice((0, 2, 4, 5)))


def mutate_npz(rng: random.Random, data: bytes, _: Path) -> bytes:
    """Arrays with headers that lie."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            part = old.read(name)
            if name == chosen:
                shape = rng.choice(
                    (b"(-1, 9)", b"(99999999999, 9)", b"(9, 9, 9)", b"()", b"(10**9,)", b"(99999, 99999)")
                )
                changed = part[:10] + part[10:].replace(b"(9, 9)", shape).replace(b"(1, 9)", shape).replace(
                    b"(9, 1)", shape
                )
                part = rng.choice(
                    (changed, mutate_bytes(rng, part), part.replace(b"<f8", b"|O8"), part.replace(b"<f8", b">c8"))
                )
            new.writestr(name, part)
    return buffer.getvalue()


def mutate_pdf(rng: random.Random, data: bytes, _: Path) -> bytes:
    """A PDF with another record of what made it."""
    start = data.index(b"/Keywords (") + len(b"/Keywords (")
    end = data.index(b"})", start) + 1
    text = mutate_json(rng, re.sub(rb"\\(.)", rb"\1", data[start:end]).decode())
    return data[:start] + re.sub(rb"([()\\])", rb"\\\1", text.encode("utf-8", "replace")) + data[end:]


def mutate_png(rng: random.Random, data: bytes, _: Path) -> bytes:
    """A PNG with another record of what made it."""
    mark = b"tEXtrnnpipe\0"
    at = data.index(mark)
    (length,) = struct.unpack_from(">I", data, at - 4)
    end = at + 4 + length
    part = mark + mutate_json(rng, data[at + len(mark) : end].decode()).encode("utf-8", "replace")
    return (
        data[: at - 4] + struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) + data[end + 4 :]
    )


STRUCTURED: dict[str, Callable[[random.Random, bytes, Path], bytes]] = {
    ".h5": mutate_hdf5,
    ".pth": mutate_pth,
    ".checkpoint": mutate_pth,
    ".mat": mutate_mat,
    ".pkl": mutate_pickle,
    ".npz": mutate_npz,
    ".pdf": mutate_pdf,
    ".png": mutate_png,
}


def mutate(rng: random.Random, data: bytes, suffix: str, canary: Path) -> tuple[str, bytes]:
    """How a file was broken and what it has become.

    "bytes": blind changes. "content": what libraries can write; HDF5 files are sealed again, as if we had written them.
    "unsealed": either of these to an HDF5 file without its seal.
    """
    unsealed = suffix == ".h5" and rng.random() < 0.05
    data = data[:-SEAL] if unsealed else data
    if rng.random() < 0.4:
        return "unsealed" if unsealed else "bytes", mutate_bytes(rng, data)
    data = STRUCTURED[suffix](rng, data, canary)
    if unsealed:
        return "unsealed", data
    if suffix == ".h5":
        with tempfile.TemporaryFile() as file:
            file.write(data)
            data += seal(file)
    return "content", data

"""HDF5 artefacts: one way to write, check and describe them.

Every file has root attributes `kind`, `schema_version`, `settings` and `provenance` (JSON). Every dataset
carries its axes as dimension labels, `unit` and `description` as attributes, so that MATLAB, Julia and pandas
read it without this package. A schema is a table from dataset name to `Field`; `group/*` is any name in a group.
Every file ends with a seal (`rnnpipe.io.seal`), which is checked before it is opened.
"""

from __future__ import annotations

import contextlib
import io
import json
import posixpath
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnpipe.errors import ArtefactError, brief
from rnnpipe.files import whole
from rnnpipe.io.plain import mapping_of, settings_of
from rnnpipe.io.probe import DEPTH, LARGEST_RATIO
from rnnpipe.io.seal import check_sound, seal
from rnnpipe.process import interrupted_later

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Field:
    """One dataset of a schema."""

    axes: tuple[str, ...]
    """Names of the axes; the same name has the same length throughout a file."""
    dtypes: str
    """Allowed numpy dtype kinds: f, i, u, b, S/O (text)."""
    description: str
    unit: str = ""
    required: bool = True


Schema = Mapping[str, Field]


@contextlib.contextmanager
def create(
    path: str | Path, kind: str, settings: Mapping[str, Any], provenance: Mapping[str, Any], **attributes: Any
) -> Iterator[h5py.File]:
    """Write a new artefact; it appears under its name only when it is whole.

    Raises:
        ArtefactError: The folder cannot be written or the disk is full.
    """
    with whole(path) as tmp, _Output(tmp, "w+b") as output:
        try:
            with interrupted_later():
                file = h5py.File(output, "w")
            try:
                file.attrs["kind"] = kind
                file.attrs["schema_version"] = SCHEMA_VERSION
                file.attrs["settings"] = json.dumps(settings, sort_keys=True)
                file.attrs["provenance"] = json.dumps(dict(provenance), sort_keys=True)
                for name, value in attributes.items():
                    file.attrs[name] = value
                yield file
            finally:
                with interrupted_later():
                    file.close()
        except (RuntimeError, ValueError, KeyError, OSError):
            if output.error is None:
                raise
        output.write(seal(output))
        if output.error is not None:
            raise output.error


class _Output(io.FileIO):
    """A file that keeps its first write error for later and pretends that all is well.

    HDF5 cannot recover from a failed write: it complains from destructors, in stack traces nobody can catch. So it is
    spared the news, Ctrl-C's too, and `create` reports the error.
    """

    error: OSError | KeyboardInterrupt | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) or 0 :]
        except (OSError, KeyboardInterrupt) as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except (OSError, KeyboardInterrupt) as error:
            self.error = self.error or error
            return size or 0


def put(
    group: h5py.Group,
    name: str,
    schema: Schema,
    data: ArrayLike | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: Any = None,
    chunk_trials: int = 256,
) -> h5py.Dataset:
    """Create a dataset with its axes, unit and description; chunked along trials and compressed.

    Args:
        group: File (or group whose path prefixes `name` in the schema).
        name: Name in the schema.
        schema: Schema of the file.
        data: Values to write, or None to create an empty dataset of `shape` and `dtype` to fill in chunks.
        shape: Shape when there is no data yet.
        dtype: Type when there is no data yet.
        chunk_trials: Length of a chunk along the axis "trial".
    """
    field = lookup(schema, name)
    if data is not None:
        data = np.asarray(data)
        shape, dtype = data.shape, data.dtype
        data = data.astype(object) if data.dtype.kind == "U" else data
    if np.dtype(dtype).kind == "U":
        dtype = h5py.string_dtype()
    assert shape is not None and len(shape) == len(field.axes), f"{name}: {shape} is not {field.axes}"
    options: dict[str, Any] = {}
    if shape and all(shape) and np.prod(shape) > 64:
        chunks = tuple(min(n, chunk_trials) if a == "trial" else n for n, a in zip(shape, field.axes, strict=True))
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    dataset = group.create_dataset(name, shape=shape, dtype=dtype, data=data, **options)
    for dimension, axis in zip(dataset.dims, field.axes, strict=True):
        dimension.label = axis
    dataset.attrs["unit"] = field.unit
    dataset.attrs["description"] = field.description
    return dataset


def fill(dataset: h5py.Dataset, where: Any, values: NDArray[Any]) -> None:
    """Write values, text included, into a part of a dataset."""
    dataset[where] = values.astype(object) if values.dtype.kind == "U" else values


def load(dataset: h5py.Dataset, where: Any = ...) -> NDArray[Any]:
    """Values of a part of a dataset; text as text."""
    if h5py.check_string_dtype(dataset.dtype):
        return np.asarray(dataset.asstr()[where]).astype(str)
    values: NDArray[Any] = dataset[where]
    return values


def lookup(schema: Schema, name: str) -> Field:
    """The field of a dataset name; exact names win over patterns."""
    return schema[name] if name in schema else next(f for p, f in schema.items() if fnmatchcase(name, p))


@contextlib.contextmanager
def read(path: str | Path, kind: str, schema: Schema) -> Iterator[h5py.File]:
    """Open an artefact for reading after checking its kind, version and every dataset of its schema.

    Raises:
        ArtefactError: Missing, not HDF5, truncated, of another kind or version, or with a dataset that is missing
            or has the wrong type, number of axes or length.
    """
    path = Path(path)
    with open_sound(path, f"a {kind} file") as file:
        found = file.attrs.get("kind")
        if not isinstance(found, str) or found != kind:
            what = f"a file of kind {found!r:.80}" if isinstance(found, str) else "not a file of rnnpipe"
            raise ArtefactError(f"{path}: is {what}, expected {kind!r}.")
        version = file.attrs.get("schema_version")
        if not isinstance(version, int | np.integer) or version != SCHEMA_VERSION:
            raise ArtefactError(
                f"{path}: has schema version {version!s:.40}, this rnnpipe reads {SCHEMA_VERSION}; make it again."
            )
        _check(file, path, schema)
        yield file


@contextlib.contextmanager
def open_sound(path: Path, expected: str = "an artefact of rnnpipe") -> Iterator[h5py.File]:
    """Open an HDF5 file for reading once it is known that this is safe; whatever HDF5 reports becomes a sentence.

    Raises:
        ArtefactError: Missing, not HDF5, truncated or damaged; links or data that are elsewhere; more values than
            the file has room for.
    """
    try:
        check_sound(path)
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise ArtefactError(f"{path}: is a folder, expected {expected} (HDF5).") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = "no permission to read it" if isinstance(error, PermissionError) else "not a whole HDF5 file"
        raise ArtefactError(f"{path}: {reason}; expected {expected}, make it again.") from None
    with file:
        try:
            _check_contained(file, path)
            yield file
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError) as error:
            if not _in_reading(error):
                raise  # a mistake of the reader is not one of the file
            raise ArtefactError(f"{path}: is damaged ({brief(error)}); make it again.") from error


def _in_reading(error: BaseException) -> bool:
    """Whether HDF5 has raised an error, and not while a result was written, which may happen while a file is open."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((i for i, frame in enumerate(frames) if "h5py" in frame.filename), None)
    if first is None:
        return False
    ours = [frame.name for frame in frames[:first] if frame.filename == __file__]
    return not ours or ours[-1] not in ("create", "put", "fill")


def _check_contained(group: h5py.Group, path: Path, depth: int = 0) -> None:
    """Check that all that a file has is in it: no links, no data of other files, not more than there is room for."""
    for name in group:
        if not isinstance(name, str):
            raise ArtefactError(f"{path}: holds something of the name {name!r:.40}, which is no text; make it again.")
        where = f"{path}: {posixpath.join(str(group.name), name)!r}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArtefactError(f"{where} is a link; rnnpipe writes none and follows none, make the file again.")
        item = group[name]
        if isinstance(item, h5py.Group) and depth < DEPTH:
            _check_contained(item, path, depth + 1)
        elif not isinstance(item, h5py.Dataset) or item.shape is None:
            raise ArtefactError(f"{where} is not an array; make the file again.")
        elif item.is_virtual or item.external:
            raise ArtefactError(f"{where} has its values in another file, which is not read; make the file again.")
        elif item.nbytes > LARGEST_RATIO * path.stat().st_size:
            raise ArtefactError(
                f"{where}, of shape {item.shape}, claims more values than the file has room for; make it again."
            )
        elif item.dtype.kind == "O" and h5py.check_string_dtype(item.dtype) is None:
            raise ArtefactError(f"{where} holds neither numbers nor text; make the file again.")


def _check(file: h5py.File, path: Path, schema: Schema) -> None:
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    groups = {pattern.split("/")[0] for pattern in schema if "/" in pattern}
    columns = [f"{group}/{item}" for group in groups & set(file) for item in file[group]]
    for name in [*columns, *(name for name in schema if "/" not in name and name in file)]:
        if name not in names:
            raise ArtefactError(f"{path}: {name!r} is a group, expected values; make the file again.")
    for pattern, field in schema.items():
        if field.required and not any(fnmatchcase(n, pattern) for n in names):
            raise ArtefactError(f"{path}: has no dataset {pattern!r}, expected {field.description}; make it again.")
    lengths: dict[str, tuple[int, str]] = {}
    for name in names:
        try:
            field = lookup(schema, name)
        except StopIteration:
            continue  # more than the schema asks for is no harm
        dataset = file[name]
        axes = ", ".join(field.axes)
        if dataset.ndim != len(field.axes):
            raise ArtefactError(f"{path}: {name!r} has shape {dataset.shape}, expected ({axes}).")
        if dataset.dtype.kind not in field.dtypes:
            raise ArtefactError(f"{path}: {name!r} has type {dataset.dtype}, expected one of {field.dtypes!r}.")
        for axis, length in zip(field.axes, dataset.shape, strict=True):
            known, where = lengths.setdefault(axis, (length, name))
            if known != length and not axis.endswith("*"):
                raise ArtefactError(
                    f"{path}: {name!r} has {length} along {axis!r} where {where!r} has {known}; the file is"
                    " inconsistent, make it again."
                )


def attributes(file: h5py.File) -> dict[str, Any]:
    """Root attributes as plain values, JSON ones decoded.

    Raises:
        ArtefactError: `settings` or `provenance` is not what JSON of a mapping is, or another one is no plain value or
            not of its type.
    """
    plain: dict[str, Any] = {}
    for name in file.attrs:
        value = file.attrs[name]
        if name == "settings":
            value = settings_of(file.filename, value, "attribute 'settings'")
        elif name == "provenance":
            value = mapping_of(file.filename, "attribute 'provenance'", value)
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        elif isinstance(value, np.generic):
            value = value.item()
        if not _is_plain(value):  # a reference, or nothing of some type
            kind = type(value).__name__
            raise ArtefactError(f"{file.filename}: attribute {name!r} is no plain value ({kind}); make the file again.")
        plain[name] = value
        expected = _ATTRIBUTES.get(name)
        if expected is not None and (not isinstance(value, expected) or value != value):
            raise ArtefactError(f"{file.filename}: attribute {name!r} cannot be {value!r:.40}; make the file again.")
    return {"settings": {}, "provenance": {}, **plain}


def _is_plain(value: Any) -> bool:
    """Whether a value is text or a number, or lists or mappings of them."""
    if isinstance(value, list | dict):
        return all(_is_plain(part) for part in (value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, str | bytes | bool | int | float)


_ATTRIBUTES = {"task": str, "dt": int | float, "seed": int, "dataset_seed": int, "environment_id": str}
"""Types of attributes that many kinds have."""

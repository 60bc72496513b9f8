"""Back from any artefact to the data set and the settings it was made of: what `rnnpipe info --trace` prints."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rnnpipe.errors import ArtefactError
from rnnpipe.inputs import sha256_of
from rnnpipe.io.hdf5 import attributes, open_sound
from rnnpipe.io.plain import mapping_of, settings_of
from rnnpipe.io.record import read_record
from rnnpipe.settings import canonical

State = Literal["same", "changed", "missing"]
_STAGES_WITHOUT_INPUTS = ("dataset", "train")
_BESIDE_A_TABLE = (".pdf", ".md")


@dataclass(frozen=True)
class MadeBy:
    """What a file says about its making."""

    file: Path
    kind: str
    stage: str | None = None
    """None: the file says nothing about its making."""
    settings: Any = None
    seed: int | None = None
    code: str | None = None
    """Fingerprint of the code of the stage."""
    versions: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, str]] | None = None
    """Read as, name and SHA-256 of each input; None: not noted."""

    @property
    def settings_digest(self) -> str:
        """SHA-256 of the settings as canonical JSON."""
        return hashlib.sha256(canonical(self.settings).encode()).hexdigest()


@dataclass(frozen=True)
class Input:
    """An input of a file, then and now."""

    role: str
    """What it was read as."""
    name: str
    """As it was noted."""
    sha256: str
    """Of what was read."""
    state: State
    """Whether the file that is there now still is what was read."""
    found: Path | None
    """Where it is now."""
    node: Node | None
    """What made it: of a file that is the same, and that was not met before."""


@dataclass(frozen=True)
class Node:
    """A file, what made it and what that was made of."""

    made_by: MadeBy
    inputs: list[Input]

    def walk(self) -> Iterator[Node]:
        """This file and all it was made of, each once, what was made last first."""
        yield self
        for one in self.inputs:
            if one.node is not None:
                yield from one.node.walk()


def trace(path: Path) -> Node:
    """Walk back from a file over all that it was made of, as far as the files are there and unchanged.

    Raises:
        ArtefactError: The file, or one on the way, cannot be read or is damaged.
    """
    return _Walk().back_from(path)


def trace_all(paths: Iterable[Path]) -> list[Node]:
    """Walk back from several files, but from none twice: those that others were made of may be named, too.

    Raises:
        ArtefactError: See `trace`.
    """
    walk = _Walk()
    return [walk.back_from(path) for path in paths if not walk.has_met(path)]


class _Walk:
    """Files met on the way, and their hashes: of a large study, every file is read once."""

    def __init__(self) -> None:
        self._met: set[str] = set()
        self._hashes: dict[str, str] = {}

    def has_met(self, path: Path) -> bool:
        return os.path.realpath(path) in self._met

    def back_from(self, path: Path) -> Node:
        self._met.add(os.path.realpath(path))
        made_by = read_made_by(path)
        inputs = []
        for noted in made_by.inputs or ():
            found, state = self._find(noted["file"], noted["sha256"], path)
            node = None
            if found is not None and state == "same" and not self.has_met(found):
                node = self.back_from(found)
            inputs.append(Input(noted["as"], noted["file"], noted["sha256"], state, found, node))
        return Node(made_by, inputs)

    def _find(self, name: str, sha256: str, artefact: Path) -> tuple[Path | None, State]:
        """Where a noted input is now, and whether it is what was read.

        It is looked for from the working folder, then from the folders that the artefact is in, the nearest first; a
        file with the noted content is preferred.
        """
        first: Path | None = None
        if not os.path.isabs(name):
            for folder in (Path(), *Path(os.path.abspath(artefact)).parents):
                candidate = folder / name
                if os.path.isfile(candidate):
                    if self._hash(candidate) == sha256:
                        return candidate, "same"
                    first = first or candidate
        return first, "missing" if first is None else "changed"

    def _hash(self, path: Path) -> str:
        place = os.path.realpath(path)
        if place not in self._hashes:
            self._hashes[place] = sha256_of(path)
        return self._hashes[place]


def read_made_by(path: Path) -> MadeBy:
    """What a file says about its making; little of a file of another program.

    Raises:
        ArtefactError: It cannot be read or is damaged.
    """
    if not path.is_file():
        raise ArtefactError(f"{path}: is a folder; name a file." if path.is_dir() else f"{path}: no such file.")
    if path.suffix == ".h5":
        return _of_hdf5(path)
    if path.suffix == ".pth":
        return _of_tensors(path)
    if path.suffix in (".pdf", ".png", ".gif", ".md"):
        record = read_record(path)
        return MadeBy(path, "file without a record") if record is None else _of_record(path, record)
    if path.suffix == ".csv":
        return _of_table(path)
    return MadeBy(path, "file of another program")


def _of_hdf5(path: Path) -> MadeBy:
    with open_sound(path) as file:
        root = attributes(file)
    return _made_by(path, str(root.get("kind", "HDF5 file")), root["settings"], root["provenance"], root.get("seed"))


def _of_tensors(path: Path) -> MadeBy:
    from rnnpipe.io.network import kind_of, read_tensors  # imports torch

    kind = kind_of(path)
    content = read_tensors(path, kind or "network")
    if "provenance" not in content:
        return MadeBy(path, kind)
    settings = settings_of(str(path), content.get("settings"))
    provenance = mapping_of(str(path), "'provenance'", content["provenance"])
    return _made_by(path, kind, settings, provenance, content.get("seed"))


def _of_table(path: Path) -> MadeBy:
    """A table of a figure or of claims by the record of the file beside it, if that is of this very table."""
    for suffix in _BESIDE_A_TABLE:
        beside = path.with_suffix(suffix)
        record = read_record(beside) if beside.is_file() else None
        if record is not None and "table_sha256" in record:
            if record["table_sha256"] != sha256_of(path):
                raise ArtefactError(
                    f"{path}: is not the table that {beside.name} was written with; one of them was changed, make both"
                    " again."
                )
            return _of_record(path, record)
    return MadeBy(path, "table without a record")


def _of_record(path: Path, record: dict[str, Any]) -> MadeBy:
    kind = "table" if path.suffix == ".csv" else str(record.get("kind"))
    return _made_by(path, kind, record.get("settings"), record["provenance"], None)


def _made_by(path: Path, kind: str, settings: Any, provenance: Any, seed: Any) -> MadeBy:
    if not isinstance(provenance, dict):
        raise ArtefactError(f"{path}: its provenance is no mapping; make the file again.")
    plain = {name: value for name, value in provenance.items() if isinstance(value, str)}
    stage, code = plain.pop("stage", None), plain.pop("code", None)
    plain.pop("initial", None)  # the hash of an input
    noted = provenance.get("inputs")
    if noted is None and stage in _STAGES_WITHOUT_INPUTS and "initial" not in provenance:
        noted = []
    if noted is not None and not _is_list_of_inputs(noted):
        raise ArtefactError(f"{path}: what it notes of its inputs is damaged; make the file again.")
    return MadeBy(
        file=path,
        kind=kind,
        stage=stage,
        settings=settings,
        seed=seed if isinstance(seed, int) else None,
        code=code,
        versions=plain,
        inputs=noted,
    )


def _is_list_of_inputs(noted: Any) -> bool:
    return isinstance(noted, list) and all(
        isinstance(one, dict)
        and {"as", "file", "sha256"} <= one.keys()
        and all(isinstance(v, str) for v in one.values())
        for one in noted
    )


def as_json(node: Node) -> dict[str, Any]:
    """A trace as plain values; a file that was met before has no `made_by` again."""
    made = node.made_by
    return {
        "file": made.file.as_posix(),
        "kind": made.kind,
        "stage": made.stage,
        "seed": made.seed,
        "settings": made.settings,
        "settings_sha256": None if made.stage is None else made.settings_digest,
        "code": made.code,
        "versions": made.versions,
        "inputs_noted": made.inputs is not None,
        "inputs": [
            {
                "as": one.role,
                "file": one.name,
                "sha256": one.sha256,
                "state": one.state,
                "found": None if one.found is None else one.found.as_posix(),
                "made_by": None if one.node is None else as_json(one.node),
            }
            for one in node.inputs
        ],
    }


def as_lines(node: Node) -> list[str]:
    """A trace as an indented tree, and how many of the inputs are what was read."""
    states: dict[tuple[str, str], str] = {}
    lines = [str(node.made_by.file), *_lines(node, None, states)]
    if states:
        counts = ", ".join(f"{list(states.values()).count(s)} {s}" for s in ("same", "changed", "missing"))
        lines += [f"inputs: {counts}"]
    return lines


def _lines(node: Node, above: MadeBy | None, states: dict[tuple[str, str], str]) -> list[str]:
    made = node.made_by
    if made.stage is None:
        return [f"  {made.kind}: says nothing about what made it"]
    what = [f"{made.kind} by stage {made.stage}", f"settings {made.settings_digest[:12]}"]
    what += [f"seed {made.seed}"] if made.seed is not None else []
    lines = [f"  {', '.join([*what, f'code {made.code}'])}"]
    if above is None or made.versions != above.versions:
        lines.append("  " + ", ".join(f"{name} {version}" for name, version in made.versions.items()))
    if made.inputs is None:
        lines.append("  its inputs were not noted: it was made by an earlier version")
    for one in node.inputs:
        states[one.name, one.sha256] = one.state
        lines.append(f"  {one.role}: {one.name} ({one.state}, sha256 {one.sha256[:16]})")
        if one.node is not None:
            lines += [f"  {line}" for line in _lines(one.node, made, states)]
        elif one.state == "same":
            lines.append("    (see above)")
    return lines

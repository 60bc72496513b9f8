"""A finished study as an RO-Crate: a ZIP that other programs know as results with all that made them.

It follows the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5) of RO-Crate 1.1: every call of a
stage is an action of rnnpipe with its settings, its input files and its results. Its metadata are made by the package
`rocrate`, an extra: `pip install 'rnnpipe[rocrate]'`. Equal files and the same date give equal bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.files import whole
from rnnpipe.inputs import noted_name, sha256_of
from rnnpipe.settings import canonical
from rnnpipe.trace import Node, trace_all

METADATA = "ro-crate-metadata.json"
RO_CRATE = "1.1"
"""Version of RO-Crate that the profile is of."""
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "http://schema.org/sha256"}
"""What this version of RO-Crate does not define, and later ones do, in their sense."""
MEDIA_TYPES = {
    ".h5": "application/x-hdf5",
    ".pth": "application/zip",
    ".mat": "application/x-matlab-data",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".md": "text/markdown",
}
"""What is packed of a folder, and what it is."""
DRAWN = (".pdf", ".png", ".csv", ".md")
BESIDE: dict[str, tuple[str, ...]] = {**dict.fromkeys(DRAWN, DRAWN), ".pth": (".history.h5", ".mat")}
"""Suffixes of what one call writes beside a file."""


@dataclass(frozen=True)
class About:
    """What the metadata of a crate say of the study as a whole."""

    name: str
    """Title."""
    description: str
    licence: str
    """Of its data: an address, or an identifier of SPDX (CC-BY-4.0)."""
    date: str
    """Of publication, YYYY-MM-DD."""
    authors: Sequence[str] = ()
    """Addresses (ORCID) or names."""
    citations: Sequence[str] = ()
    """Addresses of the papers that it belongs to."""


def gather(paths: Sequence[Path]) -> dict[str, Node]:
    """All files of a study by their name in the crate: those given, what they were made of, and what lies beside.

    Args:
        paths: Results, or folders of them.

    Raises:
        ArtefactError: One cannot be read, an input of one is missing or has changed, or two have one name.
    """
    nodes: dict[str, Node] = {}
    for node in (node for first in trace_all(_files(paths)) for node in first.walk()):
        file = node.made_by.file
        for one in node.inputs:
            if one.state != "same":
                raise ArtefactError(
                    f"{file}: was made of {one.name}, which "
                    + ("is missing" if one.state == "missing" else "has changed since")
                    + f"; make {file.name} again before the study is packed."
                )
        name = noted_name(Path(os.path.abspath(file)), Path(METADATA))  # never outside of the crate
        if name in nodes or name == METADATA:
            raise ArtefactError(f"{file}: another file of the crate has its name, {name}; rename one of them.")
        nodes[name] = node
    return nodes


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.rglob("*") if p.suffix in MEDIA_TYPES and p.is_file()]
            found = sorted(p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts))
            if not found:
                raise ArtefactError(f"{path}: is a folder without results of rnnpipe.")
            yield from found
            continue
        yield path
        beside = (path.with_suffix(suffix) for suffix in BESIDE.get(path.suffix, ()))
        yield from (p for p in beside if p != path and p.is_file())


def write_crate(out: Path, paths: Sequence[Path], about: About) -> int:
    """Pack results and all that they were made of, with what made them.

    Args:
        out: ZIP to write.
        paths: Results, or folders of them.
        about: The study.

    Returns:
        The number of files.

    Raises:
        SettingsError: `rocrate` is not installed.
        ArtefactError: See `gather`; or the ZIP cannot be written.
    """
    try:
        rocrate: Any = importlib.import_module("rocrate.rocrate")
        model: Any = importlib.import_module("rocrate.model")
    except ImportError:
        raise SettingsError("a crate needs the package rocrate: `pip install 'rnnpipe[rocrate]'`.") from None
    nodes = gather(paths)
    metadata = _metadata(rocrate.ROCrate(version=RO_CRATE), model.ContextEntity, nodes, about)
    # most files are compressed, and how well is a matter of the library, not of the study
    with whole(out) as tmp, zipfile.ZipFile(tmp, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(METADATA), json.dumps(metadata, indent=1, sort_keys=True))
        for name, node in nodes.items():
            entry = zipfile.ZipInfo(name)  # of no date
            with open(node.made_by.file, "rb") as file, archive.open(entry, "w", force_zip64=True) as packed:
                shutil.copyfileobj(file, packed, 2**20)
    return len(nodes)


def _metadata(crate: Any, entity: Any, nodes: dict[str, Node], study: About) -> dict[str, Any]:
    """The metadata of a crate as JSON-LD."""

    def about(identifier: str, kind: str, **properties: Any) -> Any:
        return crate.add(entity(crate, identifier, properties={"@type": kind, **properties}))

    crate.metadata.extra_terms.update(TERMS)
    licence = study.licence if "://" in study.licence else f"https://spdx.org/licenses/{study.licence}"
    crate.name, crate.description = study.name, study.description
    root = crate.root_dataset
    root["datePublished"] = study.date
    root["license"] = about(licence, "CreativeWork", name=licence.rstrip("/").rsplit("/", 1)[-1])
    root["conformsTo"] = about(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    if study.citations:
        root["citation"] = _plain([about(one, "ScholarlyArticle", name=one) for one in study.citations])
    if study.authors:
        known = [one if "://" in one else f"#author{k}" for k, one in enumerate(study.authors, 1)]
        people = zip(known, study.authors, strict=True)
        root["author"] = _plain([about(identifier, "Person", name=one) for identifier, one in people])
    files = {}
    for name, node in nodes.items():
        file = node.made_by.file
        properties = {
            "name": f"{node.made_by.kind}: {name}",
            "encodingFormat": MEDIA_TYPES.get(file.suffix, "application/octet-stream"),
            "contentSize": str(file.stat().st_size),
            "sha256": sha256_of(file),
        }
        files[name] = crate.add_file(file, name, properties=properties)
    places = {os.path.realpath(node.made_by.file): files[name] for name, node in nodes.items()}
    programs: dict[str, Any] = {}
    calls: dict[str, Any] = {}
    for name, node in nodes.items():
        made = node.made_by
        if made.stage is None:
            continue
        version = made.versions.get("rnnpipe", "unknown")
        if version not in programs:
            known_as = f"#rnnpipe-{version}"
            programs[version] = about(known_as, "SoftwareApplication", name="rnnpipe", softwareVersion=version)
        read = [[one.role, one.sha256] for one in node.inputs]
        # what one call wrote: a network and its history, a figure and its table
        call = canonical([made.stage, made.settings_digest, made.seed or 0, made.code, made.versions, read])
        if call in calls:
            calls[call].append_to("result", files[name])
            continue
        k = len(calls) + 1
        values = {"settings": canonical(made.settings), "seed": made.seed, "code": made.code}
        values["versions"] = canonical(made.versions)
        noted = [about(f"#call{k}-{n}", "PropertyValue", name=n, value=v) for n, v in values.items() if v is not None]
        read_files = [places[os.path.realpath(one.found)] for one in node.inputs if one.found is not None]
        calls[call] = about(
            f"#call{k}",
            "CreateAction",
            name=f"rnnpipe {made.stage}: {name}",
            instrument=programs[version],
            description=f"one call of stage {made.stage}; object: the files it read, and what it was called with",
            object=[*read_files, *noted],
            result=files[name],
        )
    root["mentions"] = _plain(list(calls.values()))
    generated: dict[str, Any] = crate.metadata.generate()
    return generated


def _plain(values: list[Any]) -> Any:
    """One value as itself, several as a list: what RO-Crate recommends."""
    return values[0] if len(values) == 1 else values

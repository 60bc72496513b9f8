"""A finished study as an RO-Crate: a ZIP that other programs know as results with all that made them.

It follows the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5) of RO-Crate: every call of a stage
is an action of rnnpipe with its settings, its input files and its results. It is made by the package `rocrate`, an
extra: `pip install 'rnnpipe[rocrate]'`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.files import whole
from rnnpipe.inputs import noted_name, sha256_of
from rnnpipe.settings import canonical
from rnnpipe.trace import Node, trace

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
MEDIA_TYPES = {
    ".h5": "application/x-hdf5",
    ".pth": "application/zip",
    ".mat": "application/x-matlab-data",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".gif": "image/gif",
    ".csv": "text/csv",
    ".md": "text/markdown",
}
"""What is packed of a folder, and what it is."""


def gather(paths: Sequence[Path]) -> dict[str, Node]:
    """All files of a study by their name in the crate: those given, what they were made of, and what lies beside.

    Args:
        paths: Results, or folders of them.

    Raises:
        ArtefactError: One cannot be read, an input of one is missing or has changed, or two have one name.
    """
    nodes: dict[str, Node] = {}
    places: dict[str, str] = {}
    for path in _files(paths):
        if os.path.realpath(path) in places:
            continue
        for node in trace(path).walk():
            file = node.made_by.file
            for one in node.inputs:
                if one.state != "same":
                    raise ArtefactError(
                        f"{file}: was made of {one.name}, which "
                        + ("is missing" if one.state == "missing" else "has changed since")
                        + f"; make {file.name} again before the study is packed."
                    )
            place = os.path.realpath(file)
            if place not in places:
                name = _name(file)
                if name in nodes:
                    raise ArtefactError(f"{file}: another file of the study has its name, {name}; rename one of them.")
                nodes[name], places[place] = node, name
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
        if path.suffix in (".pdf", ".png", ".csv", ".md"):
            beside = (path.with_suffix(suffix) for suffix in (".pdf", ".png", ".csv", ".md"))
            yield from (p for p in beside if p != path and p.is_file())


def _name(file: Path) -> str:
    """Within the crate: below the working folder as there, otherwise the name alone; never outside of the crate."""
    name = noted_name(Path(os.path.abspath(file)), Path("study.zip"))
    return file.name if name.startswith("..") else name


def write_crate(
    out: Path, paths: Sequence[Path], name: str, description: str, licence: str, citations: Sequence[str] = ()
) -> int:
    """Pack results and all that they were made of, with what made them.

    Args:
        out: ZIP to write.
        paths: Results, or folders of them.
        name: Title of the study.
        description: What it is.
        licence: Of its data: an address, or an identifier of SPDX (CC-BY-4.0).
        citations: Addresses of the papers that it belongs to.

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
    crate = rocrate.ROCrate()

    def about(identifier: str, kind: str, **properties: Any) -> Any:
        return crate.add(model.ContextEntity(crate, identifier, properties={"@type": kind, **properties}))

    licence = licence if "://" in licence else f"https://spdx.org/licenses/{licence}"
    crate.name, crate.description = name, description
    crate.license = about(licence, "CreativeWork", name=licence.rsplit("/", 1)[-1])
    profile = about(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    crate.root_dataset["conformsTo"] = profile
    if citations:
        crate.root_dataset["citation"] = [about(one, "ScholarlyArticle", name=one) for one in citations]
    files = {
        file: crate.add_file(
            node.made_by.file,
            file,
            properties={
                "name": f"{node.made_by.kind}: {file}",
                "encodingFormat": MEDIA_TYPES.get(node.made_by.file.suffix, "application/octet-stream"),
                "contentSize": str(node.made_by.file.stat().st_size),
                "sha256": sha256_of(node.made_by.file),
            },
        )
        for file, node in nodes.items()
    }
    places = {os.path.realpath(node.made_by.file): files[file] for file, node in nodes.items()}
    programs: dict[str, Any] = {}
    actions: dict[str, Any] = {}
    for file, node in nodes.items():
        made = node.made_by
        if made.stage is None:
            continue
        version = made.versions.get("rnnpipe", "unknown")
        if version not in programs:
            programs[version] = about(
                f"#rnnpipe-{version}",
                "SoftwareApplication",
                name="rnnpipe",
                softwareVersion=version,
                license="https://spdx.org/licenses/MIT",
            )
        read = [[one.role, one.sha256] for one in node.inputs]
        # what one call wrote: a network and its history, a figure and its table
        call = canonical([made.stage, made.settings_digest, made.seed or 0, made.code, made.versions, read])
        if call in actions:
            actions[call].append_to("result", files[file])
            continue
        k = len(actions) + 1
        values = {"settings": canonical(made.settings), "code": made.code, "versions": canonical(made.versions)}
        values |= {"seed": made.seed} if made.seed is not None else {}
        noted = [about(f"#call{k}-{n}", "PropertyValue", name=n, value=v) for n, v in values.items() if v is not None]
        inputs = [places[os.path.realpath(one.found)] for one in node.inputs if one.found is not None]
        actions[call] = crate.add_action(
            programs[version],
            f"#call{k}",
            object=[*inputs, *noted],
            result=[files[file]],
            properties={"@type": "CreateAction", "name": f"rnnpipe {made.stage}: {file}"},
        )
    crate.root_dataset["mentions"] = list(actions.values())
    with whole(out) as tmp:
        crate.write_zip(tmp)
    return len(files)

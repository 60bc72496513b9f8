"""`rnnpipe info FILE`: what any artefact is, what it holds and what made it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import h5py

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.hdf5 import SCHEMA_VERSION, attributes, open_sound
from rnnpipe.io.plain import mapping_of, score_of, settings_of

if TYPE_CHECKING:
    from rnnpipe.networks.rate_network import RateNetwork

_HEAD = ("kind", "schema_version", "task", "dt", "seed", "dataset_seed")
_JSON = ("settings", "provenance")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trace", "traced", is_flag=True, help="walk back to what it was made of, and see whether that is still the same"
)
@click.option("--json", "plain", is_flag=True, help="with --trace: as JSON, with all settings")
def command(file: Path, traced: bool, plain: bool) -> None:
    """Describe any file that a stage has written: kind, contents with axes and units, settings, provenance, score."""
    if plain and not traced:
        raise SettingsError("--json goes with --trace; add it.")
    if traced:
        from rnnpipe.trace import as_json, as_lines, trace

        node = trace(file)
        print(json.dumps(as_json(node), indent=1) if plain else "\n".join(as_lines(node)))
        return
    if file.is_dir():
        raise ArtefactError(f"{file}: is a folder; name a file.")
    if not file.is_file():
        raise ArtefactError(f"{file}: no such file.")
    describe = {
        ".h5": _hdf5,
        ".pth": _network,
        ".mat": _mat,
        ".checkpoint": _checkpoint,
        ".csv": _table,
        ".pdf": _figure,
        ".png": _figure,
    }
    if file.suffix not in describe:
        raise ArtefactError(f"{file}: no artefact of rnnpipe is called *{file.suffix}; known: {', '.join(describe)}.")
    print(file)
    for line in describe[file.suffix](file):
        print(f"  {line}")


def _hdf5(path: Path) -> list[str]:
    with open_sound(path) as file:
        root = attributes(file)
        if not isinstance(root.get("kind"), str):
            raise ArtefactError(f"{path}: an HDF5 file, but not one of rnnpipe (it has no attribute 'kind').")
        rows: list[tuple[str, ...]] = [("dataset", "axes", "type", "unit", "meaning")]

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                axes = ", ".join(f"{d.label or '?'} {n}" for d, n in zip(item.dims, item.shape, strict=True))
                text = "text" if h5py.check_string_dtype(item.dtype) else str(item.dtype)
                rows.append((name, axes, text, *(str(item.attrs.get(a, "")) for a in ("unit", "description"))))

        file.visititems(visit)
    lines = [f"{name}: {_plain(root[name])}" for name in _HEAD if name in root]
    if root.get("schema_version") != SCHEMA_VERSION:
        lines.append(f"(this rnnpipe reads schema version {SCHEMA_VERSION})")
    lines += [f"{name}: {_plain(root[name])}" for name in root if name not in _HEAD + _JSON]
    lines += _columns(rows)
    return lines + [line for name in _JSON for line in _tree(name, root.get(name, {}))]


def _network(path: Path) -> list[str]:
    from rnnpipe.io.network import KIND, kind_of, read_network  # imports torch
    from rnnpipe.networks.parameters import masked

    kind = kind_of(path)
    if kind == "ctrnn":
        return _ctrnn(path)
    if kind == "rate_network":
        return _rate(path)
    if kind == "sb3_agent":
        return _agent(path)
    network = read_network(path)
    lines = [f"kind: {KIND}", f"task: {network.task.name}", f"dt: {network.task.dt:g} ms", f"seed: {network.seed}"]
    rows = [("parameter", "shape", "type", "entries", "root mean square")]
    for part, parameters in network.parameters.items():
        for name, tensor in masked(parameters, network.masks[part]).items():
            rms = f"{float(tensor.double().square().mean().sqrt()):.4g}" if tensor.numel() else ""
            shape = " x ".join(map(str, tensor.shape))
            rows.append((f"{part}.{name}", shape, str(tensor.dtype), f"{int((tensor != 0).sum())} non-zero", rms))
    lines += _columns(rows)
    lines += _tree("score", network.score)
    return lines + _tree("settings", network.settings) + _tree("provenance", network.provenance)


def _agent(path: Path) -> list[str]:
    """Of the file alone: what it holds can be told without Stable-Baselines3."""
    from rnnpipe.io.network import read_tensors

    content = read_tensors(path, "sb3_agent")
    try:
        settings = settings_of(str(path), content["settings"])
        provenance = mapping_of(str(path), "'provenance'", content["provenance"])
        score = score_of(str(path), content["score"])
        task, learning = settings["task"], settings["learning"]
        lines = ["kind: agent of Stable-Baselines3", f"task: {task['name']}", f"algorithm: {learning['algorithm']}"]
        lines += [f"dt: {task['dt']:g} ms", f"seed: {content['seed']}"]
        rows = [("parameter", "shape", "type", "root mean square")]
        for name, tensor in content["policy"].items():
            rms = f"{float(tensor.double().square().mean().sqrt()):.4g}" if tensor.numel() else ""
            rows.append((name, " x ".join(map(str, tensor.shape)), str(tensor.dtype), rms))
        lines += _columns(rows) + _tree("score", score)
        return lines + _tree("settings", settings) + _tree("provenance", provenance)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the agent again.") from None


def _ctrnn(path: Path) -> list[str]:
    from rnnpipe.io.ctrnn import KIND, read_ctrnn
    from rnnpipe.networks.ctrnn import ARRAYS

    stored = read_ctrnn(path)
    network, task = stored.network, stored.task
    lines = [f"kind: {KIND}", f"task: {task.name}", f"dt: {task.dt:g} ms", f"seed: {stored.seed}"]
    inhibitory = int((stored.constraints.sign_rec < 0).sum())
    lines.append(
        f"network: {network.n_units} units"
        + (f" ({inhibitory} inhibitory)" if inhibitory else "")
        + f", {network.n_inputs} inputs, {network.n_outputs} outputs, form {network.form}, {network.activation.name}"
    )
    rows = [("array", "shape", "type", "entries", "root mean square")]
    for name in ARRAYS:
        array = getattr(network, name)
        rms = f"{float((array.astype(float) ** 2).mean() ** 0.5):.4g}"
        shape = " x ".join(map(str, array.shape))
        rows.append((name, shape, str(array.dtype), f"{int((array != 0).sum())} non-zero", rms))
    lines += _columns(rows) + _tree("score", stored.score)
    return lines + _tree("settings", stored.settings) + _tree("provenance", stored.provenance)


def _rate(path: Path) -> list[str]:
    from rnnpipe.io.rate_network import KIND, read_rate_network

    stored = read_rate_network(path)
    lines = [f"kind: {KIND}", f"task: {stored.network.task}", f"seed: {stored.network.seed}", *_units(stored.network)]
    return lines + _tree("score", stored.score) + _tree("settings", stored.settings)


def _mat(path: Path) -> list[str]:
    from rnnpipe.io.mat import read_mat

    file = read_mat(path)
    network = file.network
    lines = ["kind: rate network in the variables of Kim et al. (2019)", f"task: {network.task or 'not noted'}"]
    rows = [("variable", "shape", "type")]
    rows += [(name, " x ".join(map(str, a.shape)), str(a.dtype)) for name, a in file.variables.items()]
    lines += _units(network) + _columns(rows) + _tree("noted", file.extra)
    return lines + [f"note: {warning}" for warning in file.warnings]


def _units(network: RateNetwork) -> list[str]:
    low, high = float(network.tau.min()), float(network.tau.max())
    return [
        f"units: {network.n_units} ({int(network.inhibitory.sum())} inhibitory, {network.n_som} SOM)",
        f"inputs: {network.n_inputs}, outputs: {network.n_outputs}",
        f"time constants: {low:.4g} to {high:.4g} ms, allowed {network.tau_min:g} to {network.tau_max:g} ms",
        f"activation: {network.activation}, step: {network.dt:g} ms",
        f"Dale's principle: {'holds' if network.dale else 'does not hold'}",
    ]


def _checkpoint(path: Path) -> list[str]:
    from rnnpipe.io.network import read_tensors

    state = read_tensors(path, "checkpoint").get("state")
    if not isinstance(state, dict):
        raise ArtefactError(f"{path}: holds no state of a training; remove it.")
    plain = {k: v for k, v in state.items() if isinstance(v, bool | int | float | str)}
    return ["kind: checkpoint of a training that has not ended", *_tree("state", plain)]


def _table(path: Path) -> list[str]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(line for line in file if not line.startswith("#")))
    except (UnicodeDecodeError, ValueError, csv.Error):
        raise ArtefactError(f"{path}: is not a table of comma-separated values.") from None
    return ["kind: table", f"rows: {len(rows)}", f"columns: {', '.join(header)}"]


def _figure(path: Path) -> list[str]:
    content = path.read_bytes()
    start, end = {".pdf": (b"%PDF", b"%%EOF"), ".png": (b"\x89PNG", b"IEND")}[path.suffix]
    if not content.startswith(start) or end not in content[-64:]:
        raise ArtefactError(f"{path}: is not a whole {path.suffix[1:].upper()} file; draw it again.")
    lines = ["kind: figure", f"size: {len(content)} bytes"]
    siblings = (path.with_suffix(suffix) for suffix in (".pdf", ".png", ".csv"))
    beside = [p.name for p in siblings if p != path and p.is_file()]
    return lines + ([f"beside it: {', '.join(beside)}"] if beside else [])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["", *("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows), ""]


def _tree(name: str, values: Mapping[str, Any]) -> list[str]:
    lines = [f"{name}:"]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"  {line}" for line in _tree(key, value)]
        else:
            lines.append(f"  {key}: {_plain(value)}")
    return lines


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, skipkeys=True)

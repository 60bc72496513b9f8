"""Trained networks on disk (.pth): plain tensors and plain settings, read without running any code.

Contents: kind, schema_version, settings (task, network, value_network, learning), seed, policy and value (the best
network's parameters), masks, score, provenance, and `resume`, the state of the training at its end.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnpipe.errors import ArtefactError, SettingsError, brief
from rnnpipe.files import whole
from rnnpipe.io.archive import check_archive, check_plain
from rnnpipe.io.plain import mapping_of, score_of, seed_of, settings_of
from rnnpipe.networks.parameters import effective, recurrent_shapes
from rnnpipe.networks.policy_kind import policy_kind
from rnnpipe.networks.settings import ValueSettings
from rnnpipe.settings import parse
from rnnpipe.tasks import task_class
from rnnpipe.tasks._environment import AnyTask

KIND = "network"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Network:
    """A trained network: effective weights, w[to, from], and everything that rebuilds it.

    `policy` and `value` are masked, and those of a simple network are written as the gated network that it is; see
    `rnnpipe.networks.parameters.effective`.
    """

    path: Path
    settings: dict[str, Any]
    seed: int
    task: AnyTask
    policy: dict[str, Tensor]
    value: dict[str, Tensor]
    score: dict[str, Any]
    provenance: dict[str, Any]
    parameters: dict[str, dict[str, Tensor]]
    """Parameters of policy and value as they are trained: not masked, without the gates of a simple network."""
    masks: dict[str, dict[str, Tensor]]
    """Connection masks of policy and value by parameter."""
    policy_settings: Any
    """Settings of the policy network, validated: those of its kind."""
    value_settings: ValueSettings
    """Settings of the value network, validated."""
    initial: dict[str, Tensor]
    """Parameters of the policy before training, of kinds whose files keep them."""


def write_tensors(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write nested dicts, lists, tensors and plain values; equal content gives equal bytes."""
    buffer = io.BytesIO()  # a path would store its own name inside the file
    torch.save(_unshared(dict(content)), buffer)
    with whole(path) as tmp:
        tmp.write_bytes(buffer.getbuffer())


def _unshared(value: Any) -> Any:
    """A copy in which equal strings are one object and nothing else is shared.

    A pickle refers back to objects it has seen, so that without this its bytes would tell which of two equal
    objects were the same one, and a resumed training would differ from an undisturbed one.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, dict):
        return {sys.intern(key): _unshared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unshared(item) for item in value]
    return sys.intern(value) if isinstance(value, str) else value


def read_tensors(path: str | Path, kind: str) -> dict[str, Any]:
    """Read what `write_tensors` wrote, refusing anything but tensors and plain values.

    Raises:
        ArtefactError: Missing, truncated, foreign, hostile, or of another kind or version.
    """
    path = Path(path)
    try:
        check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        check_plain(content, path.stat().st_size)
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file.") from None
    except Exception as error:  # torch raises whatever a damaged or hostile pickle leads to
        hostile = "weights_only" in str(error) or "Unsupported" in str(error)
        what = "holds objects other than tensors and plain values and was not read" if hostile else "cannot be read"
        reason = f" ({brief(error)})" if isinstance(error, ValueError) and not hostile else ""
        raise ArtefactError(f"{path}: {what}{reason}; expected a {kind} file (.pth) written by rnnpipe.") from None
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise ArtefactError(f"{path}: is not a {kind} file of rnnpipe.")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise ArtefactError(
            f"{path}: has schema version {content.get('schema_version')!r:.40}, this rnnpipe reads {SCHEMA_VERSION};"
            " train the network again."
        )
    return content


def kind_of(path: str | Path) -> str:
    """Kind of a file of tensors; empty if it is none of ours (whoever reads it says what is wrong)."""
    try:
        check_archive(Path(path))
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return str(content.get("kind", ""))
    except Exception:  # torch raises whatever a damaged or hostile pickle leads to
        return ""


def tensors_of(where: str, part: str, value: object, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Tensors by name: no others than `shapes` has, of real numbers that are finite.

    Args:
        where: The file.
        part: What they are called there.
        value: What it holds.
        shapes: Shapes by name.

    Raises:
        ArtefactError: They are not.
    """
    if not isinstance(value, Mapping):
        raise ArtefactError(f"{where}: {part} is {value!r:.40}, expected tensors by name; train the network again.")
    for name, tensor in value.items():
        if name not in shapes:
            known = ", ".join(shapes) or "none"
            raise ArtefactError(f"{where}: {part} has {name!r:.40}, expected only {known}; train the network again.")
        if not isinstance(tensor, Tensor) or tensor.dtype not in (torch.float32, torch.float64):
            found = tensor.dtype if isinstance(tensor, Tensor) else repr(tensor)
            raise ArtefactError(
                f"{where}: {part}.{name} is {found!s:.40}, expected a tensor of float32; train the network again."
            )
        if tuple(tensor.shape) != shapes[name]:
            raise ArtefactError(f"{where}: {part}.{name} has shape {tuple(tensor.shape)}, expected {shapes[name]}.")
        if not bool(torch.isfinite(tensor).all()):
            raise ArtefactError(f"{where}: {part}.{name} holds NaN or infinite values; train the network again.")
    return dict(value)


def all_tensors_of(where: str, part: str, value: object, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The same, where none may be missing."""
    tensors = tensors_of(where, part, value, shapes)
    for name in shapes:
        if name not in tensors:
            raise ArtefactError(f"{where}: {part} has no {name!r}; train the network again.")
    return tensors


def read_network(path: str | Path) -> Network:
    """Read a trained network and check that its tensors are those its settings ask for.

    Raises:
        ArtefactError: See `read_tensors`; also a missing part, a tensor of the wrong shape or a non-finite one, plain
            values of the wrong types.
    """
    content = read_tensors(path, KIND)
    path, where = Path(path), str(path)
    try:
        settings = settings_of(where, content["settings"])
        task_settings = dict(settings["task"])
        task = parse(task_class(task_settings.pop("name")), task_settings, "task")
        kind = policy_kind(settings["network"].get("kind"))
        network: Any = parse(kind.settings, settings["network"], "network")
        value_network = parse(ValueSettings, settings["value_network"], "value_network")
        n_actions = len(task.action_names)
        shapes = {
            "policy": kind.shapes(network, len(task.input_names), n_actions),
            "value": _value_shapes(value_network, network.n_units + n_actions),
        }
        parts = {part: all_tensors_of(where, part, content[part], shapes[part]) for part in shapes}
        masks = {part: tensors_of(where, f"masks.{part}", content["masks"][part], shapes[part]) for part in shapes}
        kept = {name: shapes["policy"][name] for name in kind.kept_initial}
        return Network(
            path=path,
            settings=settings,
            seed=seed_of(where, content["seed"]),
            task=task,
            policy=effective(parts["policy"], masks["policy"]),
            value=effective(parts["value"], masks["value"]),
            score=score_of(where, content["score"]),
            provenance=mapping_of(where, "'provenance'", content["provenance"]),
            parameters=parts,
            masks=masks,
            policy_settings=network,
            value_settings=value_network,
            initial=all_tensors_of(where, "initial", content["initial"], kept) if kept else {},
        )
    except SettingsError as error:
        raise ArtefactError(f"{path}: was made with settings this rnnpipe does not know: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtefactError(f"{path}: is damaged or incomplete ({error!r}); train the network again.") from None


def _value_shapes(value: ValueSettings, n_seen: int) -> dict[str, tuple[int, ...]]:
    if value.kind == "linear":
        return {"w_out": (1, n_seen), "b_out": (1,), "x0": (n_seen,)}
    return recurrent_shapes(value.kind, value.n_units, n_seen, 1)

"""The entries that sweeps stand for, for `rnnpipe.config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnnpipe.errors import SettingsError
from rnnpipe.sweep import label, members, read_sweep

if TYPE_CHECKING:
    from rnnpipe.config import Study

SWEPT = ("experiments", "spiking")
"""Sections whose entries may be sweeps."""

Sections = dict[str, Any]


def expand_sweeps(study: Study, sources: Mapping[str, Sections], scale: str) -> None:
    """Replace every sweep in the sections of each source, by its path, by its members, and note them in the study.

    A member of a sweep over settings of the task is of a task of its own, `<task>_<setting>_<value>`, which has the
    settings and the data sets of the sweep's task otherwise, and which all sweeps with these values share.

    Raises:
        SettingsError: A sweep is no mapping of settings to lists of values.
    """
    tasks = _joined(sources, "tasks")
    datasets = _joined(sources, "datasets")
    for path, sections in sources.items():
        for section in SWEPT:
            found: dict[str, Any] = {}
            for name, values in sections[section].items():
                if not (isinstance(values, Mapping) and "sweep" in values):
                    found[name] = values
                    continue
                where = f"{path}{scale}: {section}.{name}"
                axes = read_sweep(values["sweep"], f"{where}.sweep")
                rest = {key: value for key, value in values.items() if key != "sweep"}
                entries = {}
                for member, changes in members(name, axes).items():
                    of_task = {}
                    if section == "experiments":
                        of_task = {k.partition(".")[2]: v for k, v in changes.items() if k.startswith("task.")}
                    entry = rest
                    for key, value in changes.items():
                        if not (section == "experiments" and key.startswith("task.")):
                            entry = merge(entry, _nested(key, value))
                    if of_task:
                        entry = {**entry, "task": _task(sections, tasks, datasets, entry.get("task"), of_task, where)}
                    entries[member] = entry
                taken = next((member for member in entries if member in found or member in sections[section]), None)
                if taken is not None:
                    raise SettingsError(f"{where}: one of its entries is called {taken}, as another; rename one.")
                found.update(entries)
                study.sweeps[section, name] = list(entries)
                if section == "experiments":
                    study.swept[name] = axes
            sections[section] = found


def _task(
    sections: Sections, tasks: dict[str, Any], datasets: dict[str, Any], base: Any, changes: dict[str, Any], where: str
) -> str:
    """Name of the task that is another one with changed settings; it is added if it is not there."""
    if not isinstance(base, str) or not isinstance(tasks.get(base), Mapping):
        raise SettingsError(f"{where}: task = {base!r:.100}: expected the name of an entry of `tasks`.")
    name = "_".join([base, *(f"{key.replace('.', '_')}_{label(value)}" for key, value in changes.items())])
    made = tasks[base]
    for key, value in changes.items():
        made = merge(made, _nested(key, value))
    if name not in tasks:
        tasks[name] = made
        sections["tasks"] = {**sections["tasks"], name: made}
        if base in datasets:
            datasets[name] = datasets[base]
            sections["datasets"] = {**sections["datasets"], name: datasets[base]}
    elif tasks[name] != made:
        raise SettingsError(f"{where}: a task of this sweep is called {name}, as an entry of `tasks`; rename that.")
    return name


def _joined(sources: Mapping[str, Sections], section: str) -> dict[str, Any]:
    """The entries of a section of all sources."""
    found: dict[str, Any] = {}
    for sections in sources.values():
        for name, values in sections[section].items():
            found[name] = {**found.get(name, {}), **values} if section == "datasets" else values
    return found


def _nested(key: str, value: Any) -> Any:
    """A value below its key, at every dot a mapping."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merge(base: Any, change: Any) -> Any:
    """`base` with the keys of `change`, mappings merged in depth, everything else (lists too) replaced."""
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return change
    return {**base, **{k: merge(base[k], v) if k in base else v for k, v in change.items()}}

"""Flags of a stage, made from its groups of settings: `--network.n_units 50` sets `n_units` of group `network`.

A stage declares its groups once:

    @stage(network=GatedSettings, task=TASK)
    @click.option("--out", ...)
    def command(settings, out): ...

and its command takes `--settings` (JSON, or a YAML or JSON file) with one mapping per group, and every setting of
every group as a dotted flag, which wins. `settings` is then a dictionary of validated groups.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from rnnpipe.cli._argv import flag_value
from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, parse, suggest
from rnnpipe.tasks import environment_task_names, task_class, task_names
from rnnpipe.yaml_file import parse_yaml, read_mapping

TASK = None
"""Stands for the settings of whatever task is named by `name` in the group: they are known only at run time."""

SELECTORS = (("learning", "rule"), ("network", "kind"))
"""Settings that decide which groups there are, and so must be known before the flags are."""

Groups = Mapping[str, type[Settings] | None]
_FLAGS = "rnnpipe.flags"


Choose = Callable[[Mapping[str, Any]], Mapping[str, type[Settings]]]
"""From what is given, by group, to the groups that this makes: some depend on others."""


def stage(
    choose: Choose | None = None, optional: Sequence[str] = (), **groups: type[Settings] | None
) -> Callable[[Callable[..., Any]], StageCommand]:
    """Decorator that makes a function the command of a stage with these groups of settings.

    Args:
        choose: Gives the models of the groups that have none here, but the task; a group that it leaves out is refused.
        optional: Groups that may be absent: the task, where files say what it is.
        **groups: Model of each group.
    """

    def decorate(function: Callable[..., Any]) -> StageCommand:
        made: StageCommand = click.command(cls=StageCommand, groups=groups, choose=choose, optional=optional)(function)
        return made

    return decorate


class StageCommand(click.Command):
    """A command whose flags depend on its groups of settings, and on the task that is named on its command line."""

    def __init__(
        self, *args: Any, groups: Groups, choose: Choose | None, optional: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.groups, self.choose, self.optional = groups, choose, optional
        kinds = ", ".join(groups)
        self.params.append(
            click.Option(["--settings"], default="{}", metavar="JSON|FILE", help=f"settings by group: {kinds}")
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return super().get_params(ctx)[:-1] + ctx.meta.get(_FLAGS, []) + super().get_params(ctx)[-1:]  # --help last

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = read_settings(flag_value(args, "--settings") or "{}", self.groups)
        name = flag_value(args, "--task.name")
        if name is not None:
            given["task"] = {**given.get("task", {}), "name": name}
        for group, key in SELECTORS if self.choose else ():
            selected = flag_value(args, f"--{group}.{key}")
            if selected is not None:
                given[group] = {**given.get(group, {}), key: selected}
        models = self._models(given)
        ctx.meta[_FLAGS] = [
            _flag(group, key, field) for group, model in models.items() for key, field in model.model_fields.items()
        ]
        if "task" in self.groups:
            ctx.meta[_FLAGS].insert(
                0,
                click.Option(
                    ["--task.name", _parameter("task", "name")],
                    metavar="TASK",
                    help=f"one of {', '.join(task_names() + environment_task_names())}",
                ),
            )
        rest = super().parse_args(ctx, args)
        ctx.params.pop("settings")
        ctx.params.pop(_parameter("task", "name"), None)
        for group, model in models.items():
            for key, field in model.model_fields.items():
                text = ctx.params.pop(_parameter(group, key), None)
                if text is not None:
                    given.setdefault(group, {})[key] = _value(f"--{group}.{key}", field, text)
        if not ctx.resilient_parsing:
            ctx.params["settings"] = self._parse(given, models)
        return rest

    def _models(self, given: Mapping[str, Any]) -> dict[str, type[Settings]]:
        """Model of each group; the task's is left out while no task is named (as in a bare `--help`)."""
        chosen = self.choose(given) if self.choose else {}
        models: dict[str, type[Settings]] = {}
        for group, model in self.groups.items():
            if group == "task":
                if "name" in given.get(group, {}):
                    models[group] = task_class(given[group]["name"])
            elif model is not None:
                models[group] = model
            elif group in chosen:
                models[group] = chosen[group]
            elif given.get(group):
                raise SettingsError(f"--settings: group {group!r} does not go with the other settings; leave it out.")
        return models

    def _parse(self, given: Mapping[str, Any], models: Mapping[str, type[Settings]]) -> dict[str, Settings]:
        if "task" in self.groups and "task" not in models and "task" not in self.optional:
            names = ", ".join(task_names() + environment_task_names())
            raise SettingsError(f"no task is named: give --task.name, one of {names}.")
        parsed = {}
        for group, model in models.items():
            values = dict(given.get(group, {}))
            if group == "task":
                values.pop("name")
            parsed[group] = parse(model, values, f"settings of {group}")
        return parsed


def read_settings(text: str, groups: Groups) -> dict[str, dict[str, Any]]:
    """Settings by group from JSON, or from a YAML or JSON file.

    Raises:
        SettingsError: Neither JSON nor a readable file, or a group that the stage does not have.
    """
    given = read_mapping(text)
    for group, values in given.items():
        if group not in groups:
            raise SettingsError(f"--settings: unknown group {group!r} ({suggest(str(group), groups)}).")
        if not isinstance(values, dict):
            raise SettingsError(f"--settings: {group}: expected a mapping of settings, got {values!r}.")
    return {group: dict(values) for group, values in given.items()}


def _flag(group: str, key: str, field: FieldInfo) -> click.Option:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    default = "required" if field.is_required() else f"default: {json.dumps(field.default)}"
    note = f"[{unit}; {default}]" if unit else f"[{default}]"
    return click.Option(
        [f"--{group}.{key}", _parameter(group, key)],
        metavar=_metavar(field.annotation),
        help=f"{field.description}  {note}",
    )


def _parameter(group: str, key: str) -> str:
    """Name of a flag's parameter within click, which wants an identifier."""
    return f"{group}__{key}"


def _metavar(annotation: Any) -> str:
    """How a type is shown: INT, FLOAT, BOOL, TEXT, [a|b], FLOAT,..., {...} with |null where None is allowed."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        shown = [_metavar(a) for a in inner if a is not type(None)]
        return "|".join(shown + ["null"] * (type(None) in inner))
    if origin is typing.Literal:
        return "[" + "|".join(map(str, inner)) + "]"
    if origin in (list, tuple):
        return f"{_metavar(inner[0])},..."
    if origin is dict:
        return "{...}"
    return {int: "INT", float: "FLOAT", bool: "BOOL"}.get(annotation, "TEXT")


def _value(flag: str, field: FieldInfo, text: str) -> Any:
    """A flag's text as its field's type: `null` is None, lists are `1,2,3` or `[1, 2, 3]`, mappings `{a: 1}`.

    Where a field takes a list or a mapping among others, brackets and commas tell which one it is.
    """
    annotation: Any = field.annotation
    inner = typing.get_args(annotation)
    value: Any = text
    if text.lower() in ("null", "none") and type(None) in inner:
        return None
    one_of = inner if typing.get_origin(annotation) in (typing.Union, types.UnionType) else ()
    kinds = {typing.get_origin(kind) for kind in one_of or (annotation,)}
    if kinds & {list, tuple} and not text.startswith("{") and (not one_of or text.startswith("[") or "," in text):
        listed = text.startswith("[")
        value = parse_yaml(text, flag) if listed else [word.strip() for word in text.split(",") if word.strip()]
    elif dict in kinds and (not one_of or text.startswith("{")):
        value = parse_yaml(text, flag)
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise SettingsError(f"{flag} {text}: {message[:1].lower()}{message[1:]}.") from None

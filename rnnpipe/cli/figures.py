"""Stage `figures`: artefacts to a figure (PDF, PNG) and the numbers that it plots (CSV)."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rnnpipe.errors import SettingsError
from rnnpipe.figures import FigureModule, figure_module, figure_names, optional_needs
from rnnpipe.file_runs import unfold
from rnnpipe.inputs import noted_inputs
from rnnpipe.provenance import provenance
from rnnpipe.settings import parse, suggest
from rnnpipe.yaml_file import read_mapping


@click.command(
    epilog="Figures: " + ", ".join(figure_names()) + ". `rnnpipe figures --figure NAME` tells what one needs."
)
@click.option("--figure", required=True, metavar="NAME", help="what to draw; a module of rnnpipe/figures")
@click.option("--settings", "text", default="{}", metavar="JSON|FILE", help="settings of the figure")
@click.option(
    "--inputs",
    multiple=True,
    metavar="NEED=PATH",
    help="a file it reads, or several, as 'seed{0,1}.h5'; repeat for needs and networks",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="PDF", help="figure to write; .png and .csv go beside it"
)
@click.option(
    "--animation",
    type=click.Path(path_type=Path),
    metavar="GIF|MP4",
    help="one turn of its 3-D axes to write; with or without --out",
)
def command(figure: str, text: str, inputs: Sequence[str], out: Path | None, animation: Path | None) -> None:
    """Draw a figure from evaluations or histories, and write the numbers it plots."""
    module = figure_module(figure)
    if out is None and animation is None:
        print(describe(figure, module))
        raise SettingsError("--out is missing: name the PDF to write.")
    if out is not None and out.suffix != ".pdf":
        raise SettingsError(f"--out {out}: expected a name that ends in .pdf.")
    options = parse(module.Options, read_mapping(text), f"settings of figure {figure}")
    files = sort_inputs(figure, module, inputs)
    written: list[Path] = []
    # by name: the code of figures that are only drawn does not depend on it
    turning: Any = importlib.import_module("rnnpipe.figures.animation") if animation is not None else None
    if animation is not None:
        turning.check_animation(animation)

    def record(path: Path, *modules: str) -> dict[str, Any]:
        read = [(need, file) for need, group in files.items() for file in group]
        made_by = {**provenance("figures", *modules, f"figures.{figure}"), **noted_inputs(path, read)}
        return {"kind": "figure", "settings": {"figure": figure, **options.changed()}, "provenance": made_by}

    table = module.data(files, options)
    drawn = module.draw(table)
    if animation is not None:
        written.append(turning.animate(drawn, animation, record=record(animation, "figures.animation")))
    if out is not None:
        from rnnpipe.figures.style import save

        written += save(drawn, table, out, figure, record(out))
    for path in written:
        print(f"wrote {path}")


def describe(figure: str, module: FigureModule) -> str:
    """What a figure is, what it needs and its settings, as text."""
    lines = [f"{figure}: {(getattr(module, '__doc__', None) or '').strip().splitlines()[0]}"]
    lines += [f"  --inputs {need}=PATH  {meaning}" for need, meaning in module.NEEDS.items()]
    lines += [f"  --inputs {need}=PATH  {meaning} (optional)" for need, meaning in optional_needs(module).items()]
    for name, field in module.Options.model_fields.items():
        lines.append(f"  {name} (default {json.dumps(field.default)}): {field.description}")
    return "\n".join(lines)


def sort_inputs(figure: str, module: FigureModule, inputs: Sequence[str]) -> dict[str, list[Path]]:
    """Files by need, in the order given; an optional need may be absent.

    Raises:
        SettingsError: Not NEED=PATH, a need that the figure does not have, or one that nothing was given for.
    """
    files: dict[str, list[Path]] = {}
    known = {**module.NEEDS, **optional_needs(module)}
    for item in inputs:
        need, separator, path = item.partition("=")
        if not separator or not path:
            raise SettingsError(f"--inputs {item}: expected NEED=PATH.")
        if need not in known:
            raise SettingsError(f"--inputs {item}: figure {figure} has no need {need!r} ({suggest(need, known)}).")
        files.setdefault(need, []).extend(map(Path, unfold(path)))
    for need, meaning in module.NEEDS.items():
        if need not in files:
            raise SettingsError(f"figure {figure} needs {need}: {meaning}; give it with --inputs {need}=PATH.")
    return files

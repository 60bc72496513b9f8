"""Stage `figures`: artefacts to a figure (PDF, PNG) and the numbers that it plots (CSV)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from rnnpipe.errors import SettingsError
from rnnpipe.figures import FigureModule, figure_module, figure_names
from rnnpipe.settings import parse, suggest
from rnnpipe.yaml_file import read_mapping


@click.command(
    epilog="Figures: " + ", ".join(figure_names()) + ". `rnnpipe figures --figure NAME` tells what one needs."
)
@click.option("--figure", required=True, metavar="NAME", help="what to draw; a module of rnnpipe/figures")
@click.option("--settings", "text", default="{}", metavar="JSON|FILE", help="settings of the figure")
@click.option("--inputs", multiple=True, metavar="NEED=PATH", help="a file it reads; repeat for needs and networks")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="PDF", help="figure to write; .png and .csv go beside it"
)
def command(figure: str, text: str, inputs: Sequence[str], out: Path | None) -> None:
    """Draw a figure from evaluations or histories, and write the numbers it plots."""
    module = figure_module(figure)
    if out is None:
        print(describe(figure, module))
        raise SettingsError("--out is missing: name the PDF to write.")
    if out.suffix != ".pdf":
        raise SettingsError(f"--out {out}: expected a name that ends in .pdf.")
    options = parse(module.Options, read_mapping(text), f"settings of figure {figure}")
    table = module.data(sort_inputs(figure, module, inputs), options)
    from rnnpipe.figures.style import save

    for path in save(module.draw(table), table, out, figure):
        print(f"wrote {path}")


def describe(figure: str, module: FigureModule) -> str:
    """What a figure is, what it needs and its settings, as text."""
    lines = [f"{figure}: {(getattr(module, '__doc__', None) or '').strip().splitlines()[0]}"]
    lines += [f"  --inputs {need}=PATH  {meaning}" for need, meaning in module.NEEDS.items()]
    for name, field in module.Options.model_fields.items():
        lines.append(f"  {name} (default {json.dumps(field.default)}): {field.description}")
    return "\n".join(lines)


def sort_inputs(figure: str, module: FigureModule, inputs: Sequence[str]) -> dict[str, list[Path]]:
    """Files by need, in the order given.

    Raises:
        SettingsError: Not NEED=PATH, a need that the figure does not have, or one that nothing was given for.
    """
    files: dict[str, list[Path]] = {}
    for item in inputs:
        need, separator, path = item.partition("=")
        if not separator or not path:
            raise SettingsError(f"--inputs {item}: expected NEED=PATH.")
        if need not in module.NEEDS:
            raise SettingsError(
                f"--inputs {item}: figure {figure} has no need {need!r} ({suggest(need, module.NEEDS)})."
            )
        files.setdefault(need, []).append(Path(path))
    for need, meaning in module.NEEDS.items():
        if need not in files:
            raise SettingsError(f"figure {figure} needs {need}: {meaning}; give it with --inputs {need}=PATH.")
    return files

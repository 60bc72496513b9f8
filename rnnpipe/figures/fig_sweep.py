"""Networks of a sweep: a measure of each against one setting or two, as lines or as a map."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnpipe.analysis.gathered import read_gathered, varied
from rnnpipe.analysis.proportions import wilson
from rnnpipe.errors import SettingsError
from rnnpipe.figures import Inputs
from rnnpipe.figures.source_data import assemble, of, points
from rnnpipe.figures.style import GREY, coherence_colours, new_figure, note, panel_letter, place, styled
from rnnpipe.settings import Settings, setting, suggest

NEEDS = {"gathered": "table of the networks of stage gather; several are joined"}

NONE = "no network\nhas it"


class Options(Settings):
    """Settings of the figure."""

    x: str | None = setting(None, "setting along the horizontal axis; by default the first that was varied")
    y: str | None = setting(
        None, "setting that tells lines apart, or of the vertical axis of a map; by default the next"
    )
    measures: list[str] = setting(
        ["reached_criterion", "trials_to_criterion", "best_score"],
        "columns of the table that are shown, one panel each",
        min_length=1,
        max_length=3,
    )
    kind: Literal["lines", "map"] = setting("lines", "lines over x, or a colour for each pair of x and y")


def data(inputs: Inputs, options: Options) -> pd.DataFrame:
    """Everything that is drawn; columns as in `rnnpipe.figures.source_data`, and `x_name`, `y_name`, `y_place`.

    Series `networks` is the mean over the networks with one value of both settings, `low` and `high` mean -+ SD, or a
    percentage and its 95 % interval; `n` how many networks have the measure. `x` and `y_place` are the values where
    all are numbers, else their places, and `x_name` and `y_name` how they are called.
    """
    table = pd.concat([read_gathered(path) for path in inputs["gathered"]], ignore_index=True)
    names = varied(table)
    x = _chosen("x", options.x, names, 0)
    y = _chosen("y", options.y, [name for name in names if name != x], 0) if len(names) > 1 or options.y else None
    if x is None:
        raise SettingsError("settings of the figure: nothing was varied in the table; give it that of a sweep.")
    if options.kind == "map" and y is None:
        raise SettingsError("settings of the figure: kind = 'map' needs two varied settings; take kind: lines.")
    x_places = _places(table[x])
    y_places = _places(table[y]) if y is not None else {}
    parts = []
    for letter, measure in zip("ABC", options.measures, strict=False):
        if measure not in table or not pd.api.types.is_numeric_dtype(table[measure]):
            known = [str(name) for name in table.select_dtypes(["number", "bool"])]
            raise SettingsError(f"settings of the figure: no measure {measure!r} ({suggest(measure, known)}).")
        percent = pd.api.types.is_bool_dtype(table[measure])
        words = _words(measure, table)
        for key, some in table.groupby([x] if y is None else [x, y], sort=False):
            values = some[measure].to_numpy(float)
            values = values[np.isfinite(values)]
            mean, low, high = _summary(values, percent)
            parts.append(
                points(
                    letter,
                    "networks",
                    x=float(x_places[key[0]]),
                    x_name=_name(key[0]),
                    y_place=0.0 if y is None else float(y_places[key[1]]),
                    y_name="all" if y is None else _name(key[1]),
                    y=mean,
                    low=low,
                    high=high,
                    n=float(len(values)),
                    label=options.kind,
                    x_label=x,
                    y_label=words,
                    other=y or "",
                )
            )
    return assemble(parts)


def _chosen(what: str, given: str | None, names: list[str], place: int) -> str | None:
    if given is None:
        return names[place] if len(names) > place else None
    if given not in names:
        raise SettingsError(f"settings of the figure: {what} = {given!r} was not varied ({suggest(given, names)}).")
    return given


def _places(column: pd.Series) -> dict[object, float]:
    """Where on an axis each value is: where it says, if all are numbers, else one after the other."""
    values = list(dict.fromkeys(column))
    numbers = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return {value: float(value) if numbers else float(i) for i, value in enumerate(values)}


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _words(measure: str, table: pd.DataFrame) -> str:
    if measure == "reached_criterion":
        return "Networks that reached\nthe criterion (%)"
    if measure in ("best_score", "final_score"):
        return f"{measure.split('_')[0].capitalize()} {' or '.join(dict.fromkeys(table['score']))}".replace("_", " ")
    return measure.replace("_", " ").capitalize()


def _summary(values: np.ndarray, percent: bool) -> tuple[float, float, float]:
    if not len(values):
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if percent:
        low, high = wilson(values.sum(), len(values))
        return 100 * mean, 100 * float(low), 100 * float(high)
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return mean, mean - sd, mean + sd


@styled
def draw(table: pd.DataFrame) -> Figure:
    """The figure of a table that `data` made, 174 mm wide."""
    figure = new_figure(62)
    panels = list(dict.fromkeys(table["panel"]))
    for i, panel in enumerate(panels):
        left = 14 + i * 58
        panel_letter(figure, panel, left - 13, 1)
        rows = of(table, panel)
        if rows["label"].iloc[0] == "map":
            _draw_map(figure, place(figure, left, 13, 32, 40), rows, left + 34)
        else:
            _draw_lines(place(figure, left, 13, 38, 40), rows)
    return figure


def _draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    ordered = rows[["y_place", "y_name"]].drop_duplicates().sort_values("y_place", kind="stable")
    colors = coherence_colours(list(range(len(ordered))))
    for k, name in enumerate(ordered["y_name"]):
        line = rows[rows["y_name"] == name].sort_values("x", kind="stable")
        axes.vlines(line["x"], line["low"], line["high"], color=colors[k], lw=0.7, alpha=0.7)
        axes.plot(line["x"], line["y"], "o-", color=colors[k], ms=2.4, lw=0.9, label=_name(name))
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["y_label"].iloc[0])
    _ticks(axes, rows)
    if not rows["y"].notna().any():
        note(axes, NONE)
    elif len(ordered) > 1 and len(ordered) <= 8:
        axes.legend(title=rows["other"].iloc[0], loc="best", fontsize=5, title_fontsize=5)
    elif len(ordered) > 8:
        ends = [_name(name) for name in ordered["y_name"].iloc[[0, -1]]]
        axes.set_title(f"dark to light: {rows['other'].iloc[0]} {ends[1]} to {ends[0]}", fontsize=5.5, color=GREY)


def _ticks(axes: Axes, rows: pd.DataFrame) -> None:
    """Names at the places of an axis that has no numbers."""
    named = rows[["x", "x_name"]].drop_duplicates()
    if any(_name(x) != _name(name) for x, name in named.itertuples(index=False)):
        axes.set_xticks(named["x"], [_name(name) for name in named["x_name"]], rotation=30 if len(named) > 3 else 0)


def _draw_map(figure: Figure, axes: Axes, rows: pd.DataFrame, left: float) -> None:
    xs = rows[["x", "x_name"]].drop_duplicates().sort_values("x", kind="stable")
    ys = rows[["y_place", "y_name"]].drop_duplicates().sort_values("y_place", kind="stable")
    grid = rows.pivot(index="y_place", columns="x", values="y").reindex(index=ys["y_place"], columns=xs["x"])
    shown = np.ma.masked_invalid(grid.to_numpy(float))
    axes.set_facecolor("#e4e4e4")
    image = axes.imshow(shown, origin="lower", aspect="auto", cmap="viridis", interpolation="nearest")
    for names, ticks in ((xs["x_name"], axes.set_xticks), (ys["y_name"], axes.set_yticks)):
        step = -(-len(names) // 8)
        ticks(range(0, len(names), step), [_name(name) for name in names][::step])
    axes.set(xlabel=rows["x_label"].iloc[0], ylabel=rows["other"].iloc[0])
    axes.set_title(rows["y_label"].iloc[0])
    if shown.mask.all():
        note(axes, NONE)
        return
    bar = figure.colorbar(image, cax=place(figure, left, 13, 2, 40))
    bar.outline.set_linewidth(0.4)
    if shown.mask.any():
        axes.text(1, -0.3, "grey: no network", transform=axes.transAxes, ha="right", fontsize=5, color=GREY)

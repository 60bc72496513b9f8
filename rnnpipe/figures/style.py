"""How figures look: sizes, fonts, colours, and the one function that saves them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rnnpipe.files import whole
from rnnpipe.inputs import sha256_of
from rnnpipe.io.record import PNG_KEYWORD, as_text

P = ParamSpec("P")

WIDTH = 174.0
"""Width of a full-page figure, mm."""
MM = 1 / 25.4
PNG_DPI = 250

INK, GREY, FAINT = "#1a1a1a", "#8c8c8c", "#e4e4e4"
PERIOD_COLOURS = {"fixation": "#f1f1f1", "stimulus": "#e0e7f1", "delay": "#f1f1f1", "decision": "#f7ecd9"}

RC: dict[str, Any] = {
    # DejaVu Sans comes with matplotlib, so every machine draws the same glyphs
    "font.family": "DejaVu Sans",
    "font.size": 6.5,
    "axes.titlesize": 6.5,
    "axes.labelsize": 6.5,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "legend.fontsize": 6,
    "legend.title_fontsize": 6,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.25,
    "legend.borderaxespad": 0.2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # text stays text: TrueType fonts are embedded whole enough to edit
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "pdf.compression": 6,
    "path.simplify": False,
}


def styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorator of a drawing function: it draws in this style whatever the user's matplotlib is set to."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with as_styled():
            return function(*args, **kwargs)

    return wrapped


@contextlib.contextmanager
def as_styled() -> Iterator[None]:
    """Within it matplotlib draws in this style."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)  # type: ignore[arg-type]  # its keys are literals
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of a size in mm, without any window system."""
    figure = Figure(figsize=(width * MM, height * MM))
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in mm from the lower left corner of the figure."""
    w, h = figure.get_size_inches() / MM
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def panel_letter(figure: Figure, letter: str, left: float, top: float) -> None:
    """A bold panel letter, its upper left corner at a place in mm from the upper left corner of the figure."""
    w, h = figure.get_size_inches() / MM
    figure.text(left / w, 1 - top / h, letter, fontsize=9, fontweight="bold", ha="left", va="top")


def coherence_colours(coherences: Sequence[float]) -> dict[float, tuple[float, float, float, float]]:
    """A shade for each coherence, light for weak and dark for strong motion.

    Viridis without its yellow end: it is ordered in lightness, so it survives greyscale printing and colour-blind
    readers, and all of it can be seen on white.
    """
    levels = sorted(set(coherences))
    shades = mpl.colormaps["viridis"]
    return {c: shades(0.86 * (1 - i / max(len(levels) - 1, 1))) for i, c in enumerate(levels)}


def percent(coherence: float) -> str:
    """A coherence as a label: 6.4 %."""
    return f"{coherence:g} %"


def at_least(low: float, high: float, values: pd.Series) -> tuple[float, float]:
    """Published limits of an axis, widened to the next tenth where the values go beyond them."""
    shown = values[values.notna()]
    if shown.empty:
        return low, high
    return min(low, np.floor(10 * shown.min()) / 10), max(high, np.ceil(10 * shown.max()) / 10)


def note(axes: Axes, text: str) -> None:
    """A sentence in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=6, wrap=True)


def save(
    figure: Figure, table: pd.DataFrame, path: Path, title: str, record: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write a figure as PDF and PNG and its source data as CSV, each whole or not at all.

    Without dates or random identifiers, so that equal input gives equal bytes.

    Args:
        figure: The figure.
        table: The numbers that it plots, tidy.
        path: Name of the PDF; the other two differ from it in their suffix.
        title: Title in the metadata of the PDF.
        record: What made it; noted in the PDF and the PNG, with the hash of the table (`rnnpipe.io.record`).

    Returns:
        The files written, the PDF last.
    """
    csv, png = path.with_suffix(".csv"), path.with_suffix(".png")
    with whole(csv) as tmp:
        table.to_csv(tmp, index=False, float_format="%.10g", lineterminator="\n")
    noted = None if record is None else {**record, "table_sha256": sha256_of(csv)}
    for picture in (png, path):
        save_picture(figure, picture, title, noted)
    return [csv, png, path]


def save_picture(figure: Figure, path: Path, title: str, record: Mapping[str, Any] | None = None) -> None:
    """Write a figure as PDF or PNG, whole or not at all, without dates, so that equal pictures are equal files.

    Args:
        figure: The figure.
        path: Name that ends in .pdf or .png.
        title: Title in the metadata of a PDF.
        record: What made it, noted in the file (`rnnpipe.io.record`).
    """
    metadata: dict[str, str | None] = {"Software": None}
    keyword = PNG_KEYWORD
    if path.suffix == ".pdf":
        metadata = {"Title": title, "Creator": "rnnpipe", "CreationDate": None, "ModDate": None}
        keyword = "Keywords"
    if record is not None:
        metadata[keyword] = as_text(record)
    with as_styled(), whole(path) as tmp:
        # dpi: of pictures within a PDF, too
        figure.savefig(tmp, format=path.suffix[1:], dpi=PNG_DPI, metadata=metadata)

"""The page: contents to HTML that loads nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from rnnpipe.analysis.claims import MISSED, NOT_MEASURED, REACHED
from rnnpipe.report import curves
from rnnpipe.report.contents import Contents, count_verdicts

FOLDER = Path(__file__).parent
FILES = ("page.html", "page.css", "page.js")
"""What the page is made of, beside this module."""
SYMBOLS = {REACHED: "✓", MISSED: "✗", NOT_MEASURED: "–"}


def render(contents: Contents, **provenance: Any) -> str:
    """The page as HTML. Every text of a study is escaped, and the page's own policy lets no other script run."""
    html, style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in FILES)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"duration": duration, "megabytes": megabytes, "anchor": anchor, "number": number}
    environment.filters |= {"breakable": breakable, "commands": commands}
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    counts = count_verdicts(contents.claims)
    return environment.from_string(html).render(
        contents=contents,
        counts={verdict: counts.get(verdict, 0) for verdict in SYMBOLS},
        symbols=SYMBOLS,
        curves=curves,
        style=Markup(style),  # ours, and not of the study
        script=Markup(script),
        policy=policy,
        image_bytes=sum(image.n_bytes for image in contents.images),
        **provenance,
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def anchor(kind: str, name: str) -> str:
    """Identifier of a place on the page."""
    return f"{kind}-{re.sub(r'[^A-Za-z0-9_]', lambda found: f'.{ord(found[0]):x}', name)}"


def breakable(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def commands(text: str) -> Markup:
    """A text with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def duration(seconds: float | None) -> str:
    """A time as a reader wants it: `52 s`, `12 min`, `3 h 20 min`."""
    if seconds is None:
        return "not noted"
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def megabytes(n_bytes: float) -> str:
    """A size: `1.3 MB`."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"


def number(value: float | None) -> str:
    """A number in few digits; nothing for none."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""Records of what made a figure or a table, within files that other programs open.

A PDF has it as its keywords, a PNG as a text chunk, a GIF as a comment, Markdown as a comment at its end; all of it is
JSON in ASCII. A CSV is only numbers, so its record, with the hash of the table, is in the file beside it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnpipe.errors import ArtefactError
from rnnpipe.io.plain import mapping_of

PNG_KEYWORD = "rnnpipe"
_PNG = b"\x89PNG\r\n\x1a\n"
_PDF = re.compile(rb"/Keywords \((\{[^()\\]*(?:\\.[^()\\]*)*\})\)", re.DOTALL)
_MARKDOWN = re.compile(rb"<!-- rnnpipe (\{.*\}) -->\s*\Z")
_GIF_COMMENT = b"\xfe"


def as_text(record: Mapping[str, Any]) -> str:
    """A record as JSON: equal records give equal text."""
    return json.dumps(dict(record), sort_keys=True, separators=(",", ":"))


def as_comment(record: Mapping[str, Any]) -> str:
    """A record as a comment of Markdown or HTML, in which two hyphens may not stand."""
    return f"<!-- rnnpipe {as_text(record).replace('--', '-' + chr(92) + 'u002d')} -->\n"


def read_record(path: Path) -> dict[str, Any] | None:
    """The record within a PDF, PNG, GIF or Markdown file; None if it has none.

    Raises:
        ArtefactError: The file cannot be read, or what it has is no record.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: no such file.") from None
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror}).") from None
    find = {".pdf": _in_pdf, ".png": _in_png, ".gif": _in_gif, ".md": _in_markdown}
    text = find[path.suffix](content)
    if text is None:
        return None
    try:
        record = mapping_of(str(path), "its record", text)
    except ArtefactError:
        record = {}
    if not isinstance(record.get("provenance"), dict):
        raise ArtefactError(f"{path}: its record of what made it is damaged; make the file again.")
    return record


def _in_pdf(content: bytes) -> bytes | None:
    found = _PDF.search(content)
    return None if found is None else re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL)


def _in_png(content: bytes) -> bytes | None:
    place, mark = len(_PNG), PNG_KEYWORD.encode() + b"\0"
    while content.startswith(_PNG) and place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        data = content[place + 8 : place + 8 + length]
        if content[place + 4 : place + 8] == b"tEXt" and data.startswith(mark):
            return data.removeprefix(mark)
        place += 12 + length
    return None


def _in_gif(content: bytes) -> bytes | None:
    """Its first comment before the first frame."""
    if not content.startswith((b"GIF87a", b"GIF89a")) or len(content) < 13:
        return None
    palette = 3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0
    place = 13 + palette
    while content[place : place + 1] == b"!":  # an extension: its kind, then blocks of up to 255 bytes
        kind, parts = content[place + 1 : place + 2], []
        place += 2
        while place < len(content) and (length := content[place]):
            parts.append(content[place + 1 : place + 1 + length])
            place += 1 + length
        if kind == _GIF_COMMENT:
            text = b"".join(parts)
            return text if text.startswith(b"{") else None
        place += 1
    return None


def _in_markdown(content: bytes) -> bytes | None:
    found = _MARKDOWN.search(content)
    return None if found is None else found[1]

"""Figures as they lie in the page: whole PNG and GIF files, large ones packed tighter."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from rnnpipe.errors import ArtefactError, brief

LARGE = 20_000
"""Bytes from which a PNG is packed anew."""
MOST_PIXELS = 6_000_000
"""Pixels to which a larger figure (a contact sheet) is scaled down; its PDF keeps everything."""
LONGEST = 16_000
"""Pixels to a side; WebP has no more."""
IMPOSSIBLE = 200_000_000
"""Pixels that no figure has: unpacking them would take gigabytes."""


@dataclass(frozen=True)
class Embedded:
    """An image within a page."""

    uri: str
    width: int
    height: int
    n_bytes: int
    """Of the image itself, before it becomes text."""
    scaled: bool = False
    """Whether it has fewer pixels than the file."""


def embed(path: Path) -> Embedded:
    """The image of a file as a `data:` address.

    A PNG of more than `LARGE` bytes is packed anew as lossless WebP, one of more than `MOST_PIXELS` scaled down first.

    Raises:
        ArtefactError: It is no whole image.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=("PNG", "GIF")) as image:
            kind, size = str(image.format).lower(), image.size
            if math.prod(size) > IMPOSSIBLE:
                raise ValueError(f"{size[0]} x {size[1]} pixels are too many")
            image.load()
            scaled = kind == "png" and (math.prod(size) > MOST_PIXELS or max(size) > LONGEST)
            if kind == "png" and (scaled or len(content) > LARGE):
                packed, size = _packed(image, scaled)
                if scaled or len(packed) < len(content):
                    kind, content = "webp", packed
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ArtefactError(f"{path}: is not a whole image ({brief(error)}); draw it again.") from None
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Embedded(uri, *size, n_bytes=len(content), scaled=scaled)


def _packed(image: Image.Image, scaled: bool) -> tuple[bytes, tuple[int, int]]:
    """WebP of an image on white, and its size."""
    whole = image.convert("RGBA")
    flat = Image.new("RGB", whole.size, "white")
    flat.paste(whole, mask=whole.getchannel("A"))
    if scaled:
        factor = min(math.sqrt(MOST_PIXELS / math.prod(flat.size)), 1.0, LONGEST / max(flat.size))
        flat = flat.resize((round(flat.width * factor), round(flat.height * factor)), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    flat.save(packed, "WEBP", lossless=not scaled, quality=85 if scaled else 20, method=2)
    return packed.getvalue(), flat.size

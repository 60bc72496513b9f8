"""Animations: the 3-D axes of a figure turn once about the vertical, as GIF or MP4, without any window system.

The GIF is written by Pillow, which matplotlib brings along; the same input gives the same bytes. MP4 needs ffmpeg: the
program, or the package imageio-ffmpeg, which brings it along (`pip install rnnpipe[animation]`).
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.axes3d import Axes3D
from numpy.typing import NDArray
from PIL import Image

from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures.style import as_styled
from rnnpipe.files import whole
from rnnpipe.io.record import as_text
from rnnpipe.progress import Progress

N_FRAMES = 72
"""Frames of one turn: 5 degrees each."""
FRAMES_PER_SECOND = 20
DPI = 110
SUFFIXES = (".gif", ".mp4")
ALMOST_WHITE = 244
"""Colours of a palette from this value on are white."""
SAMPLED = 8
"""Frames whose colours make the palette of a GIF."""


def check_animation(path: Path) -> None:
    """Find out before drawing that an animation could not be written.

    Raises:
        SettingsError: A name of another kind, or ffmpeg is missing for an MP4.
    """
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"--animation {path}: expected a name that ends in .gif or .mp4.")
    if path.suffix == ".mp4":
        _ffmpeg()


def animate(figure: Figure, path: Path, n_frames: int = N_FRAMES, record: Mapping[str, Any] | None = None) -> Path:
    """Write one turn of a figure's 3-D axes.

    Args:
        figure: The figure; axes that are not 3-D stand still.
        path: Name that ends in .gif or .mp4.
        n_frames: Frames of the turn, shown 20 a second.
        record: What made it; noted in a GIF (`rnnpipe.io.record`).

    Returns:
        The file written.

    Raises:
        SettingsError: The figure has no 3-D axes, or see `check_animation`.
        ArtefactError: The file cannot be written, or ffmpeg fails.
    """
    check_animation(path)
    if not any(isinstance(axes, Axes3D) for axes in figure.axes):
        raise SettingsError(f"--animation {path}: this figure has no 3-D axes; ask for three axes in its settings.")
    progress = Progress(n_frames, unit="frame")
    try:
        with as_styled():
            frames = _frames(figure, n_frames, progress)
            if path.suffix == ".gif":
                _write_gif(frames, path, n_frames, b"" if record is None else as_text(record).encode())
            else:
                _write_mp4(frames, path)
    finally:
        progress.close()
    return path


def _frames(figure: Figure, n_frames: int, progress: Progress) -> Iterator[NDArray[np.uint8]]:
    """Pictures of the turn, (height, width, 3) each, both even as video wants it."""
    canvas: Any = FigureCanvasAgg(figure)
    inches = figure.get_size_inches()
    figure.set_dpi(2 * round(DPI * inches[0] / 2) / inches[0])
    turning = [(axes, float(axes.azim)) for axes in figure.axes if isinstance(axes, Axes3D)]
    for k in range(n_frames):
        for axes, start in turning:
            axes.view_init(elev=axes.elev, azim=start + 360 * k / n_frames)
        canvas.draw()
        picture = np.asarray(canvas.buffer_rgba())[..., :3]
        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        progress.advance()
        progress.report(f"frame {k + 1} of {n_frames}", important=k + 1 == n_frames)
        yield np.ascontiguousarray(picture[:height, :width])
    for axes, start in turning:
        axes.view_init(elev=axes.elev, azim=start)


def _write_gif(frames: Iterator[NDArray[np.uint8]], path: Path, n_frames: int, comment: bytes) -> None:
    """One palette for all frames, without dithering, so that what stands still stays as it is."""
    pictures = [Image.fromarray(frame) for frame in frames]
    sampled = pictures[:: max(1, n_frames // SAMPLED)]
    sheet = Image.new("RGB", (pictures[0].width, pictures[0].height * len(sampled)))
    for i, picture in enumerate(sampled):
        sheet.paste(picture, (0, i * picture.height))
    colors = np.array(sheet.quantize(256, method=Image.Quantize.MEDIANCUT).getpalette()).reshape(-1, 3)
    colors[colors.min(axis=1) >= ALMOST_WHITE] = 255  # the mean of nearly white pixels is not the paper's white
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors.ravel().tolist())
    palette.load()  # or it is not yet that of the picture within
    shown = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with whole(path) as tmp:
        shown[0].save(
            tmp,
            format="GIF",
            save_all=True,
            append_images=shown[1:],
            duration=1000 // FRAMES_PER_SECOND,
            loop=0,
            comment=comment,
        )


def _write_mp4(frames: Iterator[NDArray[np.uint8]], path: Path) -> None:
    first = next(frames)
    height, width = first.shape[:2]
    with whole(path) as tmp, tempfile.TemporaryFile() as words:
        command: list[Any] = [
            _ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
            "-r", str(FRAMES_PER_SECOND), "-i", "-", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1",
            "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", "-f", "mp4", str(tmp),
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=words) as process:
            assert process.stdin is not None
            try:
                process.stdin.write(first.tobytes())
                for frame in frames:
                    process.stdin.write(frame.tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # it says why
        if process.returncode:
            words.seek(0)
            lines = words.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit status {process.returncode}"
            raise ArtefactError(f"{path}: ffmpeg cannot write it ({reason}); write a .gif instead.")


def _ffmpeg() -> str:
    """The program that encodes video.

    Raises:
        SettingsError: There is none.
    """
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
    if found is None:
        raise SettingsError(
            "an .mp4 needs ffmpeg, which is not there: `pip install 'rnnpipe[animation]'`, or write a .gif."
        )
    return found

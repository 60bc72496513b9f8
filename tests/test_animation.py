"""Animations turn the 3-D axes of a figure, the same bytes every time; markers and colours keep classes apart."""

import stat
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_regression import write_cube

from rnnpipe.cli.main import main
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.figures import animation, figure_module, states
from rnnpipe.figures.animation import animate


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cube") / "cube.h5"
    write_cube(path)
    return path


def _figure(cube: Path, **settings: object):
    module = figure_module("fig_fixed_points")
    return module.draw(module.data({"fixed_points": [cube]}, module.Options(**settings)))


def _no_ffmpeg(monkeypatch: pytest.MonkeyPatch, program: Path | None = None) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # as if it were not installed
    monkeypatch.setattr(animation.shutil, "which", lambda name: None if program is None else str(program))


def test_a_gif_is_one_turn_at_twenty_frames_a_second(cube: Path, tmp_path: Path, capsys) -> None:
    figure = _figure(cube)
    before = figure.axes[0].azim
    for name in "ab":
        assert animate(figure, tmp_path / f"{name}.gif", n_frames=5) == tmp_path / f"{name}.gif"
    assert figure.axes[0].azim == before
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gif", "b.gif"]
    assert "frame 5 of 5" in capsys.readouterr().out
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.info["duration"], gif.info["loop"]) == (5, 50, 0)
        frames = []
        for k in range(5):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB")))
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    assert all((a != b).any() for a, b in combinations(frames, 2))
    legend = np.s_[:, int(0.75 * frames[0].shape[1]) :]
    assert all((frame[legend] == frames[0][legend]).all() for frame in frames), "the legend stands still"
    assert (frames[0][0, 0] == 255).all()


def test_what_cannot_be_animated_is_refused_in_a_sentence(cube: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    argv = ["figures", "--figure", "fig_fixed_points", "--inputs", f"fixed_points={cube}"]
    assert main([*argv, "--animation", str(tmp_path / "a.png")]) == 2
    assert "ends in .gif or .mp4" in capsys.readouterr().err
    flat = ["--settings", '{"axes": ["PC 1", "PC 2"]}', "--out", str(tmp_path / "a.pdf")]
    assert main([*argv, *flat, "--animation", str(tmp_path / "a.gif")]) == 2
    assert "no 3-D axes" in capsys.readouterr().err
    _no_ffmpeg(monkeypatch)
    with pytest.raises(SettingsError, match=r"needs ffmpeg.*rnnpipe\[animation\]"):
        animate(_figure(cube), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_ffmpeg_is_given_every_pixel_and_its_complaint_is_passed_on(cube: Path, tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor out in "$@"; do :; done\ncat > "$out"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    _no_ffmpeg(monkeypatch, program)
    figure = _figure(cube)
    animate(figure, tmp_path / "a.mp4", n_frames=2)
    width, height = 754, round(110 * 112 / 25.4) // 2 * 2
    assert (tmp_path / "a.mp4").stat().st_size == 2 * 3 * width * height
    program.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    with pytest.raises(ArtefactError, match="no such codec"):
        animate(figure, tmp_path / "b.mp4", n_frames=2)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.slow
def test_the_stage_writes_an_animation_beside_the_figure(cube: Path, tmp_path: Path) -> None:
    argv = ["figures", "--figure", "fig_fixed_points", "--inputs", f"fixed_points={cube}"]
    assert main([*argv, "--out", str(tmp_path / "a.pdf"), "--animation", str(tmp_path / "a.gif")]) == 0
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".csv", ".gif", ".pdf", ".png"]
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 72


BLINDNESS = {
    "none": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""What is seen of linear sRGB; Machado, Oliveira & Fernandes (2009) IEEE TVCG 15:1291, severity 1."""


def _lab(color: str, blindness: np.ndarray) -> np.ndarray:
    """CIELAB coordinates of a color as it is seen."""
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(np.asarray(blindness) @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_inputs_and_classes_stay_apart_for_colour_blind_readers(blindness: str) -> None:
    seen = [{kind: _lab(c, BLINDNESS[blindness]) for kind, c in pair.items()} for pair in states.COLORS]
    for a, b in combinations(seen, 2):
        for kind in ("stable", "unstable"):
            assert np.linalg.norm(a[kind] - b[kind]) > 20, "the same class under two inputs"
    for pair in seen:
        assert np.linalg.norm(pair["stable"] - pair["unstable"]) > 20, "two classes under one input"
    assert len({tuple(sorted(states.marker(kind, "#000000").items())) for kind in states.KINDS}) == 4

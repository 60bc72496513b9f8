"""A disk that is full, and one that is read-only: `python tests/chaos/disk.py full TREE UNDISTURBED FOLDER 100`.

It must run where it may mount, and where its mounts are seen by nobody else: under `unshare --map-root-user --mount`.
`in_own_mounts` starts it there, and needs no root for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from chaos.running import DATA, PATIENCE, SMALL, TRAINING, Place  # noqa: E402

OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")
SIZE_KB = 16_384


def why_not() -> str:
    """Why nothing can be mounted here, or nothing."""
    if shutil.which("unshare") is None:
        return "the program unshare is missing"
    done = subprocess.run(
        [*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    return f"nothing can be mounted: {done.stderr.strip()}" if done.returncode else ""


def in_own_mounts(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*OWN_MOUNTS, sys.executable, __file__, *map(str, words)]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )


def mount(folder: Path, size_kb: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)], check=True)


def full(place: Place, undisturbed: Place, disk: Path, rooms_kb: list[int]) -> None:
    """Leave so much room on a disk, too little each time; then enough.

    Where its own records are on that disk, too, Snakemake says so in stack traces.
    """
    disk.mkdir(exist_ok=True)
    mount(disk, SIZE_KB)
    ballast = disk / "ballast"
    for room in rooms_kb:
        ballast.write_bytes(b"")
        fill(ballast, shutil.disk_usage(disk).free - room * 1024)
        done = place.run()
        print(f"{disk}, {room} kB: status {done.returncode}\n{done.stdout}", flush=True)
        assert done.returncode != 0, "it was room enough"
        if disk == place.results:
            sentences = re.findall(r"^rnnpipe: (\S+): cannot be written \(No space left on device\)", done.stdout, re.M)
            assert sentences and all(path.startswith("results/") for path in sentences)
            assert "Traceback" not in done.stdout
        ballast.unlink()
        assert place.whole_or_absent(undisturbed) == []
        place.unlock()
    place.plain()
    assert place.differences(undisturbed) == []


def fill(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        while size > 0:
            size -= file.write(bytes(min(size, 1 << 20)))


def read_only(place: Place, undisturbed: Place) -> None:
    """First the results cannot be written, then nothing in the folder can."""
    mount(place.folder, SIZE_KB)
    place.results.mkdir()
    mount(place.results, SIZE_KB)
    for folder, sentence in (
        (place.results, "Read-only file system: 'results/"),
        (place.folder, f"{place.folder / '.snakemake'}: cannot be written"),
    ):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        done = place.run()
        print(f"{folder}: status {done.returncode}\n{done.stdout}", flush=True)
        assert done.returncode != 0
        assert sentence in done.stdout and "Traceback" not in done.stdout
    for folder in (place.folder, place.results):
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    assert not any(path.is_file() for path in place.results.rglob("*"))
    place.plain()
    assert place.differences(undisturbed) == []


def main(what: str, tree: str, undisturbed: str, folder: str, *rooms_kb: str) -> None:
    there = Place(Path(undisturbed), Path(tree), SMALL)
    here = Place(Path(folder), Path(tree), DATA if what == "read_only" else TRAINING)
    rooms = [int(room) for room in rooms_kb]
    if what == "read_only":
        read_only(here, there)
    else:
        full(here, there, here.results if what == "full_results" else here.folder, rooms)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Kill the workflow many times: `python tests/chaos/campaign.py --kills 60 --seed 1`.

The study (`study.yaml`) has every stage. It is made once undisturbed, and once while Snakemake, all that it has
started, or one process of a stage gets SIGKILL, SIGTERM, SIGINT or SIGHUP: at some moment of its life, while a file is
being written, or once a training has kept a checkpoint. After each kill the same command goes on, after
`snakemake --unlock` where Snakemake could not take its own lock away. Whenever it comes to its end, and after the last
kill by one plain call, everything must be as undisturbed: every result byte for byte, no temporary file, checkpoint or
lock left, no process either. Logs and benchmarks hold times: of them, only the names are compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from chaos.kills import Killer  # noqa: E402
from chaos.running import SMALL, Place, every_stage, make_tree  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="one training, its evaluation and a figure only")
    parser.add_argument("--folder", type=Path, help="where to work; kept, and the undisturbed run used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return campaign(folder, arguments.kills, arguments.seed, SMALL if arguments.small else every_stage())


def campaign(folder: Path, kills: int, seed: int, targets: tuple[str, ...]) -> int:
    tree = folder / "tree" if (folder / "tree").exists() else make_tree(folder / "tree")
    undisturbed = Place(folder / "undisturbed", tree, targets)
    started = time.monotonic()
    undisturbed.plain()
    n_files = sum(bool(digest) for digest in undisturbed.files().values())
    print(f"undisturbed: {n_files} results in {time.monotonic() - started:.0f} s", flush=True)
    killer = Killer(Place(folder / "killed", tree, targets), undisturbed, seed, lambda line: print(line, flush=True))
    seen = killer.campaign(kills)
    print(f"\n{seen.n_kills} kills in {time.monotonic() - started:.0f} s, seed {seed}")
    for name, n in sorted(seen.counts.items()):
        print(f"  {n:4d}  {name}")
    for defect in seen.defects:
        print(f"DEFECT {defect}")
    print(f"{n_files} results compared {seen.counts['compared']} times: {len(seen.defects)} defects")
    return 1 if seen.defects else 0


if __name__ == "__main__":
    sys.exit(main())

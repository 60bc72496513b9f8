"""Break thousands of files and read them: `python tests/fuzz/campaign.py --seconds 600 --seed 1`.

Every case takes one whole file of the corpus (`fuzz.corpus`), breaks it (`fuzz.mutations`) and runs one command of the
package that reads it, in a process of limited memory and time (`fuzz.workers`). It must end as one of

    read      status 0: the damage is none, or cannot be seen
    refused   a non-zero status and one sentence that names the file

and everything else is a defect: a sentence that does not name the file ("vague"), a stack trace, a killed process, a
hang, more memory than a small file can need, or a file that only executed code can have made ("code"). A defect
is printed with the number by which `--only` repeats it, and with `--keep` the file is written there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from fuzz.corpus import Target, make_corpus, read, targets  # noqa: E402
from fuzz.mutations import mutate  # noqa: E402
from fuzz.workers import run_cases  # noqa: E402

from rnnpipe.errors import RnnpipeError  # noqa: E402
from rnnpipe.fingerprint import Fingerprint  # noqa: E402

DEFECTS = ("vague", "trace", "killed", "hang", "memory", "code")


def chosen(seed: int, number: int, known: list[Target]) -> tuple[random.Random, Target]:
    """The random numbers and the command of a case; slow commands come less often."""
    rng = random.Random(f"{seed}/{number}")
    return rng, rng.choices(known, [target.weight for target in known])[0]


def broken(rng: random.Random, target: Target, corpus: Path, canary: Path) -> tuple[str, bytes]:
    """How the file of a case was broken, and what it has become."""
    return mutate(rng, (corpus / target.file).read_bytes(), Path(target.file).suffix, canary)


def run_case(seed: int, number: int, known: list[Target], corpus: Path, keep: Path | None = None) -> dict[str, Any]:
    """Run one case in the current folder and describe what became of it."""
    rng, target = chosen(seed, number, known)
    folder = Path.cwd() / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    bad, canary = folder / f"bad{Path(target.file).suffix}", Path.cwd() / "CANARY"
    how, data = broken(rng, target, corpus, canary)
    bad.write_bytes(data)
    if keep is not None:
        (keep / f"{number}{bad.suffix}").write_bytes(data)
    words = target.command(corpus, bad, folder)
    case = {"target": f"{words[0]} {target.file}", "how": how}
    try:
        status = main_command(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    said = Path("said").read_text(errors="replace")
    sentences = [line for line in said.splitlines() if line.startswith("rnnpipe: ")]
    if canary.exists():
        canary.unlink()
        return {**case, "outcome": "code", "detail": said[-300:]}
    if status == 0:
        return {**case, "outcome": "read"}
    named = (
        len(sentences) == 1 and (str(bad) in sentences[0] or "bad.part" in sentences[0]) and len(sentences[0]) < 3000
    )
    if not named or "Traceback" in said or "out of memory" in said:
        return {**case, "outcome": "vague", "detail": said[-400:]}
    return {**case, "outcome": "refused", "detail": sentences[0].replace(str(bad), "FILE")[:200]}


def described(result: dict[str, Any], seed: int, known: list[Target]) -> dict[str, Any]:
    """A result with its command, also where the process did not live to say it."""
    if "target" in result:
        return result
    _, target = chosen(seed, result["number"], known)
    stage = target.command(Path(), Path(), Path())[0]
    return {**result, "target": f"{stage} {target.file}"}


def main() -> int:
    """Run a campaign and report; the status is 1 if there is a defect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1e9, help="time after which no case is begun")
    parser.add_argument("--cases", type=int, default=10**6, help="number of cases")
    parser.add_argument("--seed", type=int, default=1, help="seed of all cases")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--fast", action="store_true", help="leave out slow commands (figures)")
    parser.add_argument("--warm", action="store_true", help="run every command on whole files first")
    parser.add_argument("--only", type=int, nargs="*", help="run these cases alone")
    parser.add_argument("--match", default="", help="only commands whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for the broken files")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the whole files; made if absent")
    parser.add_argument("--report", type=Path, help="JSON of counts and defects to write")
    given = parser.parse_args()
    corpus = given.corpus.resolve()
    if not corpus.exists():
        make(corpus)
    known = [t for t in targets() if t.weight >= (0.5 if given.fast else 0)]
    known = [t for t in known if given.match in f"{t.command(Path(), Path(), Path())[0]} {t.file}"]
    keep = given.keep.resolve() if given.keep else None
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    counts: Counter[tuple[str, str]] = Counter()
    spent: Counter[str] = Counter()
    sorts: dict[str, list[dict[str, Any]]] = {}
    Fingerprint.__call__ = lambda self, *modules: "0" * 16  # type: ignore[method-assign]  # takes half a second
    if given.warm:
        warm_up(known, corpus)
    began = time.monotonic()

    def case(number: int) -> dict[str, Any]:
        return run_case(given.seed, number, known, corpus, keep)

    print(sum(1 for _ in Path("/proc/self/task").iterdir()), "threads")
    numbers = given.only or range(given.cases)
    for result in run_cases(case, numbers, given.workers, began + given.seconds):
        result = described(result, given.seed, known)
        counts[result["target"], result["outcome"]] += 1
        spent[result["target"]] += result.get("seconds", 0.0)
        if result["outcome"] in DEFECTS:
            sort = f"{result['outcome']} {result['target']} {str(result.get('detail'))[:90]}"
            sorts.setdefault(sort, []).append(result)
    names = sorted({name for name, _ in counts})
    outcomes = ("read", "refused", *DEFECTS)
    print(f"{'command and file':32}", *(f"{o:>8}" for o in (*outcomes, "ms")))
    for name in [*names, "all"]:
        row = [sum(n for (t, o), n in counts.items() if name in (t, "all") and o == outcome) for outcome in outcomes]
        mean = sum(s for t, s in spent.items() if name in (t, "all")) / max(1, sum(row))
        print(f"{name:32}", *(f"{n:8}" for n in row), f"{1000 * mean:8.0f}")
    total = sum(counts.values())
    print(f"{total} files in {time.monotonic() - began:.0f} s; seed {given.seed}")
    for sort, found in sorted(sorts.items(), key=lambda item: -len(item[1])):
        print(f"{len(found)} x {sort} (--only {' '.join(str(r['number']) for r in found[:4])})")
    if given.report:
        first = {sort: found[:3] for sort, found in sorts.items()}
        tables = {f"{t}: {o}": n for (t, o), n in sorted(counts.items())}
        given.report.write_text(json.dumps({"files": total, "counts": tables, "defects": first}, indent=1))
    return 1 if sorts else 0


def warm_up(known: list[Target], corpus: Path) -> None:
    """Run every command on its whole file: imports and compiled loops are then there in all forked workers."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for target in known:
            words = target.command(corpus, corpus / target.file, Path(folder))
            if main_command(words) != 0 and words[0] != "info":
                raise SystemExit(f"does not read a whole file: {' '.join(words)}")


def main_command(words: list[str]) -> int:
    """Run a command of the package in this process."""
    from rnnpipe.cli.main import main

    if words[0] != "read":
        return main(words)
    try:
        read(Path(words[1]), words[2])
    except RnnpipeError as error:
        print(f"rnnpipe: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make(corpus: Path) -> None:
    """Make the corpus in a process of its own: forked workers must not inherit threads of numerical libraries."""
    pid = os.fork()
    if pid == 0:
        try:
            make_corpus(corpus)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit("the corpus cannot be made")


if __name__ == "__main__":
    sys.exit(main())

"""Search for input that breaks a reader, guided by the code it reaches.

`python tests/fuzz/guided.py yaml -runs=100000` needs `pip install atheris`, which is no requirement of the tests, since
few platforms have it. Readers are called in this process, so that they are those in Python alone; `campaign.py` breaks
whole files for all of them.

    yaml      a text of settings                          only SettingsError may come of it
    study     a source of a study, checked as a whole     only SettingsError
    archive   a file of tensors, before PyTorch sees it   only ValueError
    mat       a MATLAB file, version 5                    only ValueError

Flags after the name are libFuzzer's: -runs, -max_total_time (seconds), -seed, -max_len, a folder to keep inputs in. An
input that breaks a reader is written to the current folder, and its stack trace printed.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
FILE = FOLDER / "input.yaml"

Reader = tuple[Callable[[bytes], object], type[Exception], list[bytes]]
"""What is called, the only error that may come of it, and examples of what it reads."""


def _yaml() -> Reader:
    with atheris.instrument_imports(include=["rnnpipe", "yaml"]):
        from rnnpipe.errors import SettingsError
        from rnnpipe.yaml_file import parse_yaml

    def read(data: bytes) -> None:
        json.dumps(parse_yaml(data.decode("utf-8", "replace"), "text"))  # values of JSON, as it promises

    return read, SettingsError, [(ROOT / "config/config.yaml").read_bytes(), b"a: &a [1, *b]\n<<: {b: 1e-3}"]


def _study() -> Reader:
    with atheris.instrument_imports(include=["rnnpipe.config", "rnnpipe.settings", "rnnpipe.sweep"]):
        from rnnpipe.config import load_study
        from rnnpipe.errors import SettingsError

    def read(data: bytes) -> None:
        FILE.write_bytes(data)
        study = load_study({"sources": [str(FILE)], "scale": "default"}, (ROOT,), "config.yaml")
        for path in (*study.networks(), *(f"results/figures/{name}" for name in study.figures)):
            assert re.fullmatch(r"results(/[\w{}-]+)+(\.\w+)*", path), path  # nowhere else, nothing for a shell

    sweep = (
        b"tasks: {t: {task: go_nogo}}\nexperiments:\n  e:\n    task: t\n    learning: {rule: bptt}\n"
        b"    sweep: {network.n_units: [5, 6], task.dt: [5.0]}\n    seeds: 2\n"
        b"figures:\n  f: {module: fig_sweep, of: e, needs: [gathered]}\n"
    )
    claim = (
        b"tasks: {t: {task: rdm_fixed}}\ndatasets: {t: {b: {trials_per_condition: 2}}}\n"
        b"experiments: {e: {task: t, seeds: [3, 4]}}\n"
        b"claims:\n  c: {of: e, needs: [b], quantity: fraction_correct}\n"
    )
    return read, SettingsError, [sweep, claim]


def _archive() -> Reader:
    with atheris.instrument_imports(include=["rnnpipe.io.archive", "zipfile"]):
        from rnnpipe.io.archive import check_archive

    def read(data: bytes) -> None:
        FILE.write_bytes(data)
        check_archive(FILE)

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("n/data.pkl", b"content")
    return read, ValueError, [whole.getvalue()]


def _mat() -> Reader:
    with atheris.instrument_imports(include=["rnnpipe.io.mat5"]):
        from rnnpipe.io.mat5 import read_variables

    import numpy as np
    import scipy.io

    whole = io.BytesIO()
    scipy.io.savemat(whole, {"w": np.eye(2), "name": "abc"})
    packed = io.BytesIO()
    scipy.io.savemat(packed, {"m": np.ones((1, 3), np.int8)}, do_compression=True)
    return read_variables, ValueError, [whole.getvalue(), packed.getvalue()]


READERS: dict[str, Callable[[], Reader]] = {"yaml": _yaml, "study": _study, "archive": _archive, "mat": _mat}


def main() -> None:
    """Fuzz one reader until libFuzzer's limit."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in READERS:
        sys.exit(f"expected one of {', '.join(READERS)}; then flags of libFuzzer, as -runs=100000.")
    reader, allowed, examples = READERS[name]()
    counts = {"read": 0, "refused": 0}

    def one(data: bytes) -> None:
        try:
            reader(data)
            counts["read"] += 1
        except allowed as error:
            counts["refused"] += 1
            if not str(error).strip():
                raise AssertionError(f"{type(error).__name__} without a sentence") from error
        if sum(counts.values()) % 20000 == 0:
            print(f"{name}: {counts}", flush=True)

    for example in examples:
        one(example)
    kept = FOLDER / "examples"
    kept.mkdir()
    for i, example in enumerate(examples):
        (kept / str(i)).write_bytes(example)
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(kept)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

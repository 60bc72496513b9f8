# The checked study, and what the rules' params and inputs are made of. No rule here.
import hashlib
import os
import shlex
import sys
from functools import lru_cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the checkout this file is in, also when another workflow imports this one as a module
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent.parent


def put_first(variable, folder):
    """Put a folder first in a search path that the stages' processes inherit."""
    rest = [p for p in os.environ.get(variable, "").split(os.pathsep) if p not in ("", folder)]
    os.environ[variable] = os.pathsep.join([folder, *rest])


# what Snakemake does to the paths of this workflow where another one imports it as a module with a prefix
modifier = workflow.modifier.path_modifier


def placed(path):
    """Where a path of the study lies; Snakemake itself sees to those of inputs and outputs, but not within params."""
    return modifier.replace_prefix(path)


# A stage's `python` is the one that runs Snakemake, whether or not its environment is activated (a rule's own conda
# environment or container still comes first), and the package is the checkout's, from any working directory.
put_first("PATH", os.path.dirname(sys.executable))
put_first("PYTHONPATH", str(ROOT))
sys.path.insert(0, str(ROOT))
# idle OpenMP threads sleep: spinning ones stall every stage that shares their cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
from rnnpipe.config import load_study
from rnnpipe.errors import RnnpipeError
from rnnpipe.file_runs import fold
from rnnpipe.files import date_back
from rnnpipe.fingerprint import Fingerprint
from rnnpipe.process import this_process
from rnnpipe.settings import canonical

# no orphans: a stage that is started by `exec` ends when Snakemake is killed
os.environ.update(RNNPIPE_END_WITH_PARENT=this_process())

# where Snakemake keeps its records; it says so itself, but in a stack trace
records = Path(".snakemake").absolute()
if not os.access(records if records.exists() else records.parent, os.W_OK):
    raise WorkflowError(f"{records}: cannot be written; run the workflow in a folder that can.")

try:
    study = load_study(config, (".", ROOT), "config/config.yaml")
except RnnpipeError as error:
    raise WorkflowError(str(error)) from None

code_cache = os.path.abspath(".snakemake/rnnpipe_code.json")
os.environ.update(RNNPIPE_CODE_CACHE=code_cache)  # the stages read it, too
fingerprint = Fingerprint(
    ROOT,
    "rnnpipe",
    libraries=study.workflow.libraries,
    cache=code_cache,
)


@lru_cache(None)
def code(stage, *modules):
    """For `params:`: changes when, and only when, the code that the stage runs changes."""
    return fingerprint(f"rnnpipe.cli.{stage}", *[f"rnnpipe.{m}" for m in modules])


def device(wildcards, output):
    """Where networks run. A param made from `output` is never compared, so another device reruns nothing."""
    return study.workflow.device


def gpus(wildcards):
    """GPUs that a job occupies: none where it would not find one, so that CPU machines see no demand."""
    if study.workflow.device != "auto":
        return int(study.workflow.wants_gpu)
    # decided where Snakemake was started: a job on a cluster sees GPUs of its node that it was not given
    return int(os.environ.setdefault("RNNPIPE_GPU_SEEN", str(int(study.workflow.wants_gpu))))


def growing(first):
    """A resource that a job gets more of each time it is tried again."""
    return lambda wildcards, attempt: first * attempt


def initial_flag(wildcards):
    """Flag `--initial` of a training that starts from another network, or nothing."""
    return " ".join(f"--initial {placed(path)}" for path in study.initial_network(wildcards.experiment, wildcards.seed))


def spiking_flags(wildcards):
    """Flags of stage `spiking` that name its networks, and the file whose factors it takes."""
    networks = study.trainings(wildcards.experiment, wildcards.batch)
    factors = study.factor_of(wildcards.experiment, wildcards.mapping, wildcards.batch)
    flags = [("--network", path) for path in networks] + [("--factor_of", path) for path in factors]
    return " ".join(f"{flag} {placed(path)}" for flag, path in flags)


def seed_flags(wildcards):
    """Flags `--seed` of a training of several networks."""
    return " ".join(f"--seed {seed}" for seed in study.experiment(wildcards.experiment).batches[wildcards.batch])


def page_hash():
    """Changes with the template, style and script of the report, which are not Python."""
    files = sorted((ROOT / "rnnpipe/report").glob("page.[!p]*"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def named_inputs(pairs):
    """Flags `--inputs NAME=FILE` of a stage that gathers files; see `rnnpipe.file_runs` for their number."""
    names = fold(f"{name}={placed(path)}" for name, path in pairs)
    return " ".join(f"--inputs {shlex.quote(name)}" for name in names)


wildcard_constraints:
    task=r"\w+",
    dataset=r"\w+",
    experiment=r"\w+",
    figure=r"\w+",
    seed=r"0|[1-9]\d*",
    batch=r"\d+-\d+",
    mapping=r"\w+",

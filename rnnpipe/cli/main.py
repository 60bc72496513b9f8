"""The command `rnnpipe`: finds a stage, imports it only then, and turns the user's mistakes into one sentence.

Nothing heavy is imported here. A stage is a module of this package with a click command named `command`;
its imports (numpy, torch, ...) happen after the thread counts of numerical libraries are set.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from rnnpipe.cli._argv import flag_value
from rnnpipe.errors import RnnpipeError
from rnnpipe.process import end_with_parent

STAGES = {
    "dataset": "Sample a data set of trials of a task.",
    "train": "Train networks on a task, by policy gradient or supervised.",
    "spiking": "Map rate networks to spiking ones and search their scaling factor.",
    "evaluate": "Run a trained network on a data set.",
    "fixed_points": "Find fixed points of a trained network.",
    "export": "Write a trained rate network for other programs.",
    "convert": "Make a network of the parameters of one of another program.",
    "gather": "Gather all networks of an experiment or a sweep in one table.",
    "figures": "Draw a figure and write the numbers it plots.",
    "plot-env": "Draw some trials of a task, an environment or an agent.",
    "claims": "Check the numbers of a paper against the evaluations.",
    "bench": "Measure the speed of training, evaluation and environments.",
    "report": "Gather a study's figures, claims and provenance into one page.",
    "crate": "Pack a finished study as an RO-Crate.",
    "info": "Describe any file this program has written.",
}

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def set_threads(argv: Sequence[str]) -> None:
    """Tell numerical libraries how many threads `--threads` asks for; they read it when they are first imported.

    Without the flag the environment decides (Snakemake sets it to the rule's `threads`). Idle OpenMP threads are
    made to sleep, since spinning ones stall other processes on the same cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    threads = flag_value(argv, "--threads")
    if threads is not None and threads.isdigit() and int(threads) > 0:  # click complains about anything else
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, threads))


class Stages(click.Group):
    """Command group that imports a stage when it is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all stages, in the order of the workflow."""
        return list(STAGES)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a stage."""
        if name not in STAGES:
            return None
        command: click.Command = importlib.import_module(f"rnnpipe.cli.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the stages that exist when one does not."""
        if args[0] not in STAGES:
            raise click.UsageError(f"unknown stage {args[0]!r}; known: {', '.join(STAGES)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the stages without importing them."""
        with formatter.section("Stages"):
            formatter.write_dl(list(STAGES.items()))


@click.command(cls=Stages, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rnnpipe", prog_name="rnnpipe")
def rnnpipe() -> None:
    """From a behavioural task to a paper figure, one stage at a time.

    `rnnpipe STAGE --help` lists a stage's files and settings. The Snakemake workflow calls these same commands.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    The user's mistakes end with one sentence on standard error and the error's own status; RNNPIPE_DEBUG=1 adds
    the stack trace. Errors of the program itself keep theirs.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    set_threads(args)
    if parent := os.environ.get("RNNPIPE_END_WITH_PARENT"):  # set by the workflow for its jobs
        end_with_parent(parent)
    try:
        result: Any = rnnpipe.main(args=args, prog_name="rnnpipe", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except RnnpipeError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted.", 130)
    except BrokenPipeError:  # the reader of our output has gone, e.g. `rnnpipe info FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        return _fail(f"out of memory ({error}); use smaller batches or a machine with more memory.", 6)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        full = "; free some space and repeat the command" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return _fail(f"{place}{(error.strerror or str(error)).lower()}{full}.", 3)


def _fail(sentence: str, status: int) -> int:
    if os.environ.get("RNNPIPE_DEBUG") == "1":
        traceback.print_exc()
    with contextlib.suppress(OSError):  # a log on a disk that is full
        print(f"rnnpipe: {sentence}", file=sys.stderr)
    return status

"""Errors that are the user's to mend: each is one sentence, shown without a stack trace."""


def brief(error: BaseException) -> str:
    """What a library says of an error, in one printable line: it may quote the bytes of a broken file."""
    text = " ".join(str(error).split()) or type(error).__name__
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable if len(printable) <= 200 else f"{printable[:197]}..."


class RnnpipeError(Exception):
    """Base of all errors the command line turns into one sentence and a non-zero exit."""

    exit_code = 1


class SettingsError(RnnpipeError):
    """A setting, flag or configuration key is unknown, mistyped or impossible."""

    exit_code = 2


class ArtefactError(RnnpipeError):
    """A file is missing, truncated, foreign, or of another task, grid or version."""

    exit_code = 3


class DeviceError(RnnpipeError):
    """The device that was asked for is not there."""

    exit_code = 4


class TrainingError(RnnpipeError):
    """Training became non-finite, or ended without reaching its criterion."""

    exit_code = 5


class AnalysisError(RnnpipeError):
    """What an analysis was given does not have what it looks for: a point that is none, no slow curve."""

    exit_code = 6


class Interrupted(RnnpipeError):
    """Training was asked to stop; its checkpoint is on disk and the same command continues."""

    exit_code = 75

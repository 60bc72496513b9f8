"""Training state that survives a killed attempt.

The file lies outside the workflow's declared outputs, so that Snakemake never deletes it. `key` names what the state
was trained with (settings, seed, code, device); a file with another key is not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnpipe.errors import ArtefactError
from rnnpipe.io.network import SCHEMA_VERSION, read_tensors, write_tensors

KIND = "checkpoint"


class Checkpoint:
    """Where the state of one training is kept until it is done."""

    def __init__(self, path: str | Path, key: str) -> None:
        self.path, self.key = Path(path), key

    def load(self) -> tuple[dict[str, Any] | None, str]:
        """The state to continue from, or None, and a sentence on why."""
        if not self.path.exists():
            return None, "training from the start"
        try:
            content = read_tensors(self.path, KIND)
        except ArtefactError as error:
            return None, f"training from the start, the checkpoint is of no use: {error}"
        if content.get("key") != self.key or not isinstance(content.get("state"), dict):
            return None, f"training from the start, {self.path} is of other settings, seed, code or device"
        return content["state"], f"continuing from {self.path}"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; at every moment the file on disk is a whole one."""
        content = {"kind": KIND, "schema_version": SCHEMA_VERSION, "key": self.key, "state": state}
        write_tensors(self.path, content)

    def drop(self) -> None:
        """Remove the checkpoint once the results are written, last of all.

        A job that cannot write its last line, on a full disk, has failed, and the workflow deletes its results.
        """
        self.path.unlink(missing_ok=True)

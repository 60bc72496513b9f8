"""What a training is asked for, whatever its rule: the seam between stage `train` and the learners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnpipe.errors import SettingsError

SEED = "{seed}"
"""Stands for the seed in the name of a file."""


@dataclass(frozen=True)
class Job:
    """A request of stage `train`."""

    settings: dict[str, Any]
    """Groups of settings, validated."""
    plain: dict[str, Any]
    """The same as plain values, for files."""
    seeds: list[int]
    network_path: Path
    """Network to write; `{seed}` stands for the seed."""
    history_path: Path
    """History to write; `{seed}` stands for the seed."""
    initial: Path | None
    """Network that training starts from."""
    checkpoint: Path | None
    checkpoint_seconds: float
    device: str
    threads: int
    provenance: dict[str, Any]

    def network(self, seed: int) -> Path:
        """File of the network of a seed."""
        return self._named(self.network_path, "--network", seed)

    def history(self, seed: int) -> Path:
        """File of the history of a seed."""
        return self._named(self.history_path, "--history", seed)

    def _named(self, path: Path, flag: str, seed: int) -> Path:
        if len(self.seeds) > 1 and SEED not in str(path):
            raise SettingsError(
                f"{flag} {path}: {len(self.seeds)} networks cannot have one file; put {SEED} into the name."
            )
        return Path(str(path).replace(SEED, str(seed)))

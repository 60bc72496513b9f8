"""The entries of the configuration files as groups of settings; `rnnpipe.config` makes a study of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
from rnnpipe.dataset import DatasetSettings
from rnnpipe.errors import SettingsError
from rnnpipe.fixed_points.settings import SearchSettings as FixedPointSearch
from rnnpipe.mapping.settings import SearchSettings
from rnnpipe.networks.ctrnn_settings import CtrnnSettings
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.networks.settings import GatedSettings, ValueSettings
from rnnpipe.settings import Settings, setting
from rnnpipe.sweep import batches
from rnnpipe.training.bptt_settings import BpttSettings
from rnnpipe.training.regression_settings import RegressionSettings
from rnnpipe.training.rules import SUPERVISED, groups_of, rule_of
from rnnpipe.training.sb3_settings import Sb3Settings
from rnnpipe.training.settings import PolicyGradientSettings

DEFAULT_SCALE = "default"

HISTORY, FIXED_POINTS, NETWORK, TIME = "history", "fixed_points", "network", "time"
"""Needs that are no data sets, of an experiment; `time` is what the workflow measured of the training's job."""

GATHERED = "gathered"
"""Need that is the table of all networks of an experiment or sweep."""

FIGURES = "figures"
"""Need that is the other figures of the same source."""

RESERVED = (HISTORY, FIXED_POINTS, NETWORK, TIME, GATHERED, FIGURES)

FIXED_POINTS_DATASET = "activity"
"""Data set on which fixed points are searched for."""


class WorkflowSettings(Settings):
    """`config/config.yaml`."""

    sources: list[str] = setting(..., "studies that are on: `config/<name>.yaml`, or paths of YAML files", min_length=1)
    scale: str = setting(DEFAULT_SCALE, "how much of it: smoke, default, paper, or a scale of your own source")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "where networks are trained and evaluated")
    threads: int = setting(1, "CPU threads of one training or evaluation", ge=1)
    libraries: list[str] = setting(
        ["numpy", "torch", "neurogym"], "libraries whose new version reruns the stages that import them (import names)"
    )

    @property
    def wants_gpu(self) -> bool:
        """Whether jobs will run on a GPU of this machine, as far as device files tell (torch is not imported)."""
        return self.device == "cuda" or (self.device == "auto" and any(Path("/dev").glob("nvidia[0-9]*")))


class DatasetEntry(DatasetSettings):
    """One data set of a task."""

    record_activity: bool = setting(False, "record rates and values of every step when networks are evaluated on it")


class AnyExperiment(Settings):
    """What every experiment has: networks of one architecture, trained on one task from several seeds."""

    task: str = setting(..., "name of an entry of `tasks`")
    seeds: list[int] = setting(..., "one network is trained from each; a number n stands for 0 ... n - 1", min_length=1)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, seeds: Any) -> Any:
        counted = isinstance(seeds, int) and not isinstance(seeds, bool) and seeds > 0
        return list(range(seeds)) if counted else seeds

    @property
    def given(self) -> dict[str, Any]:
        """Groups of settings by name, as plain values."""
        return {name: getattr(self, name).model_dump(mode="json") for name in groups_of(self._named())}

    def _named(self) -> dict[str, Any]:
        network, learning = getattr(self, "network", None), getattr(self, "learning", None)
        return {
            "network": {"kind": getattr(network, "kind", None)},
            "learning": {"rule": getattr(learning, "rule", None)},
        }

    @cached_property
    def supervised(self) -> bool:
        """Whether several of its networks are trained by one job, into one folder."""
        return rule_of(self._named()) in SUPERVISED

    @cached_property
    def batches(self) -> dict[str, list[int]]:
        """Seeds that one job handles, by the name of the job's files."""
        return batches(self.seeds, getattr(self, "seeds_per_job", 1))

    def batch_of(self, seed: int) -> str:
        """Name of the batch that a seed is in.

        Raises:
            SettingsError: No network is trained from it.
        """
        if seed not in self.batch_names:
            raise SettingsError(f"no network is trained from seed {seed}; the experiment's seeds are {self.seeds}.")
        return self.batch_names[seed]

    @cached_property
    def batch_names(self) -> dict[int, str]:
        """Name of the batch of each seed."""
        return {seed: name for name, seeds in self.batches.items() for seed in seeds}


class Experiment(AnyExperiment):
    """One network architecture, learned by policy gradient."""

    network: GatedSettings = setting(GatedSettings(), "policy network")
    value_network: ValueSettings = setting(ValueSettings(), "value network")
    learning: PolicyGradientSettings = setting(PolicyGradientSettings(), "learner")
    fixed_points: FixedPointSettings = setting(FixedPointSettings(), "search for fixed points")
    initial: str | None = setting(
        None, "experiment whose networks of the same seeds training starts from; by default from new weights"
    )


class RatePolicyExperiment(Experiment):
    """A rate network, learned by policy gradient."""

    network: RateSettings = setting(RateSettings(), "policy network")  # type: ignore[assignment]
    search: FixedPointSearch = setting(FixedPointSearch(), "search for certified fixed points")


class SupervisedExperiment(AnyExperiment):
    """A rate network, learned by backpropagation through time."""

    network: RateSettings = setting(RateSettings(), "network")
    learning: BpttSettings = setting(..., "learner; `rule: bptt`")
    seeds_per_job: int = setting(10, "networks that one job trains, and maps to spikes", gt=0)
    search: FixedPointSearch = setting(FixedPointSearch(), "search for certified fixed points")
    initial: ClassVar[None] = None


class RegressionExperiment(SupervisedExperiment):
    """A continuous-time network that learns to follow a target in time."""

    network: CtrnnSettings = setting(CtrnnSettings(), "network")  # type: ignore[assignment]
    learning: RegressionSettings = setting(..., "learner; `rule: regression`")  # type: ignore[assignment]
    seeds_per_job: int = setting(10, "networks that one job trains", gt=0)


class AgentExperiment(AnyExperiment):
    """An agent of Stable-Baselines3, which learns from reward."""

    learning: Sb3Settings = setting(..., "learner, and the agent's network; `rule: sb3`")
    fixed_points: FixedPointSettings = setting(FixedPointSettings(), "search for fixed points")
    initial: str | None = setting(
        None, "experiment whose agents of the same seeds training starts from; by default from new weights"
    )


def experiment_model(values: Mapping[str, Any]) -> type[AnyExperiment]:
    """The kind of experiment that an entry describes."""
    groups = groups_of(values)
    if groups["learning"] is BpttSettings:
        return SupervisedExperiment
    if groups["learning"] is RegressionSettings:
        return RegressionExperiment
    if groups["learning"] is Sb3Settings:
        return AgentExperiment
    return RatePolicyExperiment if groups["network"] is RateSettings else Experiment


class MappingEntry(Settings):
    """One way of mapping rate networks to spiking ones."""

    lif: LifSettings = setting(LifSettings(), "spiking network")
    search: SearchSettings = setting(SearchSettings(), "search for the scaling factor")
    factor_of: str | None = setting(
        None, "another entry whose best factor each network takes, instead of a search of its own"
    )


class Figure(Settings):
    """One figure."""

    module: str = setting(..., "module of `rnnpipe.figures` that draws it")
    of: str | list[str] = setting([], "experiment (or sweep) that it shows, or a list of them")
    seeds: list[int] | None = setting(None, "which of the experiments' networks; by default all", min_length=1)
    needs: list[str] | dict[str, str | list[str]] = setting(
        ...,
        "what it is drawn from: data sets of the tasks, `history`, `fixed_points`, `network`, `time` (of the training's"
        " job), `gathered` (the table of all networks of each experiment or sweep), entries of `spiking`, a data set"
        " with spikes as `<entry>.<data set>`; or `figures`, all other figures of the source in their order; a mapping"
        " says what stands for each of the module's needs",
        min_length=1,
    )
    settings: dict[str, Any] = setting({}, "settings of the figure")
    animate: bool = setting(False, "whether one turn of its 3-D axes is made, too, as a GIF")

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments (or sweeps) that it shows."""
        return [self.of] if isinstance(self.of, str) else list(self.of)

    @property
    def read(self) -> dict[str, list[str]]:
        """What is read for each need of the module."""
        if isinstance(self.needs, list):
            return {need: [need] for need in self.needs}
        return {need: [names] if isinstance(names, str) else list(names) for need, names in self.needs.items()}


class Source(Settings):
    """One source file."""

    tasks: dict[str, dict[str, Any]] = setting({}, "tasks by name")
    datasets: dict[str, dict[str, dict[str, Any] | None]] = setting({}, "data sets by task and name")
    experiments: dict[str, dict[str, Any]] = setting({}, "experiments by name")
    spiking: dict[str, dict[str, Any] | None] = setting({}, "ways of mapping rate networks to spikes, by name")
    figures: dict[str, dict[str, Any]] = setting({}, "figures by name")
    claims: dict[str, dict[str, Any]] = setting({}, "claims by name")
    scales: dict[str, dict[str, Any] | None] = setting({}, "what a scale changes in the sections above")

"""The configuration: YAML files to a validated study, and from it what the workflow's rules ask for.

`config/config.yaml` names sources and a scale; each source (`config/<source>.yaml`, or any YAML file) defines tasks,
data sets, experiments, figures and claims, and what its scales change. Everything is checked here, for every scale,
before any job is planned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnnpipe.analysis.claim import Claim
from rnnpipe.config_checks import check_references
from rnnpipe.config_entries import (
    DEFAULT_SCALE,
    FIGURES,
    FIXED_POINTS,
    FIXED_POINTS_DATASET,
    GATHERED,
    HISTORY,
    NETWORK,
    RESERVED,
    TIME,
    AnyExperiment,
    DatasetEntry,
    Figure,
    MappingEntry,
    Source,
    WorkflowSettings,
    experiment_model,
)
from rnnpipe.config_sweeps import expand_sweeps, merge
from rnnpipe.errors import SettingsError
from rnnpipe.settings import canonical, parse, suggest
from rnnpipe.sweep import Sweep
from rnnpipe.tasks import modules_of_task, task_class
from rnnpipe.tasks._environment import AnyTask
from rnnpipe.training.rules import evaluation_modules_of, modules_of, points_modules_of, selectors
from rnnpipe.yaml_file import read_yaml

TARGETS = (
    "all",
    "all_networks",
    "all_figures",
    "dataset",
    "train",
    "evaluate",
    "fixed_points",
    "gather",
    "figures",
    "claims",
    "bench",
    "report",
)
"""Targets of the workflow, which no source may be called: its name is one, too."""


SECTIONS = ("tasks", "datasets", "experiments", "spiking", "figures", "claims")
WHOLE = (FIGURES, GATHERED)
"""Needs that no single network has."""


@dataclass(frozen=True)
class Study:
    """All that is asked for at one scale, checked."""

    workflow: WorkflowSettings
    tasks: dict[str, AnyTask] = field(default_factory=dict)
    datasets: dict[str, dict[str, DatasetEntry]] = field(default_factory=dict)
    experiments: dict[str, AnyExperiment] = field(default_factory=dict)
    spiking: dict[str, MappingEntry] = field(default_factory=dict)
    sweeps: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Names of the entries of each sweep by section and name."""
    swept: dict[str, list[Sweep]] = field(default_factory=dict)
    """What the sweeps of experiments vary, by name."""
    figures: dict[str, Figure] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    sources: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Names in each section of each source, in their order."""

    def task(self, name: str) -> AnyTask:
        """The task of that name."""
        return _known("task", name, self.tasks)

    def dataset(self, task: str, name: str) -> DatasetEntry:
        """A data set of a task."""
        self.task(task)
        return _known(f"data set of {task}", name, self.datasets.get(task, {}))

    def experiment(self, name: str) -> AnyExperiment:
        """The experiment of that name."""
        return _known("experiment", name, self.experiments)

    def figure(self, name: str) -> Figure:
        """The figure of that name."""
        return _known("figure", name, self.figures)

    # Settings of a stage as one canonical string of what differs from the defaults: two swapped values make another
    # string, and a new option with a neutral default makes none.

    def dataset_settings(self, task: str, name: str) -> str:
        """Settings of stage `dataset`."""
        changed = self.dataset(task, name).changed()
        changed.pop("record_activity", None)
        return canonical({"task": _named(self.task(task)), "dataset": changed})

    def train_settings(self, experiment: str) -> str:
        """Settings of stage `train`."""
        entry = self.experiment(experiment)
        given = entry.given
        said = selectors(given)
        changed = {name: {**getattr(entry, name).changed(), **said.get(name, {})} for name in given}
        return canonical({"task": _named(self.tasks[entry.task])} | {k: v for k, v in changed.items() if v})

    def record_activity_flag(self, experiment: str, dataset: str) -> str:
        """Flag of stage `evaluate` for a data set on which activity is recorded, or nothing."""
        recorded = self.dataset(self.experiment(experiment).task, dataset).record_activity
        return "--record_activity" if recorded else ""

    def fixed_points_settings(self, experiment: str) -> str:
        """Settings of stage `fixed_points`."""
        entry = self.experiment(experiment)
        group = "search" if hasattr(entry, "search") else "fixed_points"
        return canonical({group: getattr(entry, group).changed()})

    def spiking_settings(self, mapping: str) -> str:
        """Settings of stage `spiking`."""
        entry = _known("entry of spiking", mapping, self.spiking)
        groups = {"lif": entry.lif.changed(), "search": entry.search.changed()}
        return canonical({name: values for name, values in groups.items() if values})

    def modules(self, experiment: str) -> tuple[str, ...]:
        """Modules that a training runs and that are imported by name, below `rnnpipe`."""
        entry = self.experiment(experiment)
        return (*self.task_modules(entry.task), *modules_of(entry.given))

    def evaluation_modules(self, experiment: str) -> tuple[str, ...]:
        """Modules that an evaluation runs and that are imported by name, below `rnnpipe`."""
        entry = self.experiment(experiment)
        return (*self.task_modules(entry.task), *evaluation_modules_of(entry.given))

    def points_modules(self, experiment: str) -> tuple[str, ...]:
        """Modules that a search for fixed points runs and that are imported by name, below `rnnpipe`."""
        entry = self.experiment(experiment)
        return (*self.task_modules(entry.task), *points_modules_of(entry.given))

    def task_modules(self, task: str) -> tuple[str, ...]:
        """Modules that a task of the configuration is, below `rnnpipe`."""
        return modules_of_task(self.task(task))

    def figure_settings(self, figure: str) -> str:
        """Settings of stage `figures`."""
        return canonical(self.figure(figure).settings)

    def gather_settings(self, name: str) -> str:
        """Settings of stage `gather`: of one experiment, or of a sweep, whose members they tell without a list of them.

        Raises:
            SettingsError: No such experiment or sweep, or one whose members' files are not laid out alike.
        """
        entries = [self.experiment(member) for member in self._members(name)]
        layouts = [{"seeds": e.seeds, "seeds_per_job": e.seeds_per_job if e.supervised else None} for e in entries]  # type: ignore[attr-defined]
        if any(layout != layouts[0] for layout in layouts):
            raise SettingsError(
                f"sweep {name}: its networks cannot be gathered in one table, since they are not all trained from the"
                " same seeds, as many in a job; sweep over other settings than rule, seeds or seeds_per_job."
            )
        sweep = [axis.model_dump(mode="json") for axis in self.swept.get(name, ())]
        return canonical({"name": name, "sweep": sweep, **layouts[0]})

    def gather_inputs(self, name: str) -> list[str]:
        """What the trainings make that stage `gather` reads."""
        trained = [self.training(member, s) for member in self._members(name) for s in self.experiment(member).seeds]
        return list(dict.fromkeys(trained))

    def _members(self, name: str) -> list[str]:
        names = self.names_of("experiments", name)
        if names == [name] and name not in self.experiments:
            _known("experiment", name, {**self.experiments, **self.swept})
        return names

    def claims_settings(self) -> str:
        """Settings of stage `claims`, with every sweep replaced by its members: the stage knows no study."""
        return canonical({"claims": {name: self._expanded(claim) for name, claim in self.claims.items()}})

    def _expanded(self, claim: Claim) -> dict[str, Any]:
        of = self.experiments_of(claim.experiments)
        needs = [source for need in claim.needs for source in self.sources_of(need)]
        return {**claim.changed(), "of": of[0] if len(of) == 1 else of, "needs": needs}

    # Files

    def network(self, experiment: str, seed: int | str) -> str:
        """File of a trained network."""
        entry = self.experiment(experiment)
        return f"{self.trained(experiment, entry.batch_of(int(seed)))}/seed{seed}.pth"

    def trained(self, experiment: str, batch: str) -> str:
        """Folder of trained networks: that of their batch, if a job trains several."""
        folder = f"results/train/{experiment}"
        return f"{folder}/seeds{batch}" if self.experiment(experiment).supervised else folder

    def training(self, experiment: str, seed: int | str) -> str:
        """What a training makes, as the workflow knows it: a folder of several networks, or one network."""
        entry = self.experiment(experiment)
        if entry.supervised:
            return self.trained(experiment, entry.batch_of(int(seed)))
        return self.network(experiment, seed)

    def trainings(self, experiment: str, batch: str) -> list[str]:
        """What the trainings of a batch make."""
        seeds = self.experiment(experiment).batches.get(batch)
        if seeds is None:
            known = ", ".join(self.experiment(experiment).batches)
            raise SettingsError(f"experiment {experiment} has no networks {batch}; there are {known}.")
        return list(dict.fromkeys(self.training(experiment, seed) for seed in seeds))

    def result(self, need: str, experiment: str, seed: int) -> str:
        """File of what a figure or claim needs of one network (or of the batch that it is in)."""
        entry = self.experiment(experiment)
        if need == HISTORY:
            return f"{self.trained(experiment, entry.batch_of(seed))}/seed{seed}.history.h5"
        if need == FIXED_POINTS:
            return f"results/fixed_points/{experiment}/seed{seed}.h5"
        if need == NETWORK:
            return self.network(experiment, seed)
        if need == TIME:
            job = f"seeds{entry.batch_of(seed)}" if entry.supervised else f"seed{seed}"
            return f"results/benchmarks/train/{experiment}/{job}.tsv"
        mapping, _, dataset = need.partition(".")
        if dataset:
            return f"results/evaluate/{experiment}/{mapping}/seed{seed}.{dataset}.h5"
        if need in self.spiking:
            return self.spiking_result(experiment, need, entry.batch_of(seed))
        return f"results/evaluate/{experiment}/seed{seed}.{need}.h5"

    def spiking_result(self, experiment: str, mapping: str, batch: str) -> str:
        """File of stage `spiking`."""
        return f"results/spiking/{experiment}/{mapping}/seeds{batch}.h5"

    def target(self, path: str) -> str:
        """What to ask the workflow for to get a file: the folder, where the file is one of several."""
        folder, _, name = path.rpartition("/")
        return folder if re.fullmatch(r"results/train/\w+/seeds\d+-\d+", folder) else path

    def factor_of(self, experiment: str, mapping: str, batch: str) -> list[str]:
        """File with the factors that a mapping takes from another one, if it does."""
        other = self.spiking[mapping].factor_of
        return [self.spiking_result(experiment, other, batch)] if other else []

    def names_of(self, section: str, name: str) -> list[str]:
        """The entries that a name stands for: those of a sweep, or itself."""
        return self.sweeps.get((section, name), [name])

    def experiments_of(self, names: Iterable[str]) -> list[str]:
        """Experiments that names stand for."""
        return [member for name in names for member in self.names_of("experiments", name)]

    def sources_of(self, need: str) -> list[str]:
        """What a need stands for: the entries of a sweep of mappings, or itself."""
        mapping, dot, dataset = need.partition(".")
        return [f"{member}{dot}{dataset}" for member in self.names_of("spiking", mapping)]

    def networks(self) -> list[str]:
        """Every trained network."""
        return list(
            dict.fromkeys(self.training(name, seed) for name, e in self.experiments.items() for seed in e.seeds)
        )

    def initial_network(self, experiment: str, seed: int | str) -> list[str]:
        """The network that training starts from, if it does not start anew."""
        initial = getattr(self.experiment(experiment), "initial", None)
        return [f"results/train/{initial}/seed{seed}.pth"] if initial else []

    def has(self, experiment: str, need: str) -> bool:
        """Whether an experiment has what a need names: always, unless it is a data set of other tasks."""
        dataset = need.partition(".")[2] or need
        known = dataset in RESERVED or dataset in self.spiking
        return known or dataset in self.datasets.get(self.experiments[experiment].task, {})

    def targets(self, source: str) -> list[str]:
        """Everything that is asked for by the name of a source: its networks, figures and the claims."""
        names = self.sources[source]
        networks = [path for path in self.networks() if path.split("/")[2] in names["experiments"]]
        drawn = [f"results/figures/{name}.pdf" for name in names["figures"]]
        return [
            *networks,
            *drawn,
            *(f"results/figures/{name}.gif" for name in names["figures"] if name in self.animated),
        ]

    @property
    def animated(self) -> list[str]:
        """Names of the figures that are animated, too."""
        return [name for name, figure in self.figures.items() if figure.animate]

    def evaluation_dataset(self, experiment: str, name: str) -> str:
        """File of the data set that an experiment is evaluated on."""
        task = self.experiment(experiment).task
        self.dataset(task, name)
        return f"results/dataset/{task}/{name}.h5"

    def fixed_points_dataset(self, experiment: str) -> str:
        """File of the data set on which fixed points are searched for."""
        return self.evaluation_dataset(experiment, FIXED_POINTS_DATASET)

    def figure_inputs(self, figure: str) -> list[tuple[str, str]]:
        """(need, file) of a figure, one for each need and seed."""
        entry = self.figure(figure)
        pairs = []
        for need, names in entry.read.items():
            if FIGURES in names:
                all_names = next(names["figures"] for names in self.sources.values() if figure in names["figures"])
                pairs += [(need, f"results/figures/{n}.png") for n in all_names if FIGURES not in self.figures[n].needs]
            if GATHERED in names:
                pairs += [(need, f"results/gather/{name}.csv") for name in entry.experiments]
            for name in self.experiments_of(entry.experiments):
                trained = self.experiments[name].seeds
                seeds = [seed for seed in entry.seeds or trained if seed in trained]
                sources = [source for one in names if one not in WHOLE for source in self.sources_of(one)]
                found = [
                    (need, self.result(source, name, seed))
                    for source in sources
                    for seed in seeds
                    if self.has(name, source)
                ]
                pairs += list(dict.fromkeys(found))  # networks of one batch share files
        return pairs

    def claims_inputs(self) -> list[tuple[str, str]]:
        """(need:experiment, file) of the claims, one for each need, experiment and seed (or batch), none twice."""
        asked: dict[tuple[str, str], set[int]] = {}
        for claim in self.claims.values():
            for source in [source for need in claim.needs for source in self.sources_of(need)]:
                for name in self.experiments_of(claim.experiments):
                    trained = self.experiments[name].seeds
                    asked.setdefault((source, name), set()).update(claim.seeds or trained)
        files = [
            (f"{need}:{name}", self.result(need, name, seed))
            for (need, name), seeds in asked.items()
            for seed in self.experiments[name].seeds
            if seed in seeds
        ]
        return list(dict.fromkeys(files))


def load_study(config: Mapping[str, Any], folders: Sequence[str | Path] = (".",), where: str = "config.yaml") -> Study:
    """The study that a configuration asks for.

    Args:
        config: Content of `config/config.yaml`.
        folders: Where `config/<source>.yaml` is looked for, in turn.
        where: What to call the configuration in an error.

    Raises:
        SettingsError: Anything is unknown, mistyped, impossible or defined twice, in the chosen scale or another.
    """
    workflow = parse(WorkflowSettings, config, where)
    sources: dict[str, Source] = {}
    for name in workflow.sources:
        path = _source_path(name, folders)
        if not re.fullmatch(r"[A-Za-z_]\w*", path.stem) or path.stem in TARGETS:
            raise SettingsError(
                f"{where}: source {str(path)!r}: its name {path.stem!r} is a target of the workflow, too, and must"
                f" hold only letters, digits and underscores and be none of {', '.join(TARGETS)}; rename the file."
            )
        twin = next((other for other in sources if Path(other).stem == path.stem and other != str(path)), None)
        if twin is not None:
            raise SettingsError(f"{where}: sources {twin!r} and {str(path)!r} have one name; rename one of the files.")
        sources[str(path)] = parse(Source, read_yaml(path), str(path))
    scales = {DEFAULT_SCALE, *(scale for source in sources.values() for scale in source.scales)}
    if workflow.scale not in scales:
        raise SettingsError(f"{where}: unknown scale {workflow.scale!r} ({suggest(workflow.scale, scales)}).")
    studies = {scale: _study(workflow, sources, scale) for scale in sorted(scales)}
    return studies[workflow.scale]


def read_study(path: str | Path) -> Study:
    """The study of a `config/config.yaml`; sources are looked for beside it."""
    path = Path(path)
    return load_study(read_yaml(path) or {}, (path.parent.parent,), str(path))


def _source_path(name: str, folders: Sequence[str | Path]) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    found = [path for folder in folders if (path := Path(folder, "config", f"{name}.yaml")).is_file()]
    if not found:
        there = {p.stem for folder in folders for p in Path(folder, "config").glob("*.yaml")} - {"config"}
        raise SettingsError(f"unknown source {name!r:.100} ({suggest(name, there)}); give one of them or a YAML file.")
    return found[0]


def _study(workflow: WorkflowSettings, sources: Mapping[str, Source], scale: str) -> Study:
    study = Study(workflow)
    origin: dict[tuple[str, ...], str] = {}
    at_scale = {
        path: _at_scale(
            {section: getattr(source, section) for section in SECTIONS},
            source.scales.get(scale) or {},
            f"{path}: scales.{scale}",
        )
        for path, source in sources.items()
    }
    expand_sweeps(study, at_scale, "" if scale == DEFAULT_SCALE else f" at scale {scale}")
    for path, sections in at_scale.items():
        where = path if scale == DEFAULT_SCALE else f"{path} at scale {scale}"
        for key, values in _entries(sections):
            _check_name(key, where)
            if key in origin:
                raise SettingsError(f"{path}: {'.'.join(key)} is also defined in {origin[key]}; rename one of them.")
            origin[key] = path
            names = study.sources.setdefault(Path(path).stem, {section: [] for section in SECTIONS})
            names[key[0]].append(key[1])
            _add(study, key, values, f"{where}: {'.'.join(key)}")
    for key, path in origin.items():
        check_references(study, key, f"{path if scale == DEFAULT_SCALE else f'{path} at scale {scale}'}")
    return study


def _entries(sections: Mapping[str, Any]) -> Iterable[tuple[tuple[str, ...], Any]]:
    for section, entries in sections.items():
        for name, values in entries.items():
            if section == "datasets":
                yield from (((section, name, dataset), v) for dataset, v in values.items())
            else:
                yield (section, name), values


def _at_scale(sections: dict[str, Any], change: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Sections with a scale's changes; a scale changes entries, it adds none, so that a misspelt name is an error."""
    for section, entries in change.items():
        if section not in SECTIONS:
            raise SettingsError(f"{where}: unknown section {section!r} ({suggest(str(section), SECTIONS)}).")
        if not isinstance(entries, Mapping):
            raise SettingsError(f"{where}.{section}: expected a mapping of names, got {entries!r}.")
        for name, values in entries.items():
            known = sections[section]
            if name not in known:
                raise SettingsError(f"{where}.{section}: unknown name {name!r:.100} ({suggest(str(name), known)}).")
            if not isinstance(values, Mapping):
                raise SettingsError(f"{where}.{section}.{name}: expected a mapping of keys, got {values!r}.")
            if section == "datasets":
                for dataset in values:
                    if dataset not in known[name]:
                        hint = suggest(str(dataset), known[name])
                        raise SettingsError(f"{where}.{section}.{name}: unknown name {dataset!r} ({hint}).")
    return merge(sections, change)


def _check_name(key: tuple[str, ...], where: str) -> None:
    for name in key[1:]:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,100}", str(name)):  # it becomes the name of a file
            raise SettingsError(
                f"{where}: {key[0]}: name {name!r:.100} may hold only letters, digits and underscores, at most 100."
            )


def _add(study: Study, key: tuple[str, ...], values: Any, where: str) -> None:
    section, name = key[:2]
    if section == "tasks":
        if not isinstance(values, Mapping) or "task" not in values:
            raise SettingsError(f"{where}: key 'task' is required.")
        rest = dict(values)
        try:
            model = task_class(rest.pop("task"))
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
        study.tasks[name] = parse(model, rest, where)
    elif section == "datasets":
        study.datasets.setdefault(name, {})[key[2]] = parse(DatasetEntry, values, where)
    elif section == "experiments":
        try:
            kind = experiment_model(values if isinstance(values, Mapping) else {})
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
        study.experiments[name] = parse(kind, values, where)
    elif section == "spiking":
        study.spiking[name] = parse(MappingEntry, values, where)
    elif section == "figures":
        study.figures[name] = parse(Figure, values, where)
    else:
        study.claims[name] = parse(Claim, values, where)


def _known(kind: str, name: str, entries: Mapping[str, Any]) -> Any:
    if name not in entries:
        raise SettingsError(f"unknown {kind} {name!r:.100} ({suggest(name, entries)}).")
    return entries[name]


def _named(task: AnyTask) -> dict[str, Any]:
    return {"name": task.name, **task.changed()}

"""Checks of what the entries of a study say of each other, for `rnnpipe.config`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rnnpipe.analysis.claim import Claim
from rnnpipe.config_entries import (
    FIGURES,
    FIXED_POINTS,
    FIXED_POINTS_DATASET,
    GATHERED,
    HISTORY,
    NETWORK,
    RESERVED,
    AgentExperiment,
    RegressionExperiment,
)
from rnnpipe.dataset import check_conditions
from rnnpipe.declared import figure_modules, figure_settings, optional_needs, quantities
from rnnpipe.errors import SettingsError
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.networks.settings import GatedSettings, check_inputs
from rnnpipe.settings import suggest
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks._base import Task
from rnnpipe.tasks._environment import AnyTask, EnvironmentTask
from rnnpipe.tasks._regression import RegressionTask
from rnnpipe.training.rules import BPTT, REGRESSION, rule_of

if TYPE_CHECKING:
    from rnnpipe.config import Study


def check_references(study: Study, key: tuple[str, ...], where: str) -> None:
    """Everything that one entry refers to by name must exist."""
    section, name = key[:2]
    where = f"{where}: {'.'.join(key)}"
    if section == "datasets":
        _expect(where, "task", name, study.tasks)
        if key[2] in RESERVED or key[2] in study.spiking:
            raise SettingsError(f"{where}: {key[2]!r} cannot be the name of a data set; rename it.")
        task = study.tasks[name]
        try:
            check_conditions(task, study.datasets[name][key[2]])
        except SettingsError as error:
            raise SettingsError(f"{where}.{error}") from None
        if isinstance(task, Task):
            _check_drawn(where, task)
    elif section == "experiments":
        experiment = study.experiments[name]
        _expect(where, "task", experiment.task, study.tasks)
        _check_seeds(where, experiment.seeds, None)
        _check_initial(study, where, name)
        task = study.tasks[experiment.task]
        rule = rule_of(experiment.given)
        if rule == BPTT and not isinstance(task, AnalogTask):
            raise SettingsError(
                f"{where}: task {experiment.task} has no target for an output, which rule bptt learns from; take a task"
                " that has (go_nogo, xor, context_integration) or rule: policy_gradient."
            )
        if rule == REGRESSION and not isinstance(task, RegressionTask):
            raise SettingsError(
                f"{where}: task {experiment.task} has no target in time, which rule regression learns from; take a"
                " task that has (flip_flop, cddm, ...) or another rule."
            )
        if not experiment.supervised and isinstance(task, Task) and not task.chooses:
            raise SettingsError(
                f"{where}: task {experiment.task} has continuous outputs and nothing to choose that reward could teach;"
                " take a task that has or a supervised rule."
            )
        if isinstance(experiment, AgentExperiment):
            _check_agent(where, experiment, task)
        elif isinstance(task, Task):
            _check_drawn(where, task)
        network = getattr(experiment, "network", None)
        try:
            # of an environment the inputs are known once it is made: training checks them
            if isinstance(network, GatedSettings) and not isinstance(task, EnvironmentTask):
                check_inputs(network, task.input_names)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from None
    elif section == "spiking":
        _check_factor_of(study, where, name)
    elif section == "figures":
        figure = study.figures[name]
        modules = figure_modules()
        _expect(where, "module", figure.module, modules)
        read = [name for names in figure.read.values() for name in names]
        _check_needs(study, where, figure.experiments, read)
        needed, more = list(modules[figure.module]), list(optional_needs().get(figure.module, {}))
        if not set(needed) <= set(figure.read) <= {*needed, *more}:
            words = f"{needed}, and from {more} if given" if more else f"{needed}"
            raise SettingsError(f"{where}: needs = {sorted(figure.read)}, but {figure.module} is drawn from {words}.")
        if figure.seeds is not None:
            shown = study.experiments_of(figure.experiments)
            trained = {seed for name in shown for seed in study.experiments[name].seeds}
            _check_seeds(where, figure.seeds, sorted(trained))
        for setting_name in figure.settings:
            _expect(f"{where}.settings", "key", setting_name, figure_settings(figure.module))
    elif section == "claims":
        claim = study.claims[name]
        _expect(where, "quantity", claim.quantity, quantities())
        _check_needs(study, where, claim.experiments, claim.needs)
        _check_claim(study, where, claim)


def _check_drawn(where: str, task: Task) -> None:
    """What is drawn before it is played cannot depend on outcomes."""
    try:
        task.check_drawn_beforehand()
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _check_agent(where: str, experiment: AgentExperiment, task: AnyTask) -> None:
    """What an agent cannot do on its task."""
    try:
        experiment.learning.check(task)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None


def _check_initial(study: Study, where: str, name: str) -> None:
    """What a training starts from must be trained from the same seeds, and not start from this one itself."""
    initial, chain = getattr(study.experiments[name], "initial", None), [name]
    if initial is None:
        return
    _expect(where, "experiment", initial, study.experiments)
    rules = [rule_of(study.experiments[other].given) for other in (name, initial)]
    if rules[0] != rules[1]:
        raise SettingsError(
            f"{where}: initial: {initial} learns by rule {rules[1]}, and this experiment by {rules[0]}; start from one"
            " of the same rule."
        )
    _check_seeds(f"{where}: initial: {initial}", study.experiments[name].seeds, study.experiments[initial].seeds)
    while initial is not None:
        if initial in chain:
            raise SettingsError(f"{where}: initial: {' -> '.join([*chain, initial])} goes in a circle; start it anew.")
        chain.append(initial)
        initial = getattr(study.experiments.get(initial), "initial", None)


def _check_factor_of(study: Study, where: str, name: str) -> None:
    """The mapping whose factor another one takes must exist and search itself."""
    other = study.spiking[name].factor_of
    if other is None:
        return
    _expect(where, "entry of spiking", other, study.spiking)
    if study.spiking[other].factor_of is not None:
        raise SettingsError(
            f"{where}: factor_of: {other} takes its factor from elsewhere, too; name the one that searches."
        )


def _check_needs(study: Study, where: str, of: Sequence[str], needs: Sequence[str]) -> None:
    sweeps = {name for section, name in study.sweeps if section == "experiments"}
    mappings = {*study.spiking, *(name for section, name in study.sweeps if section == "spiking")}
    for name in of:
        _expect(where, "experiment", name, [*study.experiments, *sorted(sweeps)])
    experiments = [study.experiments[name] for name in study.experiments_of(of)]
    tasks = dict.fromkeys(entry.task for entry in experiments)
    datasets = {dataset for task in tasks for dataset in study.datasets.get(task, {})}
    for need in needs:
        mapping, dot, dataset = need.partition(".")
        if dot:
            _expect(where, "entry of spiking", mapping, sorted(mappings))
        _expect(
            where,
            "need",
            dataset if dot else need,
            [*([] if dot else [*RESERVED, *sorted(mappings)]), *sorted(datasets)],
        )
        if need != FIGURES and not of:
            raise SettingsError(f"{where}: key 'of' is required: name the experiment that {need!r} is of.")
        if mapping in mappings and not all(
            isinstance(getattr(entry, "network", None), RateSettings) for entry in experiments
        ):
            raise SettingsError(f"{where}: need {need!r}: only rate networks (kind: rate) are mapped to spikes.")
    if FIXED_POINTS in needs and not all(FIXED_POINTS_DATASET in study.datasets.get(task, {}) for task in tasks):
        raise SettingsError(f"{where}: fixed points need a data set {FIXED_POINTS_DATASET!r} of the task; add it.")
    if FIXED_POINTS in needs and any(isinstance(study.tasks[task], EnvironmentTask) for task in tasks):
        raise SettingsError(
            f"{where}: fixed points are searched for under the constant inputs of a trial's periods, which an"
            " environment does not have; take an experiment on a trial-structured task."
        )
    if FIXED_POINTS in needs and any(
        isinstance(entry, AgentExperiment) and not entry.learning.recurrent for entry in experiments
    ):
        raise SettingsError(
            f"{where}: fixed points are those of recurrent units; take an experiment with algorithm: recurrent_ppo."
        )


def _check_claim(study: Study, where: str, claim: Claim) -> None:
    """What a claim is measured from must be of the kind that its quantity reads, and of networks that are trained."""
    if GATHERED in claim.needs:
        raise SettingsError(f"{where}: need {GATHERED!r} is a table for figures; name what {claim.quantity} is of.")
    reads = quantities()[claim.quantity]
    own = (HISTORY, NETWORK, FIXED_POINTS)
    kinds = {
        need if need in own else "networks" if set(study.sources_of(need)) <= set(study.spiking) else "table"
        for need in claim.needs
    }
    expected = reads if reads in (*own, "networks") else "table"
    words = {**{need: repr(need) for need in own}, "networks": "entries of `spiking`", "table": "a data set"}
    # a claim on one network at a time may name more than it reads, one on many networks may not
    if expected not in kinds or (expected == "networks" and len(kinds) > 1):
        raise SettingsError(
            f"{where}: {claim.quantity} is measured on {words[expected]}, but needs = {claim.needs}; change one."
        )
    experiments = [study.experiments[name] for name in study.experiments_of(claim.experiments)]
    if expected in (NETWORK, FIXED_POINTS) and not all(isinstance(e, RegressionExperiment) for e in experiments):
        raise SettingsError(
            f"{where}: {claim.quantity} is measured on continuous-time networks; take one with rule regression."
        )
    if expected == "history" and any(entry.supervised for entry in experiments):
        raise SettingsError(
            f"{where}: {claim.quantity} is measured on trainings by policy gradient; of rate networks that learned by"
            " rule bptt take a quantity of mapped networks, such as mean_trials_trained."
        )
    if claim.seeds is not None:
        _check_seeds(where, claim.seeds, sorted({seed for entry in experiments for seed in entry.seeds}))
        if expected == "networks":
            raise SettingsError(f"{where}: {claim.quantity} is measured on all networks of a file; leave seeds out.")


def _check_seeds(where: str, seeds: Sequence[int], trained: Sequence[int] | None) -> None:
    twice = sorted({s for s in seeds if seeds.count(s) > 1})
    if twice or min(seeds) < 0:
        raise SettingsError(f"{where}: seeds = {list(seeds)}: each must be 0 or more and stand there once.")
    missing = sorted(set(seeds) - set(trained if trained is not None else seeds))
    if missing:
        raise SettingsError(
            f"{where}: seeds {missing} are not trained; the experiment's seeds are {list(trained or [])}."
        )


def _expect(where: str, kind: str, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        raise SettingsError(f"{where}: unknown {kind} {name!r:.100} ({suggest(name, known)}).")

"""The learning rules, and which groups of settings each has.

Learners and their settings are imported by name, so that a change of one of them retrains only what it trains.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from rnnpipe.errors import SettingsError
from rnnpipe.settings import Settings, suggest

POLICY_GRADIENT, BPTT, REGRESSION, SB3 = "policy_gradient", "bptt", "regression", "sb3"

SUPERVISED = (BPTT, REGRESSION)
"""Rules that train several networks at once."""

_RATE = "rnnpipe.networks.rate_settings:RateSettings"
_CTRNN = "rnnpipe.networks.ctrnn_settings:CtrnnSettings"
_GATED = "rnnpipe.networks.settings:GatedSettings"
_VALUE = "rnnpipe.networks.settings:ValueSettings"

_LEARNING = {
    POLICY_GRADIENT: "rnnpipe.training.settings:PolicyGradientSettings",
    BPTT: "rnnpipe.training.bptt_settings:BpttSettings",
    REGRESSION: "rnnpipe.training.regression_settings:RegressionSettings",
    SB3: "rnnpipe.training.sb3_settings:Sb3Settings",
}


def rule_of(given: Mapping[str, Any]) -> str:
    """The rule that groups of settings name; policy gradient if they name none.

    Raises:
        SettingsError: There is no such rule.
    """
    learning = given.get("learning") or {}
    rule = learning.get("rule", POLICY_GRADIENT) if isinstance(learning, Mapping) else POLICY_GRADIENT
    if not isinstance(rule, str) or rule not in _LEARNING:
        raise SettingsError(f"learning: rule = {rule!r:.100}: no such rule ({suggest(str(rule), _LEARNING)}).")
    return str(rule)


def is_rate(given: Mapping[str, Any]) -> bool:
    """Whether the network that groups of settings ask for is a rate network."""
    return _kind(given) == "rate" or (_kind(given) is None and rule_of(given) == BPTT)


def groups_of(given: Mapping[str, Any]) -> dict[str, type[Settings]]:
    """Groups of settings of the rule and the kind of network that are named, by name.

    Raises:
        SettingsError: No such rule, or a network that the rule cannot train.
    """
    rule = rule_of(given)
    rate, continuous = is_rate(given), _kind(given) == "ctrnn"
    if rule == BPTT and not rate:
        raise SettingsError(f"network: kind = {_kind(given)!r}: rule bptt trains rate networks; set kind: rate.")
    if rule == SB3 and _kind(given) is not None:
        raise SettingsError(
            f"network: kind = {_kind(given)!r}: the networks of rule sb3 are Stable-Baselines3's, with settings among"
            " those of learning; leave network out."
        )
    if continuous != (rule == REGRESSION) and _kind(given) is not None:
        raise SettingsError(
            f"network: kind = {_kind(given)!r}: rule regression trains continuous-time networks, and these learn by it"
            " only; set kind: ctrnn and learning.rule: regression, or neither."
        )
    if rule == SB3:
        return {"learning": _class(_LEARNING[rule])}  # which has the settings of the agent's network, too
    names = {"network": _CTRNN if rule == REGRESSION else _RATE if rate else _GATED}
    if rule == POLICY_GRADIENT:
        names["value_network"] = _VALUE
    names["learning"] = _LEARNING[rule]
    return {group: _class(name) for group, name in names.items()}


def selectors(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """What must be said beside settings that differ from the defaults, for `groups_of` to find the same groups."""
    said: dict[str, dict[str, str]] = {}
    if rule_of(given) != POLICY_GRADIENT:
        said["learning"] = {"rule": rule_of(given)}
    elif is_rate(given):
        said["network"] = {"kind": "rate"}
    return said


def modules_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules that a training with these settings runs and that are imported by name, below `rnnpipe`."""
    names = {type_.__module__ for type_ in groups_of(given).values()} | {f"rnnpipe.training.run_{rule_of(given)}"}
    if rule_of(given) == POLICY_GRADIENT:
        names.add(f"rnnpipe.networks.{'rate' if is_rate(given) else 'gated'}_policy")
    return tuple(sorted(name.removeprefix("rnnpipe.") for name in names))


def evaluation_modules_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules that evaluations of what these settings train import by name, below `rnnpipe`."""
    return ("evaluation.run_agent",) if rule_of(given) == SB3 else ()


def points_modules_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules that searches for fixed points of what these settings train import by name, below `rnnpipe`."""
    return ("evaluation.agent_points",) if rule_of(given) == SB3 else ()


def _kind(given: Mapping[str, Any]) -> Any:
    """Kind of network that is named, or None."""
    network = given.get("network") or {}
    return network.get("kind") if isinstance(network, Mapping) else None


def _class(name: str) -> type[Settings]:
    module, _, attribute = name.partition(":")
    found: type[Settings] = getattr(importlib.import_module(module), attribute)
    return found

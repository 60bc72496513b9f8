"""The tables of settings in config/README.md: `python tests/settings_tables.py` writes them, a test compares them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "config" / "README.md"
HEADING = "## Settings\n"


def tables() -> str:
    from rnnpipe.analysis.fixed_points_settings import FixedPointSettings
    from rnnpipe.fixed_points.settings import SearchSettings as FixedPointSearch
    from rnnpipe.mapping.settings import SearchSettings
    from rnnpipe.networks.ctrnn_settings import CtrnnSettings
    from rnnpipe.networks.lif_settings import LifSettings
    from rnnpipe.networks.rate_settings import RateSettings
    from rnnpipe.networks.settings import GatedSettings, ValueSettings
    from rnnpipe.tasks import environment_task_names, task_class, task_names
    from rnnpipe.training.bptt_settings import BpttSettings
    from rnnpipe.training.regression_settings import RegressionSettings
    from rnnpipe.training.sb3_settings import Sb3Settings
    from rnnpipe.training.settings import PolicyGradientSettings

    tasks: dict[str, list[str]] = {}  # those that have the same settings share a table
    for name in task_names() + environment_task_names():
        tasks.setdefault(_table(task_class(name)), []).append(f"`{name}`")
    lines = [f"\n### Task{'s' * (len(titles) > 1)} {', '.join(titles)}\n{table}" for table, titles in tasks.items()]
    groups: dict[str, Any] = {
        "`network`": GatedSettings,
        "`value_network`": ValueSettings,
        "`learning`": PolicyGradientSettings,
    }
    groups |= {"`network` with `kind: rate`": RateSettings, "`learning` with `rule: bptt`": BpttSettings}
    groups |= {
        "`network` with `kind: ctrnn`": CtrnnSettings,
        "`learning` with `rule: regression`": RegressionSettings,
    }
    groups |= {"`learning` with `rule: sb3`": Sb3Settings}
    groups |= {"`fixed_points`": FixedPointSettings, "`search` of an experiment": FixedPointSearch}
    groups |= {"`lif`": LifSettings, "`search` of a mapping": SearchSettings}
    lines += [f"\n### {title}\n{_table(model)}" for title, model in groups.items()]
    return "\n".join(lines) + "\n"


def _table(model: Any) -> str:
    lines = ["\n| key | default | unit | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        unit = (field.json_schema_extra or {}).get("unit") or ""
        meaning = str(field.description).replace("|", "\\|")
        default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
        lines.append(f"| `{key}` | {default} | {unit} | {meaning} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    README.write_text(README.read_text().partition(HEADING)[0] + HEADING + tables())

"""Settings with which tasks are those of engellab/trainRNNbrain, in January 2023 and in August 2026.

Each is what an entry of `tasks` in a configuration holds: the name of the task and the settings that differ from its
defaults. Time steps of that code, dt = 1 with tau = 10, are taken as 1 ms and 10 ms.

What was mended there is mended here, too: onsets are drawn for each trial, not once for all repeats of a condition; no
angle is left out; the target of `angle_addition` is on where its loss counts.
"""

from __future__ import annotations

from typing import Any

Preset = dict[str, Any]

_MEMORY_2026: Preset = {"bias": True, "repeats": 1}

PRESETS: dict[str, Preset] = {
    "seed2023/cddm": {"task": "cddm", "early_onset": True},
    "seed2023/dmts": {"task": "dmts"},
    "seed2023/flip_flop": {"task": "flip_flop"},
    "seed2023/flip_flop_2bit": {"task": "flip_flop", "n_bits": 2},
    "seed2023/memory_anti_number": {"task": "memory_number"},
    "seed2023/memory_anti_number_fixed_onset": {"task": "memory_number", "onset_min": 40.0, "onset_max": 40.0},
    "seed2023/memory_anti_angle": {"task": "memory_angle"},
    "seed2023/memory_anti_angle_fixed_onset": {"task": "memory_angle", "onset_min": 40.0, "onset_max": 40.0},
    "head2026/cddm": {
        "task": "cddm",
        "early_onset": True,
        "tmax": 300.0,
        "fixation": 100.0,
        "viewing": 100.0,
        "coherences": [-(2.0**-k) for k in range(7)] + [0.0] + [2.0**-k for k in range(6, -1, -1)],
        "zero_target": 0.5,
    },
    "head2026/cddm_signed": {"task": "cddm_signed", "early_onset": True},
    "head2026/dmts": {
        "task": "dmts",
        "tmax": 140.0,
        "sample_onset": 10.0,
        "match_onset": 80.0,
        "stimulus": 10.0,
        "jitter": 10.0,
        "decision_onset": 100.0,
        "cue": True,
        "outputs": 1,
        "silent_match": True,
        "grace": 10.0,
    },
    "head2026/graded_go_nogo": {"task": "graded_go_nogo"},
    "head2026/static_xor": {"task": "static_xor"},
    "head2026/half_adder": {"task": "half_adder"},
    "head2026/flip_flop": {"task": "flip_flop", "tmax": 100.0},
    "head2026/memory_number": {
        "task": "memory_number",
        **_MEMORY_2026,
        "tmax": 120.0,
        "onset_max": 40.0,
        "recall_onset": 60.0,
        "low": 0.0,
        "high": 1.0,
        "n_numbers": 256,
        "gain": 1,
    },
    "head2026/memory_anti_angle": {
        "task": "memory_angle",
        **_MEMORY_2026,
        "tmax": 200.0,
        "onset_max": 20.0,
        "recall_onset": 120.0,
        "grace": 10.0,
        "n_angles": 72,
        "encoding": "triangular",
        "amplitude": 1.0,
    },
    "head2026/memory_angle": {
        "task": "memory_angle",
        "tmax": 120.0,
        "onset_max": 20.0,
        "recall_onset": 90.0,
        "grace": 10.0,
        "offset": 0.0,
    },
    "head2026/angle_integration": {"task": "angle_integration"},
    "head2026/angle_integration_pulse": {"task": "angle_integration_pulse"},
    "head2026/angle_addition": {"task": "angle_addition"},
    "head2026/integration": {"task": "integration"},
    "head2026/integration_pulse": {"task": "integration_pulse"},
    "head2026/memory_dm": {"task": "memory_dm"},
    "head2026/delay_dm": {"task": "delay_dm"},
    "head2026/block_dm": {"task": "block_dm"},
    "head2026/identity": {"task": "identity"},
    "head2026/square_number": {"task": "square_number"},
}

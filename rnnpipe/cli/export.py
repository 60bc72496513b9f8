"""Stage `export`: a trained rate network for other programs: .mat, NIR or a Brian2 script."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import click
import numpy as np

from rnnpipe.cli._options import stage
from rnnpipe.errors import ArtefactError, SettingsError
from rnnpipe.io.exchange.brian2_script import write_brian2
from rnnpipe.io.exchange.nir_graph import differences, write_nir
from rnnpipe.io.mat import MatFile, Rectify, new_mat_path, read_mat, write_mat
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_network import RateNetwork

FORMATS = {".mat": "mat", ".nir": "nir", ".py": "brian2"}
"""Format of each suffix."""


@stage(lif=LifSettings)
@click.option(
    "--network", "network_path", type=click.Path(path_type=Path), required=True, help="rate network (.pth or .mat)"
)
@click.option("--out", type=click.Path(path_type=Path), help="file to write: .mat, .nir or .py (with .npz beside it)")
@click.option(
    "--spikernn_names",
    type=click.Path(path_type=Path),
    help="instead of --out: folder below which a .mat file is named as in Kim et al. (2019); it replaces no file",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(FORMATS.values())),
    help="format, where the suffix does not say it",
)
@click.option(
    "--scaling_factor",
    type=click.FloatRange(0, min_open=True),
    help="divides recurrent and output weights of spiking units; noted in a .mat file  [default: the one noted there]",
)
@click.option(
    "--factor_of",
    type=click.Path(path_type=Path),
    help="instead: file of stage spiking that holds the network's factor, by its seed (.h5)",
)
@click.option(
    "--rectify",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="what to do with negative magnitudes in a .mat file that is read",
)
@click.option(
    "--p_rec",
    type=click.FloatRange(0, 1),
    help="connection probability for the published names  [default: the network's, where it is known]",
)
def command(
    settings: dict[str, Any],
    network_path: Path,
    out: Path | None,
    spikernn_names: Path | None,
    file_format: str | None,
    scaling_factor: float | None,
    factor_of: Path | None,
    rectify: Rectify,
    p_rec: float | None,
) -> None:
    """Write a trained rate network for other programs.

    .mat holds the rate network in the variables of Kim et al. (2019); .nir (Neuromorphic Intermediate Representation)
    and .py (a Brian2 script) hold the spiking network that it is mapped to.
    """
    lif: LifSettings = settings["lif"]
    if (out is None) == (spikernn_names is None):
        raise SettingsError("give either --out FILE or --spikernn_names FOLDER.")
    known = "mat" if out is None else FORMATS.get(out.suffix)
    file_format = file_format or known
    if file_format is None:
        raise SettingsError(
            f"--out {out}: the suffix says no format; use one of {', '.join(FORMATS)}, or give --format."
        )
    if out is None and file_format != "mat":
        raise SettingsError("--spikernn_names is for .mat files; give --out FILE for other formats.")
    if file_format == "mat" and lif != LifSettings():
        raise SettingsError("a .mat file holds the rate network, so settings of spiking units do not go with it.")
    if scaling_factor is not None and factor_of is not None:
        raise SettingsError("give either --scaling_factor or --factor_of.")
    network, record, extra = _read(network_path, rectify)
    if factor_of is not None:
        record |= _search(factor_of, network.seed, None if file_format == "mat" else lif)
    if scaling_factor is not None:
        record["opt_scaling_factor"] = scaling_factor
    if file_format == "mat":
        _export_mat(out, spikernn_names, network, record, extra, p_rec)
        return
    assert out is not None
    factor = float(np.asarray(record.get("opt_scaling_factor", math.nan)).reshape(-1)[0])
    if not factor > 0:
        raise SettingsError(
            f"{network_path}: notes no scaling factor; give --scaling_factor, or --factor_of with the file of stage"
            " spiking that searched it."
        )
    if file_format == "nir":
        write_nir(out, network, factor, lif)
        print(f"wrote {out} ({network.n_units} units, scaling factor {factor:g}); it does not say that:", flush=True)
        for sentence in differences(lif):
            print(f"  {sentence}", flush=True)
    else:
        weights = write_brian2(out, network, factor, lif)
        print(f"wrote {out} and {weights} ({network.n_units} units, scaling factor {factor:g})", flush=True)


def _search(path: Path, seed: int, lif: LifSettings | None) -> dict[str, Any]:
    """What a search found for the network of a seed, in published names; says so if it was for other spiking units."""
    from rnnpipe.io.spiking import read_spiking  # imports pandas

    spiking = read_spiking(path)
    if seed < 0 and len(spiking.networks) > 1:
        raise ArtefactError(f"{path}: holds several networks, and the one to export does not note its seed.")
    row = spiking.row(seed) if seed >= 0 else 0
    factor = float(spiking.networks["factor"].iloc[row])
    if not factor > 0:
        raise ArtefactError(f"{path}: the network of seed {seed} was not mapped, so it has no factor.")
    if lif is not None and spiking.setting("lif", default={}) != lif.model_dump(mode="json"):
        print(f"{path}: the factor was found with other settings of spiking units than those given", flush=True)
    found: dict[str, Any] = {"opt_scaling_factor": factor}
    if np.isfinite(spiking.accuracy[row]).all():
        found |= {"all_perfs": spiking.accuracy[row], "scaling_factors": spiking.factors}
    return found


def _export_mat(
    out: Path | None,
    folder: Path | None,
    network: RateNetwork,
    record: dict[str, Any],
    extra: dict[str, Any],
    p_rec: float | None,
) -> None:
    if out is not None:
        notes = write_mat(out, network, record, extra)
    else:
        assert folder is not None
        p_rec = extra.get("P_rec") if p_rec is None else p_rec
        if p_rec is None:
            raise SettingsError(
                "the connection probability, which is part of the published names, is not known: give --p_rec."
            )
        with new_mat_path(folder, network, p_rec, datetime.datetime.now()) as out:
            notes = write_mat(out, network, record, {**extra, "P_rec": p_rec})
    print(f"wrote {out} ({network.n_units} units)", flush=True)
    for note in notes:
        print(f"  {note}", flush=True)


def _read(path: Path, rectify: Rectify) -> tuple[RateNetwork, dict[str, Any], dict[str, Any]]:
    """A network, the record of its training in published names, and more that is known of it."""
    if path.suffix == ".mat":
        file: MatFile = read_mat(path, rectify)
        for warning in file.warnings:
            print(f"{path}: {warning}", flush=True)
        return file.network, dict(file.record), dict(file.extra)
    from rnnpipe.io.rate_network import read_rate_network  # imports torch

    stored = read_rate_network(path)
    score, rate = stored.score, stored.settings.get("network", {})
    record = {
        "eval_perf_mean": score.get("accuracy"),
        "eval_loss_mean": score.get("loss"),
        "tr": score["n_trials_trained"] - 1 if score.get("n_trials_trained") else None,
    }
    extra = {
        "P_inh": rate.get("p_inhibitory"),
        "P_rec": rate.get("connection_probability"),
        "gain": rate.get("gain"),
        "success": score.get("reached_criterion"),
    }
    return stored.network, {name: value for name, value in record.items() if value is not None}, extra

"""Speed of the search for the scaling factor of one network, as the paper makes it: 12 factors, 100 trials each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rnnpipe.bench.measure import Measurement
from rnnpipe.mapping.search import map_network
from rnnpipe.mapping.settings import SearchSettings
from rnnpipe.networks.engines import hold_libraries
from rnnpipe.networks.lif_settings import LifSettings
from rnnpipe.networks.rate_settings import RateSettings
from rnnpipe.tasks._analog import AnalogTask
from rnnpipe.tasks.go_nogo import GoNogo
from rnnpipe.training.bptt import Member
from rnnpipe.training.bptt_settings import BpttSettings


def measure_mapping(threads: Sequence[int]) -> Iterator[Measurement]:
    """Wall seconds of a search, noise and held-out trials included, of a Go-NoGo network of 200 units.

    The network is trained first, for some seconds, so that it fires as those that are mapped do.
    """
    hold_libraries()
    task: AnalogTask = GoNogo()
    settings = RateSettings()
    member = Member(task, settings, BpttSettings(), 0)
    while not member.finished:
        member.advance()
    network, search = member.network(), SearchSettings()
    sigma = settings.sigma_rec, settings.sigma_init
    map_network(task, network, sigma, LifSettings(), SearchSettings(n_trials=1, n_heldout=1), 0)  # compiles
    simulated = (len(search.factors) * search.n_trials + search.n_heldout) * task.tmax / 1000
    for n in threads:
        start = time.perf_counter()
        map_network(task, network, sigma, LifSettings(), search, 0, n)
        spent = time.perf_counter() - start
        yield Measurement("search of the scaling factor", spent, "s", n, 1)
        yield Measurement("search of the scaling factor, simulated time", simulated / spent, "s/s", n, 1)

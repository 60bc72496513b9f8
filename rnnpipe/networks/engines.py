"""Choice of the device and of the engine that serves it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import scipy.linalg.cython_blas  # noqa: F401  the compiled kernels call this BLAS: load it before it is limited
import torch
from threadpoolctl import threadpool_limits

from rnnpipe.errors import DeviceError
from rnnpipe.networks.engine import CpuEngine
from rnnpipe.networks.engine_torch import TorchEngine
from rnnpipe.tasks._environment import EnvironmentTask

Engine = CpuEngine | TorchEngine


def choose_device(name: str, task: object = None) -> torch.device:
    """auto: CUDA where there is one; cpu; cuda. Networks that act in environments run on the CPU, as these do.

    Raises:
        DeviceError: CUDA was asked for and there is none.
    """
    if isinstance(task, EnvironmentTask):
        if name == "cuda":
            print(f"task {task.name} is an environment, which runs on the CPU: so do its networks", flush=True)
        return torch.device("cpu")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceError("device cuda was asked for, but torch finds no CUDA device; use --device cpu or auto.")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")


def make_engine(
    device: torch.device, alpha: float, noise_sd: float, value_noise_sd: float, task: object = None
) -> Engine:
    """The engine for a device: compiled kernels on the CPU, torch operations elsewhere; on environments that of theirs.

    On the CPU numerical libraries are held to one thread each: at these sizes their own threads cost more than they
    bring, and results must not depend on their number. Threads (`thread_pool`) take whole parts of the work instead.
    """
    if device.type != "cpu":
        assert not isinstance(task, EnvironmentTask), "environments run on the CPU"
        return TorchEngine(alpha, noise_sd, value_noise_sd, device=device)
    hold_libraries()
    if isinstance(task, EnvironmentTask):
        from rnnpipe.networks.engine_environment import EnvironmentEngine

        return EnvironmentEngine(task, alpha, noise_sd, value_noise_sd)
    return CpuEngine(alpha, noise_sd, value_noise_sd)


def hold_libraries() -> None:
    """Hold numerical libraries to one thread each, and flush denormals in this one."""
    threadpool_limits(1)
    torch.set_num_threads(1)
    _flush_denormals()


def thread_pool(threads: int) -> ThreadPoolExecutor:
    """Threads that compute as the main thread does."""
    return ThreadPoolExecutor(threads, initializer=_flush_denormals)


def _flush_denormals() -> None:
    """Round numbers below 1e-38 to zero in this thread.

    Closed gates and gradients sent far back in time underflow; arithmetic on such numbers is a hundred times slower,
    which doubled the time of an update. The setting is the processor's, one for each thread.
    """
    torch.set_flush_denormal(True)

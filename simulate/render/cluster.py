"""Where shards are rendered: in processes of this job, or in SLURM jobs of their own."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simulate.config import LocalClusterConfig, SlurmClusterConfig

if TYPE_CHECKING:
    from distributed import Security
    from distributed.deploy import Cluster

logger = logging.getLogger(__name__)


def start_cluster(
    config: LocalClusterConfig | SlurmClusterConfig, processes: int, n_tasks: int, log_folder: Path
) -> "Cluster":
    """A Dask cluster of single-threaded workers, started; its caller closes it.

    Its traffic is encrypted and takes no strangers: tasks are pickled functions, and whoever reaches an open scheduler,
    as all users of a node do, would run code of theirs in our name.

    Parameters
    ----------
    processes :  of a local cluster.
    n_tasks :    no more workers than that.
    log_folder : of what each SLURM job prints.
    """
    from distributed import LocalCluster, Security

    security = Security.temporary()
    if config.kind == "slurm":
        return _slurm_cluster(config, n_tasks, log_folder, security)
    # Dask says one, but hands on what it finds said.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with _interrupts_are_ours():
        return LocalCluster(
            n_workers=min(processes, n_tasks),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            protocol="tls",
            security=security,
        )


@contextmanager
def _interrupts_are_ours() -> Iterator[None]:
    """Processes started now pass over Ctrl-C, which goes to all at once: who started them ends them, without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _slurm_cluster(config: SlurmClusterConfig, n_tasks: int, log_folder: Path, security: "Security") -> "Cluster":
    """One SLURM job a worker, as many as there is work for; ImportError says what to install."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise ImportError(
            f"simulation.cluster.kind is slurm, which needs {error.name or error}; "
            'pip install --constraint constraints.txt --editable ".[cluster]"'
        ) from error
    log_folder.mkdir(parents=True, exist_ok=True)
    cluster = SLURMCluster(
        queue=config.partition,
        account=config.account,
        cores=1,
        processes=1,
        memory=f"{config.memory_gb} GB",
        walltime=str(config.walltime_minutes),
        interface=config.interface,
        security=security,
        protocol="tls",
        shared_temp_directory=str(log_folder),
        log_directory=str(log_folder),
        # A worker leaves, and is replaced, before SLURM would end it in the middle of a shard.
        worker_extra_args=["--lifetime", f"{0.9 * config.walltime_minutes:g}m", "--lifetime-stagger", "1m"],
        scheduler_options={"dashboard_address": ":0"},
    )
    cluster.adapt(minimum=min(config.workers_min, n_tasks), maximum=min(config.workers_max, n_tasks))
    logger.info("Dask on SLURM: %s; dashboard at %s", cluster.scheduler_address, cluster.dashboard_link)
    return cluster

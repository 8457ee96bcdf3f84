"""A SLURM cluster of one node, from the distribution's packages, with all it writes in one folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
LINK = Path("/etc/slurm/slurm.conf")
"""Where SLURM looks: what a job starts inside of itself does not know of another place."""

CPUS, MEMORY_MB = 4, 16000
"""That the node says it has, whatever the machine is."""


def why_not() -> str | None:
    """Why no cluster can be started here; None where one can, its packages installed."""
    if os.geteuid() != 0:
        return "a SLURM of one node is started by root alone"
    if LINK.exists() or LINK.is_symlink():
        return f"{LINK} is there: this machine has a SLURM, or a test was killed; stop it and remove the file"
    if not all(map(shutil.which, ("slurmctld", "slurmd", "sbatch", "munged"))):
        if not shutil.which("apt-get"):
            return f"SLURM is not installed, and without apt-get it cannot be; install {', '.join(PACKAGES)}"
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
        # The packages start daemons of their own where there is a systemd; these are not wanted.
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        done = subprocess.run(install, check=False, capture_output=True, text=True, env={**os.environ, "RUNLEVEL": "1"})
        if done.returncode:
            return f"apt-get could not install {', '.join(PACKAGES)}: {done.stderr.strip().splitlines()[-1:]}"
    return None


@contextlib.contextmanager
def one_node_slurm(folder: Path) -> Iterator[None]:
    """Run a cluster with partitions `cpu` and `gpu` and one make-believe GPU; state, logs and key lie in `folder`.

    Afterwards no process of it and no file outside of the folder is left; RuntimeError where one is.
    """
    before = sorted(LINK.parent.iterdir())
    _write(folder)
    LINK.symlink_to(folder / "slurm.conf")
    daemons: list[subprocess.Popen] = []
    try:
        for name, command in _commands(folder).items():
            log = (folder / f"{name}.out").open("w")
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
            if name == "munged":
                _wait(folder, lambda: (folder / "munge.socket").exists())
        _wait(folder, lambda: "idle" in _said(["sinfo", "--noheader", "--format=%T"]))
        yield
    finally:
        subprocess.run(["scancel", "--user", "root"], check=False, capture_output=True)
        with contextlib.suppress(TimeoutError):
            _wait(folder, lambda: not _said(["squeue", "--noheader"]))
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
        LINK.unlink()
        if left := [process.info for process in _processes(folder)] + sorted(set(LINK.parent.iterdir()) ^ set(before)):
            raise RuntimeError(f"the SLURM of the tests left something behind: {left}")


def _write(folder: Path) -> None:
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    (folder / "gpu0").touch()
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu0\n")
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(
        f"""
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_free_port()}
SlurmdPort={_free_port()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
# Finished jobs are remembered, as there is no accounting that could be asked about them.
MinJobAge=3600
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
# Without it a job uses what it likes.
JobAcctGatherParams=OverMemoryKill
KillWait=2
OverTimeLimit=0
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""
    )
    for name in ("state", "spool"):
        (folder / name).mkdir()


def _commands(folder: Path) -> dict[str, list[str]]:
    conf = str(folder / "slurm.conf")
    munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
    munge["seed-file"] = "munge.seed"
    return {
        # Folders that others may write to, such as /tmp, it calls unsafe.
        "munged": ["munged", "--foreground", "--force", *(f"--{key}={folder / file}" for key, file in munge.items())],
        "slurmctld": ["slurmctld", "-D", "-c", "-f", conf],
        "slurmd": ["slurmd", "-D", "-c", "-f", conf],
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def _wait(folder: Path, done, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {log.name}\n{log.read_text()[-2000:]}" for log in sorted(folder.glob("*.log")))
            raise TimeoutError(f"the SLURM of the tests does not answer\n{logs}")
        time.sleep(0.1)


def _processes(folder: Path) -> list[psutil.Process]:
    """Daemons of this folder, and whatever else names it, but for those that we are part of."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = psutil.process_iter(["pid", "name", "cmdline"])
    return [p for p in found if p.pid not in ours and any(str(folder) in word for word in p.info["cmdline"] or [])]


if __name__ == "__main__":  # a cluster to try things on: until a line is read
    where = Path(sys.argv[1])
    where.mkdir()
    with one_node_slurm(where):
        input("running; Enter stops it")
    shutil.rmtree(where)

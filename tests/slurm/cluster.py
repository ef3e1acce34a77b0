"""A real Slurm with several nodes on this machine, beside any other that is installed here: its own munged, its own
ports, everything in one folder. Every daemon's pid is known, and stop() ends all of them and what they started."""

import os
import shutil
import signal
import socket
import subprocess
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun", "sinfo")

CONFIG = """\
ClusterName=seldon
SlurmctldHost={host}
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
TmpFS={folder}/tmp-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
# Waits that are right for a real cluster and long for a test.
KillWait=3
SlurmdTimeout=15
SlurmctldTimeout=10
ReturnToService=2
JobRequeue=1
SchedulerParameters=sched_interval=1,bf_interval=1
PartitionName=main Nodes={names} Default=YES State=UP OverSubscribe=FORCE:4
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=2000\n"


def missing_programs():
    """Names of what has to be installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def free_ports(count):
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def tail(path, lines=30):
    try:
        with open(path, errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError as error:
        return f"({error})\n"


def await_true(what, seconds, condition, pause=0.2):
    """Waits until condition() holds and returns what it gave; says what it waited for when it takes too long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for: {what}")
        time.sleep(pause)


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Cluster:
    """Starts on construction; `with Cluster(folder) as cluster` also stops it."""

    def __init__(self, folder, nodes=("n1", "n2")):
        self.folder = str(folder)
        self.nodes = list(nodes)
        self.daemons = {}  # name: Popen
        self.environment = dict(os.environ, SLURM_CONF=f"{self.folder}/slurm.conf")
        self.environment["PATH"] += ":/usr/sbin:/sbin"
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *command, check=True):
        """A command of Slurm, or any that talks to it; its output, stderr included."""
        done = subprocess.run(command, env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}")
        return done.stdout.strip()

    def start_node(self, name):
        self._spawn(name, "slurmd", "-D", "-N", name, "-f", f"{self.folder}/slurm.conf")

    def kill_node(self, name):
        """As if the node lost power: its daemon and all that it started die at once."""
        daemon = self.daemons.pop(name)
        kill([daemon.pid, *self._processes(name)])
        daemon.wait()

    def stop(self):
        """Ends the daemons, which are known by their pids, and what their jobs have started."""
        for _ in range(2):  # the second time for what was being started meanwhile
            kill([daemon.pid for daemon in self.daemons.values() if daemon.poll() is None])
            kill(self._processes())
        for daemon in self.daemons.values():
            daemon.wait()
        self.daemons.clear()

    def logs(self):
        """The ends of the daemons' logs, for a failed test."""
        names = ["slurmctld.log"] + [f"{name}.log" for name in self.nodes] + ["munged.out"]
        return "".join(f"--- {name}\n{tail(os.path.join(self.folder, name))}" for name in names)

    def _start(self):
        os.mkdir(self.folder)
        for name in ["munge", "state"] + [f"{kind}-{node}" for kind in ("spool", "tmp") for node in self.nodes]:
            os.makedirs(f"{self.folder}/{name}", mode=0o755)
        with open(f"{self.folder}/munge/key", "wb") as key:
            os.fchmod(key.fileno(), 0o600)
            key.write(os.urandom(128))
        ports = free_ports(1 + len(self.nodes))
        host = socket.gethostname().split(".")[0]
        with open(f"{self.folder}/slurm.conf", "w") as config:
            config.write(CONFIG.format(folder=self.folder, host=host, controller_port=ports[0],
                                       names=",".join(self.nodes)))
            for name, port in zip(self.nodes, ports[1:]):
                config.write(NODE.format(name=name, host=host, port=port))
        # Nothing here uses control groups. This plugin does not insist that they are mounted, as others do.
        with open(f"{self.folder}/cgroup.conf", "w") as config:
            config.write("CgroupPlugin=cgroup/v1\n")
        munge = f"{self.folder}/munge"
        self._spawn("munged", "munged", "--foreground", "--force", f"--socket={munge}/socket",
                    f"--key-file={munge}/key", f"--pid-file={munge}/pid", f"--log-file={munge}/log",
                    f"--seed-file={munge}/seed", "--num-threads=2")
        await_true("munged's socket", 20, lambda: os.path.exists(f"{munge}/socket"))
        self._spawn("slurmctld", "slurmctld", "-D", "-f", f"{self.folder}/slurm.conf")
        for name in self.nodes:
            self.start_node(name)
        self.await_idle()

    def await_idle(self, seconds=60):
        """Until every node can take a job."""
        def all_idle():
            self._check_alive()
            states = self.run("sinfo", "--noheader", "--Node", "--format=%t", check=False).split()
            return states == ["idle"] * len(self.nodes)
        await_true("idle nodes", seconds, all_idle)

    def _spawn(self, name, program, *arguments):
        path = shutil.which(program, path=self.environment["PATH"])
        with open(f"{self.folder}/{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=out,
                                                  stderr=out, env=self.environment, start_new_session=True)

    def _check_alive(self):
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                raise RuntimeError(f"{name} ended with {daemon.returncode}\n{tail(f'{self.folder}/{name}.out')}"
                                   + self.logs())

    def _processes(self, node=None):
        """Pids of what this cluster's jobs have started (on one node), by their environment; a step daemon has lost
        its own, but not its children theirs."""
        marks = [f"SLURM_CONF={self.folder}/slurm.conf"] + ([f"SLURMD_NODENAME={node}"] if node else [])
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    variables = environ.read().decode(errors="replace").split("\0")
                if all(mark in variables for mark in marks):
                    found.add(int(pid))
                    parent = parent_of(pid)
                    with open(f"/proc/{parent}/comm") as comm:
                        if comm.read().strip() == "slurmstepd":
                            found.add(parent)
            except OSError:
                continue  # it has just ended
        return found - {os.getpid()}

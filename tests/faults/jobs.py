"""Starts programs under mpirun, finds their ranks, kills them."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time


class Failure(Exception):
    """What a scenario promises does not hold."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def wait_until(condition, seconds, what):
    """Polls until the condition gives something true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.003)


def process_start(pid):
    """When a process that runs or is stopped was started; None if there is none. Tells apart two uses of one pid."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def children_of(pid):
    children = []
    for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in file.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return children


def rank_of(pid):
    try:
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    found = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)\0", environment)
    return int(found[1]) if found else None


class Build:
    """A build folder and the mpirun of the MPI that it was built with."""

    def __init__(self, folder, fault_tolerant):
        self.folder = pathlib.Path(folder)
        self.fault_tolerant = fault_tolerant
        cache = (self.folder / "CMakeCache.txt").read_text()
        compiler = pathlib.Path(re.search(r"^MPI_C_COMPILER:\w+=(.*)$", cache, re.M)[1])
        mpirun = compiler.parent / "mpirun"
        version = subprocess.run([mpirun, "--version"], capture_output=True, text=True, check=True).stdout
        major = int(re.search(r"(\d+)\.\d+", version)[1])
        self.launch = [str(mpirun)]
        self.launch += ["--map-by", ":OVERSUBSCRIBE"] if major >= 5 else ["--oversubscribe"]
        if fault_tolerant:
            expect(major >= 5, f"{mpirun} is Open MPI {major}, which does not survive the death of a rank")
            self.launch += ["--with-ft", "ulfm"]

    def program(self, name):
        return str(self.folder / "bin" / name)

    def command(self, ranks, arguments):
        """For 0 ranks: without a launcher."""
        return (self.launch + ["-n", str(ranks)] if ranks else []) + [str(word) for word in arguments]


ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
for name in ("OMPI", "PRTE"):
    for suffix in ("", "_CONFIRM"):
        ENVIRONMENT[f"{name}_ALLOW_RUN_AS_ROOT{suffix}"] = "1"


class Job:
    """A started command; its output goes to a file. To be used in a `with`, which leaves no process behind."""

    def __init__(self, command, output):
        self.output = pathlib.Path(output)
        self.store = next(str(argument) for argument in command if str(argument).endswith(".h5"))
        self.seen = {}  # rank -> (pid, start)
        with open(output, "wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=ENVIRONMENT,
                                            start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill_all()
        for pid, start in self.seen.values():
            if process_start(pid) == start:
                os.kill(pid, signal.SIGKILL)

    def text(self):
        return self.output.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_for(self, pattern, seconds=60):
        """Until the output has a line of that kind."""
        def look():
            found = re.search(pattern, self.text())
            expect(found or self.running(),
                   f"ended with status {self.process.returncode} before it said '{pattern}':\n{self.text()}")
            return found
        return wait_until(look, seconds, f"'{pattern}' in the output")

    def ranks(self):
        """rank -> pid, of those that live."""
        found, pids = {}, [self.process.pid]
        while pids:
            pid = pids.pop()
            children = children_of(pid)
            pids += children
            for child in children:
                rank, start = rank_of(child), process_start(child)
                if rank is not None and start is not None:
                    found[rank] = child
                    self.seen[rank] = (child, start)
        return found

    def kill(self, rank, number=signal.SIGKILL):
        """Signals a rank; False if it was dead already."""
        pid, start = self.seen[rank]
        if process_start(pid) != start:
            return False
        os.kill(pid, number)
        return True

    def alive(self):
        """Ranks that were seen and have not ended."""
        return [rank for rank, (pid, start) in self.seen.items() if process_start(pid) == start]

    def signal(self, number):
        """To the launcher."""
        self.process.send_signal(number)

    def kill_all(self):
        """SIGKILL to the launcher and every rank, as if the machine were gone. False if the job had ended before."""
        if not self.running():
            return False
        self.signal(signal.SIGSTOP)  # so that it neither starts nor cleans up anything meanwhile
        for pid in self.ranks().values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.signal(signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not self.alive(), 10, "the ranks' death")
        return True

    def wait(self, seconds=90):
        """The exit status: 128 + signal for a death. Open MPI 5's launcher hangs in some runs in which workers died
        (docs/cluster.md); where it had to be ended, the program's own word counts."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"still running after {seconds} s:\n{self.text()}") from None
        wait_until(lambda: not self.alive(), 10, f"ranks {self.alive()} outlive their launcher; their end")
        if status in (1, -signal.SIGTERM, -signal.SIGKILL):
            status = self.own_status(status)
        return status if status >= 0 else 128 - status

    def own_status(self, otherwise):
        try:
            status = json.loads(pathlib.Path(f"{self.store}.live.json").read_text()).get("exit_code")
        except FileNotFoundError:
            status = None
        return otherwise if status is None else status


def run(command):
    """Runs a command to its end: (status, output)."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, text=True,
                            timeout=120, check=False)
    return result.returncode, result.stdout

#!/usr/bin/env python3
"""Times the same work in Seldon and in the Python Seldonian Toolkit, side by side, one core each.

    bench/compare_toolkit.py [--rounds 3] [--only loan gpa cnn cells] [--shared FOLDER]

Build first (`cmake --preset release && cmake --build --preset release`). The toolkit is installed from PyPI into a
virtual environment, build/toolkit-venv, which is kept (4 GB with PyTorch; leave out `cnn` to do without). Rounds
alternate between the two programs, so that a busy machine slows both; a ratio is the median over rounds. Prints a
table in Markdown and writes build/compare_toolkit.json. bench/README.md says what each row measures.
"""

import argparse
import csv
import gzip
import io
import json
import math
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# The toolkit's own requirements pin matplotlib 3.5.1, which Python 3.11 cannot install, so its dependencies are named
# here. It needs NumPy 1 and a matplotlib that still has `matplotlib.cm.get_cmap` (gone in 3.9).
TOOLKIT = ["seldonian-engine==0.8.11", "seldonian-experiments==0.2.5"]
TOOLKIT_NEEDS = ["numpy<2", "matplotlib<3.9", "autograd", "cma", "graphviz", "pandas", "scikit-learn", "scipy", "tqdm"]
TORCH = ["torch"]


@dataclass
class Row:
    """A line of the table: `ours` against `theirs`, both seconds, or a rate of ours alone."""

    title: str
    target: str
    reached: callable
    unit: str
    theirs: str = "toolkit"


ROWS = {
    "loan": Row("loan trial: 400 candidate rows, 57 features, 1500 iterations", "at least 300", lambda r: r >= 300, "s"),
    "gpa": Row("GPA: 17,321 candidate rows, 9 features, 1000 iterations", "at least 70", lambda r: r >= 70, "s"),
    "cnn": Row("face CNN, one iteration, batch 237", "at least 6", lambda r: r >= 6, "s"),
    "cnn_plain": Row(
        "the same, cost relative to a plain LibTorch step", "at most 1.15", lambda r: r <= 1.15, "s", "plain LibTorch"
    ),
    "cells": Row("records of empty cells, two workers, pack size 1", "at least 20,000/s", lambda r: r >= 20000, "/s", ""),
}


def say(message):
    print(message, file=sys.stderr, flush=True)


# ---- the toolkit's virtual environment ----------------------------------------------------------------------------


def toolkit_python(folder, with_torch):
    """The interpreter of a virtual environment that holds the toolkit; made, or completed, where needed."""
    python = folder / "bin" / "python"
    if not python.exists():
        say(f"making {folder}")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    steps = [("toolkit", ["--no-deps", *TOOLKIT]), ("needs", TOOLKIT_NEEDS)]
    if with_torch:
        steps.append(("torch", TORCH))
    for name, packages in steps:
        done = folder / f"installed-{name}.txt"
        wanted = "\n".join(packages)
        if done.exists() and done.read_text() == wanted:
            continue
        say(f"installing {' '.join(packages)}")
        # The resolver complains that matplotlib is not the pinned one; see above.
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text(wanted)
    return python


def versions(python):
    frozen = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    wanted = {"numpy", "scipy", "autograd", "torch", "seldonian-engine", "seldonian-experiments"}
    packages = {entry["name"].replace("_", "-"): entry["version"] for entry in json.loads(frozen.stdout)}
    return {name: version for name, version in packages.items() if name in wanted}


# ---- data ---------------------------------------------------------------------------------------------------------


def generated_rows(rows, features, first_group_column, seed):
    """A table of the wanted shape: features, two one-hot group columns, a label that depends on both."""
    source = random.Random(seed)
    weights = [source.gauss(0, 0.3) for _ in range(features)]
    for _ in range(rows):
        values = [source.gauss(0, 1) for _ in range(features)]
        group = source.randrange(2)
        score = sum(w * x for w, x in zip(weights, values)) + 0.2 * group
        label = int(source.random() < 1 / (1 + math.exp(-score)))
        texts = [f"{x:.6f}" for x in values]
        yield [*texts[:first_group_column], group, 1 - group, *texts[first_group_column:], label]


def data_files(shared, scratch):
    """The loan and GPA tables and what they are: the real ones if the folder has them, else generated ones."""
    loan = shared / "data/german/german_loan_numeric_forseldonian.csv"
    gpa = shared / "data/gpa/gpa_classification_dataset.csv.gz"
    if loan.exists() and gpa.exists():
        return loan, gpa, "German credit and GPA tables"
    say(f"no tables under {shared}: generating tables of the same shape")
    loan, gpa = scratch / "loan.csv", scratch / "gpa.csv.gz"
    with open(loan, "w", newline="") as file:
        csv.writer(file).writerows(generated_rows(1000, 57, 29, seed=1))
    with gzip.open(gpa, "wb") as packed, io.TextIOWrapper(packed, newline="") as file:
        csv.writer(file).writerows(generated_rows(43303, 9, 0, seed=2))
    return loan, gpa, "generated tables of the same shape"


# ---- running ------------------------------------------------------------------------------------------------------


def run(command, environment=None, one_core=True):
    """The program's output and messages; alone on one core, on one thread, unless said otherwise."""
    core = max(os.sched_getaffinity(0))
    child = dict(os.environ if environment is None else environment)
    child.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
    done = subprocess.run(
        [str(part) for part in command],
        env=child,
        capture_output=True,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if one_core else None,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout, done.stderr


def run_json(command, environment=None):
    """The lines of JSON that a program prints, by their "bench"."""
    output, _ = run(command, environment)
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {line["bench"]: line for line in lines}


def toolkit_environment():
    """NumPy and PyTorch bring their own BLAS: an override of the system's must not bind theirs."""
    return {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")}


def mpi_environment():
    extra = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    if os.geteuid() == 0:
        extra.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return {**os.environ, **extra}


class Comparison:
    def __init__(self, options, scratch):
        self.binaries = options.build / "bin"
        self.scratch = scratch
        self.only = options.only
        self.loan, self.gpa, self.data = data_files(options.shared, scratch)
        self.python = None
        if set(self.only) & {"loan", "gpa", "cnn"}:
            self.python = toolkit_python(options.venv, "cnn" in self.only)

    def toolkit(self, *arguments):
        command = [self.python, "-B", PROJECT / "bench/toolkit_side.py", *arguments]
        return run_json(command, toolkit_environment())

    def program(self, name):
        path = self.binaries / name
        if not path.exists():
            sys.exit(f"{path} is not there: build first (cmake --preset release && cmake --build --preset release)")
        return path

    def ours(self, program, *arguments):
        return run_json([self.program(program), *arguments])

    def network_steps(self):
        """Seconds of the engine's iteration and of the plain LibTorch step beside it, from bench_cnn's table."""
        output, _ = run([self.program("bench_cnn")])
        engine, plain = (re.search(rf"^ +{name} +([0-9.]+)", output, re.MULTILINE) for name in ("engine", "LibTorch"))
        if not engine or not plain:
            sys.exit(f"bench_cnn printed no table of engine and LibTorch:\n{output[-2000:]}")
        return float(engine.group(1)) / 1000, float(plain.group(1)) / 1000

    def cells_per_second(self):
        """30,000 cells of the tests' engine that does nothing, pack size 1; the rate is what the run itself reports."""
        store = self.scratch / "cells.h5"
        command = ["mpirun", "--oversubscribe", "-n", 3, self.program("fake_run"), store, "--trials", 5000, "--width", 1]
        messages = "".join(run(command, mpi_environment(), one_core=False))
        store.unlink()
        rate = re.search(r"complete in .*?([0-9.e+]+)/s", messages)
        if not rate:
            sys.exit(f"no rate in what fake_run said:\n{messages[-2000:]}")
        return float(rate.group(1))

    def one_round(self):
        """{row: (ours, theirs)}; theirs is None for a rate."""
        measured = {}
        if "loan" in self.only:
            ours, theirs = self.ours("bench_engine", "loan", self.loan), self.toolkit("loan", self.loan)
            measured["loan"] = ours["loan_trial"]["seconds"], theirs["loan_trial"]["seconds"]
        if "gpa" in self.only:
            ours, theirs = self.ours("bench_engine", "gpa", self.gpa), self.toolkit("gpa", self.gpa)
            measured["gpa"] = ours["gpa"]["seconds"], theirs["gpa"]["seconds"]
        if "cnn" in self.only:
            step, plain = self.network_steps()
            theirs = self.toolkit("cnn")
            measured["cnn"] = step, theirs["cnn_step"]["seconds_per_iteration"]
            measured["cnn_plain"] = step, plain
        if "cells" in self.only:
            measured["cells"] = self.cells_per_second(), None
        return measured


def ratio(row, ours, theirs):
    """What the target speaks of: toolkit by ours, ours by plain LibTorch, or the rate itself."""
    if theirs is None:
        return ours
    return ours / theirs if row == "cnn_plain" else theirs / ours


def quantity(value, unit):
    if value is None:
        return ""
    if unit == "/s":
        return f"{value:,.0f}/s"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"


def table(rounds):
    lines = ["| work | toolkit or plain LibTorch | Seldon | ratio (range) | target | |", "| --- | --- | --- | --- | --- | --- |"]
    for name, row in ROWS.items():
        values = [one[name] for one in rounds if name in one]
        if not values:
            continue
        ratios = [ratio(name, *pair) for pair in values]
        middle = statistics.median(ratios)
        ours = statistics.median(pair[0] for pair in values)
        theirs = None if values[0][1] is None else statistics.median(pair[1] for pair in values)
        digits = ".2f" if name == "cnn_plain" else ",.0f" if middle >= 20 else ".1f"
        shown = f"{middle:{digits}} ({min(ratios):{digits}} to {max(ratios):{digits}})"
        verdict = "reached" if row.reached(middle) else "**missed**"
        lines.append(
            f"| {row.title} | {quantity(theirs, row.unit)} | {quantity(ours, row.unit)} | {shown} | {row.target} | {verdict} |"
        )
    return "\n".join(lines)


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed (default 3)")
    parser.add_argument("--only", nargs="+", choices=["loan", "gpa", "cnn", "cells"], default=["loan", "gpa", "cnn", "cells"])
    parser.add_argument("--build", type=Path, default=PROJECT / "build", help="where Seldon was built")
    parser.add_argument("--venv", type=Path, default=PROJECT / "build/toolkit-venv", help="the toolkit's environment")
    parser.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("SELDON_SHARED", PROJECT.parent / "shared")),
        help="folder that may hold data/german and data/gpa",
    )
    parser.add_argument("--out", type=Path, default=PROJECT / "build/compare_toolkit.json", help="all numbers, as JSON")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")

    busy = os.getloadavg()[0]
    if busy > 0.5:
        say(f"warning: this machine is busy (load {busy:.1f}); times will be long and ratios uncertain")
    with tempfile.TemporaryDirectory() as scratch:
        comparison = Comparison(options, Path(scratch))
        rounds = []
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            rounds.append(comparison.one_round())
    machine = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": busy,
        "python": platform.python_version(),
        "packages": versions(comparison.python) if comparison.python else {},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine, "data": comparison.data, "rounds": rounds}, indent=2) + "\n")
    print(table(rounds))
    print(f"\n{machine['processor']}, one core each; {comparison.data}; medians of {options.rounds} alternating rounds; "
          + ", ".join(f"{name} {version}" for name, version in sorted(machine["packages"].items())))
    say(f"all numbers: {options.out}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Networks on this machine's GPU: builds bench_gpu against the LibTorch here, checks that results are right, and
measures. Prints a table in Markdown for docs/performance.md and writes it with all numbers to build-gpu/.

    bench/gpu.py                        # everything, on the first GPU (about half an hour)
    bench/gpu.py --quick                # small sizes (a few minutes)
    bench/gpu.py --device cpu --quick   # where there is no GPU: the checks, on the CPU

LibTorch is that of `python3 -c 'import torch'` (the Python that runs this script), or of --torch FOLDER. CMake, ninja and a
C++ compiler are needed, and five libraries of headers (Random123, Boost.Math, PEGTL, spdlog, fmt). A machine that lacks
them and has no network gets them in a folder from one that has them (Debian's packages of scripts/install-deps):

    bench/gpu.py --carry FOLDER         # there: collects the headers, with their licences
    bench/gpu.py --carried FOLDER       # here
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Public figures of data sheets (NVIDIA): float32 outside tensor cores, TF32 dense, memory. The first name that the device's
# contains counts.
DATA_SHEETS = {
    "H200": {"float32": 67e12, "tf32": 494.7e12, "bandwidth": 4.8e12},
    "H100 PCIe": {"float32": 51.2e12, "tf32": 378e12, "bandwidth": 2.04e12},
    "H100": {"float32": 66.9e12, "tf32": 494.7e12, "bandwidth": 3.35e12},
    "A100": {"float32": 19.5e12, "tf32": 156e12, "bandwidth": 1.94e12},
}
TRAININGS, ITERATIONS, BATCH, ROWS = 1200, 1200, 237, 23700  # Figure 3 of the published facial experiment
CARRY_LIMIT = 64 * 2**20
# Packages of the compiler and the C library, which are on every machine that compiles.
COMPILERS = ("libc6-dev", "libstdc++", "libgcc", "linux-libc-dev", "gcc", "g++", "libtorch-dev", "libcrypt-dev")


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"gpu.py: {text}")


def output_of(command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def command_or_stop(command, what):
    say("$ " + shlex.join(str(word) for word in command))
    if subprocess.run([str(word) for word in command], stdout=sys.stderr).returncode:
        stop(f"{what} failed; see above")


# ---- building


def torch_folder(options):
    if options.torch:
        return options.torch.resolve()
    try:
        place = output_of([sys.executable, "-c", "import os, torch; print(os.path.dirname(torch.__file__))"],
                          stderr=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        say(f"{sys.executable} has no torch: building against the system's LibTorch; PyTorch's side is left out")
        return None
    return Path(place.strip())


def configure(options, folder):
    command = ["cmake", "-G", "Ninja", "-S", PROJECT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DSELDON_BENCH_ONLY=ON",
               f"-DSELDON_CARRIED={options.carried.resolve() if options.carried else ''}",
               f"-DSELDON_TORCH_ROOT={torch_folder(options) or ''}"]
    command_or_stop(command + options.cmake, "configuring")


def build(options):
    if options.program:
        return options.program.resolve()
    configure(options, options.build)
    command_or_stop(["cmake", "--build", options.build, "--target", "bench_gpu", *options.jobs], "building")
    return options.build / "bin" / "bench_gpu"


# ---- carrying headers to a machine without packages


def included_files(folder):
    """Every file that the compiler reads for bench_gpu, by its own account (-M)."""
    files = set()
    for entry in json.loads((folder / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        if "ccache" in Path(words[0]).name:
            words = words[1:]
        place = words.index("-o")
        words = words[:place] + words[place + 2:]
        rule = output_of([*words, "-M"], cwd=entry["directory"])
        files.update(Path(entry["directory"], name).resolve() for name in rule.replace("\\\n", " ").split(":", 1)[1].split())
    return files


def owners(files):
    """Debian's package of each file."""
    result = {}
    names = sorted(str(name) for name in files)
    found = subprocess.run(["dpkg", "-S", *names], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for line in found.splitlines():
        packages, _, name = line.partition(": ")
        result[Path(name)] = packages.split(",")[0].split(":")[0]
    return result


def carry(options):
    """Fills a folder with the headers beyond LibTorch, CUDA and the compiler, and with their licences."""
    if not shutil.which("dpkg"):
        stop("--carry needs a machine with Debian's packages: dpkg tells which package a header is of")
    folder = options.build.with_name(options.build.name + "-carry")
    configure(options, folder)
    inside = [PROJECT, folder.resolve()] + ([torch_folder(options).parent] if torch_folder(options) else [])
    outside = {name for name in included_files(folder) if not any(name.is_relative_to(place) for place in inside)}
    packages = owners(outside)
    wanted = {name: package for name, package in packages.items() if not package.startswith(COMPILERS)}
    target = options.carry.resolve()
    for name, package in sorted(wanted.items()):
        place = target / "include" / name.relative_to("/usr/include")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, place)
        licence = target / "licences" / package
        licence.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path("/usr/share/doc") / package / "copyright", licence)
    size = sum(place.stat().st_size for place in target.rglob("*") if place.is_file())
    if size > CARRY_LIMIT:
        stop(f"{target} takes {size / 2**20:.0f} MiB, over {CARRY_LIMIT / 2**20:.0f}")
    lines = [f"{name.relative_to('/usr/include')}  {package}" for name, package in sorted(wanted.items())]
    (target / "FILES").write_text("\n".join(lines) + "\n")
    say(f"{len(wanted)} headers of {', '.join(sorted(set(wanted.values())))}: {size / 2**20:.1f} MiB in {target}")


# ---- measuring


class Bench:
    """bench_gpu and PyTorch's side; every call returns the parsed lines."""

    def __init__(self, options, program):
        self.options, self.program = options, program
        self.python = torch_folder(options) is not None

    def run(self, command, *words, may_fail=False, **settings):
        line = [self.program, command, "--device", self.options.device]
        for name, value in settings.items():
            line += [f"--{name}", value]
        line = [str(word) for word in [*line, *words]]
        say("$ " + shlex.join(line))
        done = subprocess.run(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = [json.loads(text) for text in done.stdout.splitlines() if text.startswith("{")]
        if done.returncode and not (may_fail and lines):
            say(done.stderr.strip()[-2000:])
            return [{"error": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}]
        return lines

    def torch(self, *words):
        if not self.python:
            return []
        script = Path(__file__).with_name("gpu_torch_side.py")
        return [json.loads(text) for text in output_of([sys.executable, script, *words]).splitlines()]


class Sizes:
    """How much is done: on a GPU all of it, in a quick run or on a CPU what shows that it works."""

    def __init__(self, options):
        small = options.quick or options.device == "cpu"
        on_cpu = options.device == "cpu"
        self.check = dict(rows=400, batch=50, trials=3, iterations=6) if on_cpu else dict(rows=2400, batch=237, trials=3, iterations=20)
        self.batch = 50 if on_cpu else BATCH
        self.rows = 400 if on_cpu else 2400 if small else ROWS
        # Few rows where iterations are timed, five batches of candidates, since what comes after them costs by rows.
        self.time_rows = 400 if on_cpu else 10 * BATCH
        self.trials = [1, 2, 3] if on_cpu else [1, 4, 16, 64] if small else [2**k for k in range(10)]
        self.iterations = 2 if on_cpu else 20 if small else 50
        self.toolkit = 3 if on_cpu else 20 if small else 50
        self.pack_iterations = 3 if on_cpu else 100 if small else ITERATIONS
        self.limit = 0 if small else options.figure_limit


VARIANTS = [(convolutions, precision) for convolutions in ("grouped", "unfolded") for precision in ("float32", "tf32")]


def checks(bench, sizes):
    return [dict(line, convolutions=convolutions, precision=precision)
            for convolutions, precision in [("grouped", "float32"), ("unfolded", "float32")]
            for line in bench.run("check", may_fail=True, convolutions=convolutions, precision=precision, **sizes.check)]


def scaling(bench, sizes):
    """Of each variant until the memory is full."""
    lines = []
    for convolutions, precision in VARIANTS:
        if bench.options.device == "cpu" and precision == "tf32":
            continue
        for trials in sizes.trials:
            line = bench.run("time", trials=trials, batch=sizes.batch, rows=sizes.time_rows, iterations=sizes.iterations,
                             convolutions=convolutions, precision=precision)[0]
            lines.append(dict(line, trials=trials, convolutions=convolutions, precision=precision))
            if "error" in line:
                break
    return lines


def fastest(lines, precision="float32"):
    """The measurement of most trials per second; among those within 2 % of it the smallest pack."""
    good = [line for line in lines if "error" not in line and line["precision"] == precision]
    if not good:
        return None
    most = max(line["trials"] / line["seconds_per_iteration"] for line in good)
    return min((line for line in good if line["trials"] / line["seconds_per_iteration"] > 0.98 * most), key=lambda l: l["trials"])


def figure(bench, sizes, best):
    """One pack of the published figure in full, and the whole figure where that fits in the limit."""
    def packs(count):
        return bench.run("pack", trials=best["trials"], batch=sizes.batch, rows=sizes.rows, packs=count,
                         iterations=sizes.pack_iterations, convolutions=best["convolutions"], precision=best["precision"])
    one = packs(1)
    if "error" in one[0]:
        return one
    count = -(-TRAININGS // best["trials"])
    if one[0]["seconds"] * count > sizes.limit:
        return one
    say(f"the whole figure: {count} packs, about {one[0]['seconds'] * count:.0f} s")
    return packs(count)


def profile(bench, sizes, best):
    settings = dict(trials=best["trials"], batch=sizes.batch, rows=sizes.time_rows, iterations=sizes.iterations,
                    convolutions=best["convolutions"], precision=best["precision"])
    return {"parts": bench.run("profile", **settings), "eager": bench.run("time", "--eager", **settings)[0],
            "graph": bench.run("time", **settings)[0]}


# ---- the report


def table(heads, rows):
    return "\n".join(["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
                     + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def duration(seconds):
    for limit, scale, unit in ((1e-3, 1e6, "us"), (1, 1e3, "ms"), (120, 1, "s"), (7200, 1 / 60, "min")):
        if seconds < limit:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds / 3600:.3g} h"


def peaks_of(numbers):
    """Measured, and of the data sheet."""
    measured = {line["peak"]: line.get("flops", line.get("bytes_per_second")) for line in numbers["peak"]}
    name = numbers["info"].get("device", "")
    return measured, next((sheet for key, sheet in DATA_SHEETS.items() if key in name), {})


def share(value, peak):
    return f"{100 * value / peak:.1f} %" if peak else ""


def report_checks(numbers):
    rows = [(line.get("check", line.get("error")), line["convolutions"], "yes" if line.get("passed") else "**NO**",
             f"{line.get('worst', float('nan')):.2g}", f"{line['tolerance']:.0e}" if line.get("tolerance") else "bit by bit",
             line.get("note", "")) for line in numbers["checks"]]
    return table(["check", "convolutions", "holds", "worst deviation", "tolerance", ""], rows)


def report_scaling(numbers):
    measured, _ = peaks_of(numbers)
    rows = []
    for line in numbers["scaling"]:
        kind = [line["convolutions"], line["precision"], line["trials"]]
        if "error" in line:
            rows.append([*kind, line["error"][:80], "", "", "", ""])
            continue
        seconds, trials = line["seconds_per_iteration"], line["trials"]
        rows.append([*kind, duration(seconds), f"{trials / seconds:,.0f}",
                     share(line["flop"] * trials / seconds, measured.get(line["precision"])),
                     share(line["bytes"] * trials / seconds, measured.get("bandwidth")), f"{line['device_bytes'] / 2**30:.1f} GiB"])
    return table(["convolutions", "precision", "T", "iteration", "trials x iterations/s", "of peak FLOP/s", "of bandwidth", "memory"], rows)


def report_figure(numbers, sizes):
    lines = numbers["figure"]
    if "error" in lines[0]:
        return f"The pack of the figure failed: {lines[0]['error']}\n"
    trials = sum(line["trials"] for line in lines)
    seconds = sum(line["seconds"] for line in lines)
    parts = {part: sum(line[part] for line in lines) for part in ("selection", "safety", "evaluation")}
    text = (f"{trials} trainings of {lines[0]['iterations']} iterations at batch {sizes.batch} ({sizes.rows} rows): {duration(seconds)} "
            f"measured; candidate selection {share(parts['selection'], seconds)}, safety test {share(parts['safety'], seconds)}, "
            f"evaluation {share(parts['evaluation'], seconds)} ({sum(line['solutions'] for line in lines)} solutions). ")
    if trials >= TRAININGS:
        return text + "**That is the whole figure.**\n"
    if lines[0]["iterations"] == ITERATIONS and sizes.rows == ROWS and sizes.batch == BATCH:
        return text + f"The whole figure ({TRAININGS} trainings) would take {duration(seconds * TRAININGS / trials)} at this rate.\n"
    return text + "Too small to say anything of the whole figure.\n"


def report_profile(numbers, best):
    parts = numbers["profile"]["parts"]
    operations = next((line["operations"] for line in parts if "operations" in line), "?")
    parts = [line for line in parts if "operations" not in line]
    rows = [(line.get("part", line.get("error")), duration(line["seconds"]) if "seconds" in line else "") for line in parts]
    rows.append(("sum, each waited for", duration(sum(line.get("seconds", 0) for line in parts))))
    for name, title in (("eager", "whole iteration, eager"), ("graph", "whole iteration, as a graph")):
        line = numbers["profile"][name]
        rows.append((title, duration(line["seconds_per_iteration"]) if "error" not in line else line["error"][:80]))
    return f"T = {best['trials']}, {best['convolutions']}, {best['precision']}; {operations} operations (kernels, about).\n\n" + table(["part", "time"], rows)


def report(numbers, sizes):
    info, best = numbers["info"], numbers["best"]
    measured, sheet = peaks_of(numbers)
    parts = [f"### {info.get('device', 'this device')}, torch {info.get('torch', '?')}, CUDA {info.get('cuda', '?')}, "
             + time.strftime("%d %B %Y") + "\n", report_checks(numbers), report_scaling(numbers)]
    if measured:
        names = {"float32": "float32", "tf32": "TF32", "bandwidth": "copies"}
        parts.append("Peaks measured with large products and copies (of the data sheet): " + ", ".join(
            f"{names[key]} {value / 1e12:.3g} T{'B' if key == 'bandwidth' else 'FLOP'}/s"
            + (f" ({share(value, sheet[key])})" if key in sheet else "") for key, value in measured.items()) + ".\n")
    if best:
        parts += [report_figure(numbers, sizes), report_profile(numbers, best)]
        for line in numbers["toolkit"]:
            ratio = line["seconds_per_iteration"] * best["trials"] / best["seconds_per_iteration"]
            parts.append(f"The toolkit's iteration on the same device: {duration(line['seconds_per_iteration'])}; an iteration of one "
                         f"trial here takes {duration(best['seconds_per_iteration'] / best['trials'])}: {ratio:.1f} times less.\n")
    return "\n".join(parts)


def measure(options):
    bench, sizes = Bench(options, build(options)), Sizes(options)
    numbers = {"info": (bench.torch("info", options.device) or [{}])[0], "device": options.device}
    numbers["checks"] = checks(bench, sizes)
    numbers["peak"] = bench.torch("peak", options.device)
    numbers["toolkit"] = bench.torch("toolkit", options.device, str(sizes.toolkit), str(sizes.batch))
    numbers["scaling"] = scaling(bench, sizes)
    best = numbers["best"] = fastest(numbers["scaling"])
    numbers["figure"] = figure(bench, sizes, best) if best else [{"error": "nothing could be timed"}]
    numbers["profile"] = profile(bench, sizes, best) if best else {}
    text = report(numbers, sizes)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gpu.json").write_text(json.dumps(numbers, indent=2) + "\n")
    (options.out / "gpu.md").write_text(text)
    print(text)
    say(f"table: {options.out / 'gpu.md'}, all numbers: {options.out / 'gpu.json'}")
    failed = [line for line in numbers["checks"] if not line.get("passed")]
    return 1 if failed or not best else 0


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, cuda:N or cpu")
    add("--quick", action="store_true", help="small sizes")
    add("--figure-limit", type=float, default=600, metavar="SECONDS", help="run the whole figure if it should take no longer (600)")
    add("--carry", type=Path, metavar="FOLDER", help="collect the headers that another machine lacks, and do nothing else")
    add("--carried", type=Path, metavar="FOLDER", help="use headers so collected")
    add("--torch", type=Path, metavar="FOLDER", help="the folder of the Python package torch")
    add("--build", type=Path, default=PROJECT / "build-gpu", metavar="FOLDER")
    add("--program", type=Path, metavar="FILE", help="a bench_gpu that is there already")
    add("--out", type=Path, metavar="FOLDER", help="for the table and the numbers (the build folder)")
    add("--cmake", action="append", default=[], metavar="ARGUMENT", help="passed to cmake, such as --cmake=-DSELDON_WERROR=ON")
    add("--jobs", type=lambda n: ["-j", n], default=[], metavar="N", help="compilers at once")
    options = parser.parse_args(arguments)
    options.out = options.out or options.build
    return options


def main():
    options = options_of(sys.argv[1:])
    if options.carry:
        carry(options)
        return 0
    return measure(options)


if __name__ == "__main__":
    sys.exit(main())

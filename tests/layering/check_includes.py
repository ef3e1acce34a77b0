#!/usr/bin/env python3
"""Checks every #include of the rooms against docs/architecture.md: which room may use which room and which library.

    check_includes.py PROJECT_FOLDER

Prints each breach as file:line: what, and exits 1 if there is one.
"""

import re
import sys
from collections import namedtuple
from pathlib import Path

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# A library by the headers it is known by. The first match counts.
LIBRARIES = [
    ("LibTorch", r"(torch|ATen|c10|caffe2)/.*"),
    ("MPI", r"mpi(-ext)?\.h"),
    ("NCCL", r"nccl\.h"),
    ("CUDA", r"(cuda|cuda_runtime(_api)?|cublas.*)\.h"),
    ("HDF5", r"(hdf5(_hl)?|H5.*)\.h"),
    ("toml++", r"toml(\+\+)?(/.*|\.h|\.hpp)"),
    ("zlib", r"zlib\.h"),
    ("spdlog", r"spdlog/.*"),
    ("Random123", r"Random123/.*"),
    ("Boost", r"boost/.*"),
    ("PEGTL", r"tao/.*"),
    ("CLI11", r"CLI/.*"),
    ("nlohmann-json", r"nlohmann/.*"),
    ("GoogleTest", r"(gtest|gmock)/.*"),
    ("BLAS", r"cblas\.h"),
    ("allocator", r"malloc\.h"),
    ("files", r"fstream|filesystem"),
    ("system", r"(unistd|fcntl|signal|poll|dlfcn|spawn|pwd|netdb|dirent|termios|sched|glob)\.h|(sys|arpa|netinet|linux)/.*"),
    ("standard", r"[a-z_]+|(assert|errno|float|limits|math|stddef|stdint|stdio|stdlib|string|time)\.h"),
]

Rule = namedtuple("Rule", "rooms libraries")
ANYTHING = Rule(rooms=None, libraries=None)
BASICS = {"standard", "spdlog", "Random123"}

RULES = {
    "core": Rule(set(), BASICS | {"files", "system"}),
    "table": Rule({"core"}, BASICS | {"files", "system", "zlib"}),
    "engine": Rule({"core"}, BASICS | {"LibTorch", "Boost", "PEGTL", "BLAS", "allocator"}),
    "experiment": Rule({"core"}, BASICS | {"files", "toml++", "nlohmann-json"}),
    "store": Rule({"core"}, BASICS | {"files", "system", "HDF5", "nlohmann-json"}),
    "orchestrator": Rule({"core"}, BASICS),
    "worker": Rule(
        {"core", "engine", "experiment", "table"},
        BASICS | {"files", "system", "LibTorch", "allocator", "nlohmann-json"},
    ),
    "transport": Rule({"core"}, BASICS | {"system", "MPI"}),
    "collective": Rule({"core"}, BASICS | {"MPI", "NCCL", "CUDA"}),
    "analysis": Rule({"core", "store"}, BASICS | {"files", "system", "Boost", "nlohmann-json"}),
    "programs": ANYTHING,
    "bench": ANYTHING,
}

# Headers that a room may not include although it may use the room they are in.
FORBIDDEN_HEADERS = {
    "transport": {
        "core/wire.h": "the transport moves bytes and knows no message",
        "core/messages.h": "the transport moves bytes and knows no message",
    }
}

# Units that may pay for LibTorch's one big header, which takes half a minute to compile.
BIG_HEADER = "torch/torch.h"
BIG_HEADER_UNITS = 12

# Folders beside the rooms.
NOT_ROOMS = {"tests", "examples", "docs", "cmake", "configs", "scripts", "data", "slurm"}


def library_of(header):
    for name, pattern in LIBRARIES:
        if re.fullmatch(pattern, header):
            return name
    return None


def includes_of(path):
    """(line, header, in quotes) of each #include."""
    text = path.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)) + 1, match.group(2), match.group(1) == '"')
        for match in INCLUDE.finditer(text)
    ]


def sources(project):
    """Sources and headers of the project, build folders and hidden ones left out."""
    for folder in sorted(project.iterdir()):
        if folder.is_dir() and not folder.name.startswith((".", "build")):
            yield from sorted(p for p in folder.rglob("*") if p.suffix in {".h", ".cpp", ".cu"})


def breach_of_rule(project, room, header):
    """What is wrong with `room` including `header`, or None."""
    rule = RULES[room]
    other = header.split("/")[0]
    if other in RULES or (project / header).is_file():
        if header in FORBIDDEN_HEADERS.get(room, {}):
            return f"includes {header}: {FORBIDDEN_HEADERS[room][header]}"
        if not (project / header).is_file():
            return f"includes {header}, which does not exist"
        if other != room and rule.rooms is not None and other not in rule.rooms:
            return f"room {room} may not use room {other} ({header})"
        return None
    library = library_of(header)
    if library is None:
        return f"includes {header}, which no library of tests/layering/check_includes.py has"
    if rule.libraries is not None and library not in rule.libraries:
        return f"room {room} may not use {library} ({header})"
    return None


def check_rooms(project):
    breaches = []
    for path in sources(project):
        relative = path.relative_to(project)
        room = relative.parts[0]
        if room in NOT_ROOMS:
            continue
        if room not in RULES:
            breaches.append(f"{relative}:1: folder {room} is no room of docs/architecture.md")
            continue
        for line, header, _ in includes_of(path):
            breach = breach_of_rule(project, room, header)
            if breach:
                breaches.append(f"{relative}:{line}: {breach}")
    return breaches


def check_big_header(project):
    """At most a dozen units, tests included, see LibTorch's big header, directly or through the project's own headers."""
    files = {str(path.relative_to(project)): includes_of(path) for path in sources(project)}

    def sees_big_header(name, seen):
        if name in seen:
            return False
        seen.add(name)
        for _, header, _ in files[name]:
            if header == BIG_HEADER or (header in files and sees_big_header(header, seen)):
                return True
        return False

    units = [name for name in files if not name.endswith(".h") and sees_big_header(name, set())]
    if len(units) <= BIG_HEADER_UNITS:
        return []
    return [f"{name}:1: is one of {len(units)} units that include {BIG_HEADER}; at most {BIG_HEADER_UNITS} may" for name in units]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    project = Path(sys.argv[1]).resolve()
    breaches = check_rooms(project) + check_big_header(project)
    for breach in breaches:
        print(breach)
    if breaches:
        sys.exit(f"{len(breaches)} includes break the layering of docs/architecture.md")
    print("Every include is allowed by docs/architecture.md.")


if __name__ == "__main__":
    main()

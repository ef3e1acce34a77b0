#!/usr/bin/python3
"""Kills workers, ranks and whole jobs of real MPI runs in every way that a cluster knows, and checks that each run ends
complete, with the digest of an undisturbed one and a store that can be read at any moment.

  kill_test.py --build build --build-ulfm build-openmpi5          all scenarios
  kill_test.py ... --only death-of-rank-0 --runs 5                one, five times
  kill_test.py ... --seed 7 --only job-kills-at-random-times:12   what the line `job-kills-at-random-times:12` did
"""

import argparse
import collections
import concurrent.futures
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

from experiments import References, Stage
from jobs import Build, Failure
from scenarios import SCENARIOS


SECONDS_ALLOWED = 480  # for all scenarios


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="build folder with fake_run, seldon-report and seldon")
    parser.add_argument("--build-ulfm", required=True, help="one with fake_run, of Open MPI 5; with seldon too, if there")
    parser.add_argument("--seed", type=int, default=1, help="of all dice (1)")
    parser.add_argument("--only", nargs="+", metavar="SCENARIO[:RUN]", help="these scenarios, or one run of them")
    parser.add_argument("--runs", type=int, help="so many runs of each scenario, whatever the tallies say")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once (2)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs that fail")
    arguments = parser.parse_args()
    for name in arguments.only or []:
        if name.partition(":")[0] not in SCENARIOS:
            parser.error(f"there is no scenario '{name}'; there are: {', '.join(SCENARIOS)}")
    return arguments


class Test:
    """Plays scenarios, two at a time, and keeps the tallies."""

    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = pathlib.Path(folder)
        self.builds = {"plain": Build(arguments.build, False), "ulfm": Build(arguments.build_ulfm, True)}
        self.references = References(self.builds["plain"], self.folder)
        self.kills = collections.Counter()
        self.played, self.failed = 0, []
        self.lock = threading.Lock()

    def play(self, scenario, index):
        """One run; prints its line. Returns the kills that did hit."""
        label = f"{scenario.name}:{index}"
        dice = random.Random(f"{self.arguments.seed}/{label}")
        stage = Stage(self.builds, self.references, self.folder / label.replace(":", "-"), dice)
        begin = time.monotonic()
        problem = None
        try:
            scenario.play(stage, index)
        except Failure as failure:
            problem = str(failure)
        except Exception:  # of the test itself; the other scenarios go on
            problem = traceback.format_exc()
        seconds = time.monotonic() - begin
        with self.lock:
            self.played += 1
            self.kills[scenario.kills_of] += stage.kills
            kills = f", {stage.kills} kills" if scenario.kills_of else ""
            print(f"{'FAILED' if problem else 'passed'} {label}: {seconds:.1f} s{kills}", flush=True)
            if problem:
                self.failed.append(label)
                print("  " + problem.replace("\n", "\n  "), flush=True)
        if not (problem and self.arguments.keep):
            shutil.rmtree(stage.folder)

    def plan(self):
        """(scenario, numbers of its runs)"""
        for scenario in SCENARIOS.values():
            asked = [name.partition(":")[2] for name in self.arguments.only or []
                     if name.partition(":")[0] == scenario.name]
            if self.arguments.only and not asked:
                continue
            runs = [int(run) for run in asked if run]
            yield scenario, runs or range(self.arguments.runs or scenario.runs)

    def play_all(self):
        with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
            runs = [pool.submit(self.play, scenario, index) for scenario, indices in self.plan() for index in indices]
            for run in runs:
                run.result()
            if not self.arguments.only and not self.arguments.runs:
                self.play_on(pool)

    def play_on(self, pool):
        """A kill that came too late does not count: more runs, until the tallies are full."""
        for extra in range(10):
            lacking = [scenario for scenario in SCENARIOS.values()
                       if self.kills[scenario.kills_of] < scenario.kills_wanted and not self.has_failed(scenario)]
            list(pool.map(lambda scenario: self.play(scenario, scenario.runs + extra), lacking))

    def has_failed(self, scenario):
        return any(label.partition(":")[0] == scenario.name for label in self.failed)

    def summary(self):
        print(f"\n{self.played - len(self.failed)} passed, {len(self.failed)} failed; seed {self.arguments.seed}")
        for scenario in SCENARIOS.values():
            if scenario.kills_wanted:
                count = self.kills[scenario.kills_of]
                print(f"{scenario.kills_of}: {count} that did hit, {scenario.kills_wanted} wanted")
                if count < scenario.kills_wanted and not self.arguments.only and not self.arguments.runs:
                    self.failed.append(scenario.kills_of)
        for label in self.failed:
            print(f"FAILED {label}")


def main():
    arguments = parse_arguments()
    begin = time.monotonic()
    folder = tempfile.mkdtemp(prefix="seldon-faults-")
    print(f"seed {arguments.seed}, runs in {folder}", flush=True)
    test = Test(arguments, folder)
    try:
        test.play_all()
    finally:
        if not (test.failed and arguments.keep):
            shutil.rmtree(folder, ignore_errors=True)
    test.summary()
    seconds = time.monotonic() - begin
    print(f"{seconds:.0f} s")
    if seconds > SECONDS_ALLOWED and not arguments.only and not arguments.runs:
        print(f"FAILED: over {SECONDS_ALLOWED} s")
        return 1
    return 1 if test.failed else 0


if __name__ == "__main__":
    sys.exit(main())

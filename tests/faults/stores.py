"""Reads stores as a user does, with h5py's defaults, also while they are written."""

import pathlib
import threading
import time

import h5py

from jobs import expect, run

PENDING, LEASED, DONE, FAILED, LOST, PREEMPTED = range(6)
ALL_STATES = {PENDING: "PENDING", LEASED: "LEASED", DONE: "DONE", FAILED: "FAILED", LOST: "LOST", PREEMPTED: "PREEMPTED"}

# Two opens of one file in one process share HDF5's caches; then one would see what the other has read before.
one_at_a_time = threading.Lock()


class Contents:
    """What a store holds at one moment; arrays are of shape (fractions, trials) by model."""

    def __init__(self, path):
        self.state, self.cells, self.runs = {}, {}, {}
        with one_at_a_time, h5py.File(path) as file:
            for name, model in file["models"].items():
                self.state[name] = model["state"][:]  # before the records: DONE then promises a whole one
                self.cells[name] = model["cells"][:]
                self.runs[name] = model["runs"][:]

    def count(self, state):
        return sum(int((states == state).sum()) for states in self.state.values())

    def cell_count(self):
        return sum(states.size for states in self.state.values())

    def complete(self):
        return self.count(DONE) == self.cell_count()

    def message(self, model, fraction, trial):
        return self.runs[model]["message"][fraction, trial].decode()

    def describe(self):
        return ", ".join(f"{self.count(state)} {name}" for state, name in ALL_STATES.items() if self.count(state))


def digest_of(report, path):
    """Of the results, by seldon-report; refuses a store with a damaged record."""
    status, output = run([report, "digest", str(path)])
    expect(status == 0, f"no digest: {output}")
    return output.strip()


class Watch(threading.Thread):
    """Opens a store again and again and notes what should not be: an error, a torn record, one that is lost."""

    def __init__(self, path, report, seconds_between_looks=0.03):
        """`report`: the program seldon-report, which knows the records' checksums."""
        super().__init__(daemon=True)
        self.path, self.report = pathlib.Path(path), report
        self.pause = seconds_between_looks
        self.looks = 0
        self.problems = []
        self.latest = None
        self.over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.join()
        if kind is None:
            expect(not self.problems, f"the store was not readable or lost something: {self.problems[:3]}")

    def run(self):
        while not self.over.wait(self.pause) and not self.problems:
            if self.path.exists() or self.latest:
                self.look()

    def look(self):
        try:
            contents = Contents(self.path)
            self.check(contents)
            if self.latest:
                self.compare(self.latest, contents)
            self.latest = contents
            self.looks += 1
            if self.looks % 4 == 0:
                digest_of(self.report, self.path)  # refuses records that do not fit their checksum
        except Exception as error:  # whatever a reader would see
            self.problems.append(f"{time.strftime('%X')} {type(error).__name__}: {error}")

    @staticmethod
    def check(contents):
        for model, states in contents.state.items():
            expect(states.max() <= PREEMPTED, f"{model}: an unknown state")
            records = contents.cells[model][states == DONE]
            expect((records["outcome"] > 0).all(), f"{model}: a DONE cell without a record")

    @staticmethod
    def compare(before, now):
        for model, states in before.state.items():
            fractions, trials = states.shape  # a store that was extended has more
            expect((now.state[model][:fractions, :trials][states == DONE] == DONE).all(), f"{model}: a DONE cell is lost")
            same = before.cells[model][states == DONE], now.cells[model][:fractions, :trials][states == DONE]
            expect(same[0].tobytes() == same[1].tobytes(), f"{model}: a DONE record has changed")

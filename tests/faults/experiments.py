"""The experiments of the fake engine, and the stage on which one scenario plays."""

import dataclasses
import pathlib
import threading

from jobs import Job, expect, run, wait_until
from stores import DONE, Contents, Watch, digest_of

COMPLETE, BAD_INPUT, INCOMPLETE, INTERNAL = 0, 2, 3, 4


@dataclasses.dataclass(frozen=True)
class Fake:
    """An experiment of fake_run: two models x fractions x trials."""
    trials: int = 100
    fractions: int = 3
    width: int = 4
    milliseconds: float = 2  # that a cell takes
    width_matters: bool = False
    ranks: int = 1  # that run a pack together

    @property
    def cells(self):
        return 2 * self.fractions * self.trials

    def options(self, milliseconds=None):
        milliseconds = self.milliseconds if milliseconds is None else milliseconds
        return ["--trials", self.trials, "--fractions", self.fractions, "--width", self.width, "--microseconds",
                int(1000 * milliseconds), "--ranks", self.ranks] + (["--width-matters"] if self.width_matters else [])

    def seconds(self, workers):
        """That a run takes without its start and end."""
        return self.cells * self.milliseconds / 1000 / (workers // self.ranks)


@dataclasses.dataclass(frozen=True)
class Real:
    """A config of the real engine."""
    config: str


class References:
    """Digests of undisturbed runs, each computed once."""

    def __init__(self, build, folder):
        self.build, self.folder = build, pathlib.Path(folder)
        self.lock = threading.Lock()
        self.digests = {}

    def digest(self, experiment):
        key = dataclasses.replace(experiment, milliseconds=0, ranks=1) if isinstance(experiment, Fake) else experiment
        with self.lock:
            if key not in self.digests:
                store = self.folder / f"undisturbed-{len(self.digests)}.h5"
                status, output = run(start_command(self.build, 0, key, store))
                expect(status == COMPLETE, f"the undisturbed run fails:\n{output}")
                self.digests[key] = digest_of(self.build.program("seldon-report"), store)
            return self.digests[key]


def start_command(build, ranks, experiment, store, options=()):
    if isinstance(experiment, Fake):
        arguments = [build.program("fake_run"), store, *experiment.options(), *options]
    else:
        arguments = [build.program("seldon"), "run", experiment.config, "--store", store, *options]
    return build.command(ranks, arguments)


class Stage:
    """A folder, a store, an experiment and the dice of one scenario."""

    def __init__(self, builds, references, folder, dice):
        self.plain, self.ulfm, self.references = builds["plain"], builds["ulfm"], references
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.dice = dice
        self.build = self.plain
        self.experiment = Fake()
        self.store = self.folder / "s.h5"
        self.journal = self.folder / "journal"
        self.starts = 0
        self.kills = 0  # that did hit a running job

    # ---- runs

    def start(self, ranks, *options, store=None):
        self.starts += 1
        if isinstance(self.experiment, Fake):
            options = ("--journal", self.journal, *options)
        return Job(start_command(self.build, ranks, self.experiment, store or self.store, options),
                   self.folder / f"output-{self.starts}")

    def run(self, ranks, *options, expected=None, seconds=90):
        """A run to its end: (status, output)."""
        with self.start(ranks, *options) as job:
            status = job.wait(seconds)
            expect(expected is None or status == expected, f"status {status}, not {expected}:\n{job.text()}")
            return status, job.text()

    def watch(self, store=None):
        return Watch(store or self.store, self.plain.program("seldon-report"))

    def finish(self, ranks=4, *options):
        """The same command once more, which must complete the experiment."""
        self.run(ranks, *options, expected=COMPLETE)
        self.check_complete()

    def check_complete(self):
        contents = self.contents()
        expect(contents.complete(), f"not complete: {contents.describe()}")
        digest, wanted = digest_of(self.plain.program("seldon-report"), self.store), self.references.digest(self.experiment)
        expect(digest == wanted, f"the digest {digest} is not {wanted} of an undisturbed run")

    # ---- what is seen

    def contents(self):
        return Contents(self.store)

    def noted(self, event=""):
        """Lines of the journal that begin so."""
        if not self.journal.exists():
            return []
        return [line for line in self.journal.read_text().splitlines() if line.startswith(event)]

    def wait_for_done(self, count, job, seconds=60):
        def look():
            expect(job.running(), f"ended before {count} cells were done:\n{job.text()}")
            return self.store.exists() and self.contents().count(DONE) >= count
        wait_until(look, seconds, f"{count} cells DONE")

    def incomplete(self):
        """Is there still work on record? Without a store all of it is."""
        return not self.store.exists() or not self.contents().complete()

"""What is done to runs. Each scenario gets a stage and its number, and raises Failure where a promise is broken."""

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from experiments import BAD_INPUT, COMPLETE, INCOMPLETE, INTERNAL, Fake, Real
from jobs import expect, process_start, run, wait_until
from stores import DONE, FAILED, LEASED, PENDING, PREEMPTED, Contents

Scenario = collections.namedtuple("Scenario", "name play runs kills_of kills_wanted")
SCENARIOS = {}


def scenario(runs=1, kills_of=None, kills_wanted=0):
    """`runs`: how often it is played. `kills_of`: the tally that its kills count for; it is played on, until
    `kills_wanted` are reached."""
    def register(play):
        name = play.__name__.replace("_", "-")
        SCENARIOS[name] = Scenario(name, play, runs, kills_of, kills_wanted)
        return play
    return register


DEATH = r"worker (\d+)[^\n]* has died"
READY = r"workers ready"


def ready(job):
    """Waits until every worker works; returns the ranks."""
    job.wait_for(READY)
    return job.ranks()


def deaths_told(text):
    return {int(rank) for rank in re.findall(DEATH, text)}


# ---- the slowest first -----------------------------------------------------------------------------------

@scenario()
def kill_in_start_up(stage, _):
    """From outside, while MPI itself starts, which then hangs: the run says so, and ends, after the time for a start (two minutes, here
    a quarter of one)."""
    stage.build = stage.ulfm
    stage.experiment = Fake(milliseconds=3)
    with stage.start(4, "--mpi-start-seconds", 15) as job:
        wait_until(lambda: len(job.ranks()) == 4, 20, "four ranks")
        expect(job.kill(2), "the worker was dead before")
        begin = time.monotonic()
        status = job.wait(45)
        seconds = time.monotonic() - begin
        expect(status == COMPLETE or "MPI does not start" in job.text() or seconds < 20, f"no reason:\n{job.text()}")
        expect(status != BAD_INPUT and (status == COMPLETE) <= (not stage.incomplete()),
               f"status {status}:\n{job.text()}")
    with stage.watch():
        stage.finish()


# ---- a worker dies: with ULFM the run goes on ------------------------------------------------------------

MANY_WORKERS, MANY_DEATHS = 8, 6


@scenario(runs=17, kills_of="worker kills, random", kills_wanted=100)
def worker_kills_at_random_times(stage, index):
    stage.build = stage.ulfm
    stage.experiment = Fake(trials=200, milliseconds=5, width_matters=index % 2 == 1)
    victims = stage.dice.sample(range(1, MANY_WORKERS + 1), MANY_DEATHS)
    moments = sorted(stage.dice.uniform(0, 0.7 * stage.experiment.seconds(MANY_WORKERS)) for _ in victims)
    struck = set()
    with stage.watch() as watch, stage.start(MANY_WORKERS + 1) as job:
        ready(job)
        begin = time.monotonic()
        for victim, moment in zip(victims, moments):
            time.sleep(max(0, begin + moment - time.monotonic()))
            if job.kill(victim):
                struck.add(victim)
        status = job.wait()
        expect(status == COMPLETE, f"status {status} after the death of {sorted(struck)}:\n{job.text()}")
        stage.kills += len(struck & deaths_told(job.text()))
    expect(watch.looks > 3, "the store was not looked at while it was written")
    stage.check_complete()


WORKER_POINTS = ["worker.before-send", "worker.after-send"]


@scenario(runs=17, kills_of="worker kills, at points", kills_wanted=100)
def worker_kills_at_points(stage, index):
    stage.build = stage.ulfm
    stage.experiment = Fake(trials=200, milliseconds=3, width_matters=index % 2 == 1)
    victims = stage.dice.sample(range(1, MANY_WORKERS + 1), MANY_DEATHS)
    deaths = [f"{stage.dice.choice(WORKER_POINTS)}:{stage.dice.randint(1, 30)}:{rank}" for rank in victims]
    with stage.watch(), stage.start(MANY_WORKERS + 1, *die_at(*deaths)) as job:
        status = job.wait()
        expect(status == COMPLETE, f"status {status} after deaths at {deaths}:\n{job.text()}")
        told = deaths_told(job.text())
        expect(told <= set(victims), f"workers {told} died, not {victims}")
        expect(len(told) <= len(stage.noted("die")), "a death that was not meant")
        stage.kills += len(told)
    stage.check_complete()


@scenario(runs=2)
def two_deaths_at_once(stage, index):
    stage.build = stage.ulfm
    stage.experiment = Fake(milliseconds=5, width_matters=True)
    with stage.watch(), stage.start(5) as job:
        ready(job)
        stage.wait_for_done(40 + 20 * index, job)
        expect(job.kill(2) and job.kill(3), "the workers were dead before")
        status = job.wait()
        expect(status == COMPLETE, f"status {status}:\n{job.text()}")
        expect(deaths_told(job.text()) == {2, 3}, f"not both deaths were seen:\n{job.text()}")
    stage.check_complete()


@scenario(runs=2)
def all_workers_dead(stage, index):
    stage.build = stage.ulfm
    stage.experiment = Fake(milliseconds=5)
    with stage.watch(), stage.start(4) as job:
        ready(job)
        stage.wait_for_done(40, job)
        for rank in (1, 2, 3):
            expect(job.kill(rank), "the worker was dead before")
            time.sleep(0.1 * index)
        status = job.wait(20)
        expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
        expect(0 < stage.contents().count(DONE) < stage.experiment.cells, "nothing was under way")
        expect(stage.contents().count(LEASED) == 0, "cells are still LEASED: " + stage.contents().describe())
    with stage.watch():
        stage.finish()


# ---- a worker hangs --------------------------------------------------------------------------------------

SHORT_LEASE = ("--lease-seconds", 2)


@scenario(runs=2)
def stopped_worker(stage, index):
    """SIGSTOP from outside: the others do its work, and the job ends well, with fault tolerance or without."""
    stage.build = stage.ulfm if index == 0 else stage.plain
    stage.experiment = Fake(milliseconds=5, width_matters=True)
    with stage.watch(), stage.start(5, *SHORT_LEASE) as job:
        ranks = ready(job)
        stage.wait_for_done(40, job)
        expect(job.kill(2, signal.SIGSTOP), "the worker was dead before")
        begin = time.monotonic()
        status = job.wait(30)
        seconds = time.monotonic() - begin
        expect(seconds < 20, f"the job took {seconds:.0f} s to end")
        expect(status == COMPLETE, f"status {status}:\n{job.text()}")
        expect(process_start(ranks[2]) is None, "the stopped worker is still there")
        expect(re.search(r"worker 2[^\n]* silent", job.text()), f"its silence was not noticed:\n{job.text()}")
    stage.check_complete()


@scenario(runs=2)
def cell_that_hangs_or_stops_once(stage, index):
    stage.build = stage.ulfm
    stage.experiment = Fake(milliseconds=2, width_matters=True)
    how, event = (("--hang-at", 9), "hang 9") if index == 0 else (("--stop-at", 9), "stop 9")
    with stage.watch(), stage.start(5, *SHORT_LEASE, *how, "--times", 1) as job:
        status = job.wait(40)
        expect(status == COMPLETE, f"status {status}:\n{job.text()}")
    expect(len(stage.noted(event)) == 1, f"the journal has {stage.noted()}")
    stage.check_complete()


@scenario()
def cell_that_always_hangs(stage, _):
    """It takes a worker at each try; all others complete, and in the end it is FAILED."""
    stage.build = stage.ulfm
    stage.experiment = Fake(width_matters=True)
    with stage.watch(), stage.start(9, *SHORT_LEASE, "--hang-at", 9) as job:
        status = job.wait(60)
        expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
    expect(len(stage.noted("hang 9")) >= 2, f"the journal has {stage.noted()}")
    only_failed(stage, [9])


# ---- a death in start-up, and of rank 0 ------------------------------------------------------------------

SHORT_START = ("--start-seconds", 4)


@scenario(runs=2)
def death_before_groups(stage, index):
    """MPI is up and the ranks make what groups talk through, all together: the run goes on without the dead one, or
    ends after the time for a start, and blames no cell."""
    stage.build = stage.ulfm
    stage.experiment = Fake(trials=24, milliseconds=2, ranks=1 + index % 2)
    with stage.watch(), stage.start(6, *SHORT_START, "--mpi-start-seconds", 8, *die_at("run.mpi-is-up:1:3")) as job:
        status = job.wait(30)
        expect(len(stage.noted("die run.mpi-is-up")) == 1, f"no death:\n{job.text()}")
        expect(status not in (BAD_INPUT, INTERNAL), f"status {status}:\n{job.text()}")
        expect((status == COMPLETE) == (not stage.incomplete()), f"status {status}:\n{job.text()}")
        expect(not stage.store.exists() or stage.contents().count(FAILED) == 0, f"a cell is blamed:\n{job.text()}")
    stage.finish()


@scenario(runs=4)
def death_in_start_up(stage, index):
    """While a worker starts, up to where it has its data: the run goes on, or says that it cannot, in seconds. It must
    go on where nobody waits for the dead one."""
    stage.build = stage.ulfm
    stage.experiment = Fake(milliseconds=3)
    point = ["worker.start", "worker.data"][index % 2]
    rank = [1, 3][index // 2]  # the first one gets the data, and the others of the node map it
    alone = (point, rank) == ("worker.data", 3)
    with stage.watch(), stage.start(4, *SHORT_START, *die_at(f"{point}:1:{rank}")) as job:
        begin = time.monotonic()
        status = job.wait(40)
        expect(len(stage.noted(f"die {point}")) == 1, f"no death at {point}:\n{job.text()}")
        expect(time.monotonic() - begin < 20, "the end took too long")
        expect(status == COMPLETE or status == INCOMPLETE and not alone, f"status {status}:\n{job.text()}")
    with stage.watch():
        stage.finish()


@scenario(runs=2)
def death_of_rank_0(stage, index):
    stage.build = stage.ulfm if index == 0 else stage.plain
    stage.experiment = Fake(milliseconds=5)
    with stage.watch(), stage.start(4) as job:
        ready(job)
        stage.wait_for_done(40, job)
        expect(job.kill(0), "rank 0 was dead before")
        begin = time.monotonic()
        wait_until(lambda: not job.alive(), 15, f"ranks {job.alive()} without rank 0: their end")
        status = job.wait(15)
        expect(status != COMPLETE, "the launcher says that all is well")
        expect(time.monotonic() - begin < 15, "the end took too long")
    with stage.watch():
        stage.finish()


# ---- a cell is to blame ----------------------------------------------------------------------------------

def only_failed(stage, trials):
    """All cells are DONE but these trials of the first model at the first fraction, whose messages name the host."""
    contents = stage.contents()
    failed = contents.count(FAILED)
    expect(failed == len(trials) and contents.count(DONE) == stage.experiment.cells - failed, contents.describe())
    for trial in trials:
        expect(contents.state["qsa"][0, trial] == FAILED, f"trial {trial} is not FAILED")
        message = contents.message("qsa", 0, trial)
        expect(os.uname().nodename in message, f"the message does not name the host: '{message}'")


@scenario(runs=2)
def segfaulting_cells_with_ulfm(stage, index):
    """One cell, or two of one pack, that always crash."""
    stage.build = stage.ulfm
    stage.experiment = Fake(width_matters=True, milliseconds=1)
    trials = [[9], [9, 10]][index]
    with stage.watch(), stage.start(5 + 6 * len(trials), *each("--segfault-at", trials)) as job:
        status = job.wait()
        expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
    expect(len(stage.noted("segfault")) <= 5 * len(trials), f"too many deaths: {stage.noted()}")
    only_failed(stage, trials)
    # The store knows: nothing more is risked with it, and once the bug is mended all is well.
    status, text = stage.run(4)
    expect(status == INCOMPLETE, f"status {status}, not 3:\n{text}")
    stage.finish(4, "--retry-failed")


@scenario(runs=2)
def segfaulting_cells_without_ulfm(stage, index):
    """Each crash ends the job; started again a bounded number of times, all others complete."""
    stage.experiment = Fake(trials=40, width_matters=True, milliseconds=1)
    trials = [[9], [9, 10]][index]
    with stage.watch():
        for starts in range(1, 6 * len(trials) + 3):
            status, text = stage.run(4, *each("--segfault-at", trials))
            if status == INCOMPLETE:
                break
        expect(status == INCOMPLETE, f"status {status} after {starts} starts:\n{text}")
    only_failed(stage, trials)
    stage.finish(4, "--retry-failed")


@scenario(runs=2)
def crash_once(stage, index):
    """The cell is well at its second try, and the pack keeps its width."""
    stage.build = stage.ulfm if index == 0 else stage.plain
    stage.experiment = Fake(width_matters=True, milliseconds=1)
    options = ("--segfault-at", 9, "--times", 1)
    with stage.watch():
        status, text = stage.run(5, *options)
        expect(index == 1 or status == COMPLETE, f"status {status}:\n{text}")
        expect(len(stage.noted("segfault 9")) == 1, f"the journal has {stage.noted()}")
        stage.finish(5, *options)


@scenario()
def one_cell_retried_out_of_a_pack(stage, _):
    """Its exception costs the others of the pack nothing; what had to be computed again is compared."""
    stage.experiment = Fake(width_matters=True)
    with stage.watch():
        stage.finish(4, "--exception-at", 9, "--times", 1, "--whole")
    expect(len(stage.noted("exception 9")) == 1, f"the journal has {stage.noted()}")
    runs = stage.contents().runs["qsa"][0]
    expect(runs["attempt"][9] == 2 and runs["failures"][9] == 1, f"attempt {runs['attempt'][9]}")
    expect((runs["attempt"][[8, 10, 11]] == 1).all(), "its neighbours ran again for the record")
    expect((runs["width"][8:12] == 4).all(), "the pack's width has changed")


@scenario()
def half_a_pack_resumed(stage, _):
    """A kill between two records of one pack: only the missing cells are recorded, at the pack's width."""
    stage.experiment = Fake(trials=40, fractions=1, width=8, width_matters=True)
    with stage.watch():
        expect(kill_at_point(stage, 2, ("--whole", *die_at("store.record:4:0"))), "nobody passed store.record")
        before = stage.contents()
        expect(before.count(DONE) == 3, f"not in the middle of a pack: {before.describe()}")
        stage.finish(2, "--whole")
    after = stage.contents()
    for model, states in before.state.items():
        attempts, done = after.runs[model]["attempt"], states == DONE
        expect((attempts[done] == 1).all(), "a recorded cell was recorded again")
        expect((attempts[states == LEASED] >= 2).all(), "a cell's second try does not count")
        expect((after.runs[model]["width"] == 8).all(), "the pack's width has changed")


# ---- the whole job is killed -----------------------------------------------------------------------------

def die_at(*deaths):
    return each("--die-at", deaths)


def each(option, values):
    return tuple(word for value in values for word in (option, value))


KILLS_IN_A_ROW = 3  # of one experiment: too few to blame a cell that has met each of them alone


@scenario(runs=17, kills_of="job kills, random", kills_wanted=50)
def job_kills_at_random_times(stage, index):
    stage.experiment = Fake(trials=100, milliseconds=4, width_matters=index % 2 == 1)
    with stage.watch():
        for _ in range(KILLS_IN_A_ROW):
            with stage.start(4) as job:
                if stage.dice.random() < 0.8:
                    ready(job)
                    time.sleep(stage.dice.uniform(0, 0.25 * stage.experiment.seconds(3)))
                else:
                    time.sleep(stage.dice.uniform(0.1, 0.6))  # as it starts
                stage.kills += job.kill_all() and stage.incomplete()
        stage.finish()


def kill_at_point(stage, ranks, options, act=lambda job: None):
    """Starts a job that dies somewhere, and kills all of it then. False if it ended without."""
    deaths = len(stage.noted("die"))
    with stage.start(ranks, *options) as job:
        act(job)
        wait_until(lambda: len(stage.noted("die")) > deaths or not job.running(), 60, "a death or an end")
        died = len(stage.noted("die")) > deaths
        job.kill_all()
        expect(died or job.process.returncode == COMPLETE, f"status {job.process.returncode}:\n{job.text()}")
    return died


def drain_soon(job):
    ready(job)
    time.sleep(0.1)
    job.signal(signal.SIGUSR1)


JOB_POINTS = ["store.lease", "store.record", "store.between-record-and-state", "store.before-sync",
              "store.during-sync", "worker.data", "worker.before-send", "worker.after-send", "run.draining"]


@scenario(runs=18, kills_of="job kills, at points", kills_wanted=50)
def job_kills_at_points(stage, index):
    stage.experiment = Fake(trials=100, milliseconds=3, width_matters=index % 2 == 1)
    with stage.watch():
        for kill in range(KILLS_IN_A_ROW):
            point = JOB_POINTS[(index + kill) % len(JOB_POINTS)]
            most = {"store.record": 150, "store.between-record-and-state": 150, "store.lease": 35,
                    "worker.before-send": 50, "worker.after-send": 50, "store.before-sync": 4,
                    "store.during-sync": 4}.get(point, 1)
            moment = f"{point}:{stage.dice.randint(1, most)}"
            if point == "store.during-sync":
                moment += f":0:{stage.dice.randint(1, 3000)}"  # microseconds into it
            death = ("--sync-seconds", 0.05, *die_at(moment))
            drained = point == "run.draining"
            stage.kills += kill_at_point(stage, 4, death, drain_soon if drained else lambda job: None)
        stage.finish()


@scenario(runs=4, kills_of="job kills, at points")
def kill_while_extending(stage, index):
    """Before the larger store is renamed into place the smaller one is as it was; after, nothing of it is lost."""
    stage.experiment = small = Fake(trials=40)
    stage.finish()
    stage.experiment = large = Fake(trials=60, fractions=3 + index // 2)
    point, experiment = [("store.extend-before-rename", small), ("store.extend-after-rename", large)][index % 2]
    with stage.watch():
        died = kill_at_point(stage, 4, ("--extend", *die_at(point)))
        expect(died, f"nobody passed {point}")
        stage.kills += 1
        contents = stage.contents()
        expect(contents.cell_count() == experiment.cells and contents.count(DONE) == small.cells, contents.describe())
        if experiment == small:
            status, text = stage.run(4)
            expect(status == BAD_INPUT and "--extend" in text, f"status {status} without --extend:\n{text}")
        stage.finish(4, "--extend")


# ---- packs that take two workers -------------------------------------------------------------------------

@scenario(runs=2)
def members_killed_at_random_times(stage, index):
    """Three of six workers in groups of two: the others of their groups go on in other groups."""
    stage.build = stage.ulfm
    stage.experiment = Fake(trials=40, milliseconds=5, ranks=2, width_matters=index == 1)
    victims = stage.dice.sample(range(1, 7), 3)
    with stage.watch(), stage.start(7) as job:
        ready(job)
        for victim in victims:
            time.sleep(stage.dice.uniform(0, 0.15))
            expect(job.kill(victim), "the worker was dead before")
        status = job.wait(30)
        expect(status == COMPLETE, f"status {status} after the death of {victims}:\n{job.text()}")
        expect(deaths_told(job.text()) == set(victims), f"not the deaths of {victims}:\n{job.text()}")
    stage.check_complete()


@scenario(runs=2)
def member_dies_within_a_call(stage, index):
    """The first one or the other, while its call waits."""
    stage.build = stage.ulfm
    stage.experiment = Fake(trials=24, milliseconds=5, ranks=2, width_matters=True)
    with stage.watch():
        status, text = stage.run(6, "--segfault-at", 9, "--times", 1, "--member", index, seconds=30)
        expect(status == COMPLETE, f"status {status}:\n{text}")
        expect(len(stage.noted("segfault 9")) == 1 == len(deaths_told(text)), f"not one death:\n{text}")
    stage.check_complete()


@scenario(runs=2)
def member_stops_within_a_call(stage, index):
    """SIGSTOP: its lease ends, and the pack goes to another group; with fault tolerance or without."""
    stage.build = stage.ulfm if index == 0 else stage.plain
    stage.experiment = Fake(trials=24, milliseconds=3, ranks=2, width_matters=True)
    with stage.watch(), stage.start(6, *SHORT_LEASE, "--stop-at", 9, "--times", 1, "--member", index) as job:
        status = job.wait(30)
        expect(status == COMPLETE, f"status {status}:\n{job.text()}")
        expect(len(stage.noted("stop 9")) == 1, f"the journal has {stage.noted()}")
        expect(re.search(r"worker \d[^\n]* silent", job.text()), f"its silence was not noticed:\n{job.text()}")
    stage.check_complete()


@scenario()
def job_of_groups_killed(stage, _):
    """Without fault tolerance; it goes on, on any number of workers."""
    stage.experiment = Fake(trials=40, milliseconds=4, ranks=2, width_matters=True)
    with stage.watch():
        for _ in range(2):
            with stage.start(5) as job:
                ready(job)
                time.sleep(stage.dice.uniform(0.02, 0.12))
                expect(job.kill_all(), "the job had ended")
        expect(stage.incomplete(), "nothing was left")
        stage.finish(3)


@scenario(runs=2)
def too_few_for_a_group(stage, index):
    """Of two workers one dies, or stops: the run ends and says why, and the next one goes on."""
    stage.build = stage.ulfm if index == 0 else stage.plain
    stage.experiment = Fake(trials=24, milliseconds=8, ranks=2)
    with stage.watch():
        with stage.start(3, *SHORT_LEASE) as job:
            ready(job)
            stage.wait_for_done(8, job)
            expect(job.kill(1 + index, signal.SIGKILL if index == 0 else signal.SIGSTOP), "the worker was dead before")
            status = job.wait(30)
            expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
            expect("a pack takes 2 workers at once, there are 1" in job.text(), f"no reason:\n{job.text()}")
        expect(stage.contents().count(LEASED) == 0, stage.contents().describe())
        stage.finish(3)


# ---- the real engine -------------------------------------------------------------------------------------

@scenario(runs=4, kills_of="kills with the real engine", kills_wanted=10)
def real_engine(stage, index):
    """Three workers die where MPI survives that, else the whole job three times."""
    stage.experiment = Real("configs/quickstart.toml")
    survives = os.path.exists(stage.ulfm.program("seldon"))
    stage.build = stage.ulfm if survives else stage.plain
    with stage.watch():
        if survives:
            with stage.start(5) as job:
                ready(job)
                for rank in stage.dice.sample(range(1, 5), 3):
                    time.sleep(stage.dice.uniform(0, 0.15))
                    job.kill(rank)
                status = job.wait()
                expect(status == COMPLETE, f"status {status}:\n{job.text()}")
                stage.kills += len(deaths_told(job.text()))
        else:
            for _ in range(KILLS_IN_A_ROW):
                with stage.start(3) as job:
                    ready(job)
                    time.sleep(stage.dice.uniform(0, 0.3))
                    stage.kills += job.kill_all() and stage.incomplete()
        stage.finish(3)


# ---- readers ---------------------------------------------------------------------------------------------

HOLD = """
import sys, h5py
file = h5py.File(sys.argv[1])
states = [model["state"] for model in file["models"].values()]
print("open", flush=True)
for line in sys.stdin:
    for state in states: state.id.refresh()
    print(sum(int((state[:] == 2).sum()) for state in states), flush=True)
"""


@scenario()
def start_while_h5py_holds_the_store(stage, _):
    """A reader that was there first keeps nobody from writing, and sees what is written."""
    stage.experiment = Fake(milliseconds=3)
    with stage.start(4) as job:
        ready(job)
        stage.wait_for_done(40, job)
        expect(job.kill_all(), "the job had ended")
    with subprocess.Popen([sys.executable, "-c", HOLD, stage.store], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as reader:
        def ask():
            reader.stdin.write("\n")
            reader.stdin.flush()
            return int(reader.stdout.readline())
        try:
            expect(reader.stdout.readline() == "open\n", "h5py cannot open the store")
            before = ask()
            with stage.watch(), stage.start(4) as job:
                wait_until(lambda: ask() > before, 30, "a record that the reader sees")
                expect(job.running(), "it saw nothing while the run went on")
                expect(job.wait() == COMPLETE, f"the run fails beside a reader:\n{job.text()}")
            expect(ask() == stage.experiment.cells, "the reader does not see all records")
        finally:
            reader.stdin.close()
    stage.check_complete()


# ---- shards ----------------------------------------------------------------------------------------------

@scenario()
def three_shards_merged(stage, _):
    """Three stores, each of which lives through a kill; merged, they are one undisturbed run."""
    stage.experiment = Fake(trials=60, milliseconds=3)
    shards = [stage.folder / f"shard-{i}.h5" for i in range(3)]
    for i, shard in enumerate(shards):
        with stage.watch(shard):
            with stage.start(3, "--shard", f"{i}/3", store=shard) as job:
                ready(job)
                time.sleep(0.05)
                expect(job.kill_all() and not Contents(shard).complete(), "the kill came too late")
            with stage.start(3, "--shard", f"{i}/3", store=shard) as job:
                expect(job.wait() == COMPLETE, f"shard {i}:\n{job.text()}")
        done = Contents(shard).count(DONE)
        expect(0 < done < stage.experiment.cells, f"shard {i} has {done} cells")
    merge = [stage.plain.program("seldon-report"), "merge", "--out", str(stage.store), *map(str, shards)]
    status, text = run(merge)
    expect(status == 0, f"merge: {status}\n{text}")
    stage.check_complete()
    stage.store.unlink()
    status, text = run(merge[:-1])  # two of them are not the whole
    expect(status == 0 and not stage.contents().complete(), f"merge of two: {status}\n{text}")
    stage.finish()


# ---- signals and time ------------------------------------------------------------------------------------

@scenario(runs=2)
def drain(stage, index):
    """SIGUSR1 to the launcher: running packs end, nothing new starts, exit 3."""
    stage.build = stage.plain if index == 0 else stage.ulfm
    stage.experiment = Fake(milliseconds=100, trials=40)
    with stage.watch():
        with stage.start(4) as job:
            ready(job)
            stage.wait_for_done(12, job)
            job.signal(signal.SIGUSR1)
            begin = time.monotonic()
            status = job.wait(30)
            expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
            expect(time.monotonic() - begin < 5, "the drain took longer than the packs")
        contents = stage.contents()
        expect(contents.count(DONE) + contents.count(PENDING) == stage.experiment.cells,
               f"packs did not end: {contents.describe()}")
        expect(contents.count(DONE) % 4 == 0, "a pack was cut short")
        stage.experiment = Fake(milliseconds=0, trials=40)
        stage.finish()


@scenario(runs=2)
def second_signal_cancels(stage, index):
    """A second SIGUSR1, or the end of the grace time, takes running packs back as PREEMPTED."""
    stage.experiment = Fake(milliseconds=4000, trials=40)
    options = () if index == 0 else ("--grace", 1)
    with stage.watch():
        with stage.start(4, *options) as job:
            ready(job)
            time.sleep(0.5)
            begin = time.monotonic()
            job.signal(signal.SIGUSR1)
            if index == 0:
                time.sleep(0.5)
                expect(job.running(), "the first signal did not wait for the packs")
                job.signal(signal.SIGUSR1)
            status = job.wait(30)
            seconds = time.monotonic() - begin
            expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
            expect(0.5 < seconds < 6, f"the end took {seconds:.1f} s")
        contents = stage.contents()
        expect(contents.count(PREEMPTED) >= 9 and contents.count(LEASED) == 0, contents.describe())
        unsuspected(contents)
        stage.experiment = Fake(milliseconds=0, trials=40)
        stage.finish()


def unsuspected(contents):
    for model, runs in contents.runs.items():
        expect((runs["suspicion"] == 0).all() and (runs["failures"] == 0).all(), f"{model}: a known stop counts")


@scenario(runs=2)
def sigterm_to_the_launcher(stage, index):
    """As Ctrl-C and schedulers do: the ranks have a fraction of a second, in which the cells become PREEMPTED."""
    stage.build = stage.plain if index == 0 else stage.ulfm
    stage.experiment = Fake(milliseconds=30, trials=40)
    with stage.watch():
        with stage.start(4) as job:
            ready(job)
            stage.wait_for_done(24, job)
            before = stage.contents().count(DONE)
            job.signal(signal.SIGTERM)
            status = job.wait(20)
            expect(status != COMPLETE, f"status {status}:\n{job.text()}")
        contents = stage.contents()
        expect(contents.count(DONE) >= before, "records are lost")
        expect(contents.count(PREEMPTED) > 0 and contents.count(LEASED) == 0, contents.describe())
        unsuspected(contents)
        stage.finish()


@scenario()
def end_of_the_wall_time(stage, _):
    """No pack starts that would not end in time; what is left goes on in the next job."""
    stage.experiment = Fake(milliseconds=50, trials=100)
    with stage.watch():
        begin = time.monotonic()
        with stage.start(4, "--seconds", 4, "--grace", 1) as job:
            job.wait_for("cells are missing")
            seconds = time.monotonic() - begin  # without MPI's own end
            expect(seconds < 5, f"the job took {seconds:.1f} s of 4")
            status = job.wait(20)
            expect(status == INCOMPLETE, f"status {status}, not 3:\n{job.text()}")
        contents = stage.contents()
        expect(contents.count(DONE) > 0 and contents.count(LEASED) == 0, contents.describe())
        unsuspected(contents)
        stage.experiment = Fake(milliseconds=0)
        stage.finish()


# ---- locks -----------------------------------------------------------------------------------------------

@scenario()
def second_run_on_one_store(stage, _):
    """It is refused, and told who writes; the first one does not notice."""
    stage.experiment = Fake(milliseconds=25)
    with stage.watch(), stage.start(4) as job:
        ready(job)
        status, text = stage.run(3)
        expect(job.running(), "the first run had ended")
        expect(status == BAD_INPUT and "--take-over" in text and os.uname().nodename in text,
               f"status {status}:\n{text}")
        status = job.wait()
        expect(status == COMPLETE, f"status {status}:\n{job.text()}")
    stage.check_complete()


@contextlib.contextmanager
def heartbeat(lock):
    """Touches a lock file as its holder would."""
    ended = threading.Event()

    def beat():
        while not ended.wait(1):
            os.utime(lock)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@scenario()
def lock_of_another_host(stage, _):
    """A lock whose holder cannot be asked holds as long as it beats, or until --take-over."""
    stage.experiment = Fake(milliseconds=3)
    lock = stage.store.with_name(stage.store.name + ".lock")
    with stage.start(4) as job:
        ready(job)
        stage.wait_for_done(20, job)
        shutil.copy(lock, stage.folder / "lock")
        expect(job.kill_all(), "the job had ended")
    text = (stage.folder / "lock").read_text()
    foreign = re.sub(r"(?m)^(host|boot) .*$", r"\1 elsewhere", text)
    expect(foreign != text, f"the lock names no host:\n{text}")
    for old in (False, True):
        lock.write_text(foreign)
        if old:
            os.utime(lock, (time.time() - 3600,) * 2)
            stage.finish()
        else:
            with heartbeat(lock):
                status, text = stage.run(4)
            expect(status == BAD_INPUT and "elsewhere" in text and "--take-over" in text, f"status {status}:\n{text}")
            with stage.start(4, "--take-over") as job:
                ready(job)
                stage.wait_for_done(100, job)
                expect(job.kill_all(), "the job had ended")

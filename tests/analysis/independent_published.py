#!/usr/bin/env python3
"""Imports results that the Seldonian Toolkit left behind, and compares what seldon-report makes of them with pandas.

    independent_published.py --build BUILD_FOLDER

The published facial and loan results lie in the developers' data (SELDON_SHARED, or ../shared beside the project);
without them those tests are skipped, or fail where CI=true. The others make their own files. Needs the packages of
requirements.txt. Exits 1 if something differs.
"""

import argparse
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

TOLERANCE = 1e-12
PROJECT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SELDON_SHARED") or PROJECT / ".." / "shared")
DISPARATE_IMPACT = "disparate_impact=min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= 0.9"
ACCURACY_RATIO = "accuracy_ratio=min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8"

report_program = None
compared = 0  # numbers that were held against pandas', SciPy's or statsmodels'


def report(*arguments, expect=0):
    """Runs seldon-report; its stdout, or its stderr where it is expected to fail."""
    run = subprocess.run([report_program, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != expect:
        raise AssertionError(f"{arguments} ended with {run.returncode}: {run.stdout}{run.stderr}")
    return run.stderr if expect else run.stdout


def g_of(table):
    """Of results with one constraint."""
    return table.gvec.str.strip("[]").astype(float)


def has_failed(table):
    """As the toolkit counts."""
    return table.failed if "failed" in table else (g_of(table) > 0) | g_of(table).isna()


def read_plot_data(file):
    """The blocks of three_plots.dat: {(model, quantity): table}, columns as its first line names them."""
    blocks, table = {}, None
    lines = file.read_text().splitlines()
    names = lines[0].removeprefix("# ").split()
    for line in lines[1:]:
        if line.startswith("# ") and ": " in line:
            model, quantity = line.removeprefix("# ").split(": ", 1)
            table = blocks[model, quantity] = []
        elif line and not line.startswith("#"):
            table.append(dict(zip(names, map(float, line.split()))))
    return {key: pd.DataFrame(rows) for key, rows in blocks.items() if rows}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="seldon-published-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def close(self, got, wanted, what):
        global compared
        compared += 1
        if math.isnan(wanted):
            self.assertTrue(math.isnan(got), f"{what}: {got} instead of NaN")
        else:
            self.assertLessEqual(abs(got - wanted), TOLERANCE, f"{what}: {got} instead of {wanted}")


class Published:
    """The tests of one published experiment."""

    @classmethod
    def setUpClass(cls):
        if not SHARED.is_dir():
            message = "the published results are not here; set SELDON_SHARED to the folder that holds them"
            if os.environ.get("CI") == "true":
                raise AssertionError(message)
            raise unittest.SkipTest(message)

    def setUp(self):
        super().setUp()
        self.store = self.folder / "imported.h5"
        self.import_from(SHARED / self.where, self.store, "--experiment", self.prefix)
        files = (SHARED / self.where).glob(f"{self.prefix}__*_results.csv")
        self.files = {file.name.split("__")[1].removesuffix("_results.csv"): file for file in files}
        self.tables = {model: pd.read_csv(file) for model, file in self.files.items()}
        self.assertEqual(len(self.tables), self.n_models)

    def import_from(self, folder, store, *more):
        report("import", folder, "--rows", self.rows, "--delta", 0.05, "--constraint", self.constraint, "--performance",
               self.measure, "--out", store, *more)

    def three_plots(self):
        """{(model, quantity): table by data fraction}, as drawn."""
        report("plots", self.store, "--out", self.folder / "plots", "--formats", "svg")
        blocks = read_plot_data(self.folder / "plots" / "three_plots.dat")
        return {key: table.set_index("data_frac") for key, table in blocks.items()}

    def test_performance(self):
        exceptions = 0
        drawn = self.three_plots()
        for model, table in self.tables.items():
            curve = drawn.get((model, f"performance, {self.measure}"), pd.DataFrame())
            seldonian = "passed_safety" in table
            solutions = table[table.passed_safety] if seldonian else table[table.performance.notna()]
            for fraction, group in solutions.groupby("data_frac"):
                values = group.performance
                if len(values) < 2:  # the toolkit drops points of one trial
                    self.assertNotIn(fraction, curve.index)
                    continue
                point, what = curve.loc[fraction], f"{model} at {fraction}"
                self.close(point.value, values.mean(), f"mean of {what}")
                self.close(point.standard_error, values.std(ddof=1) / math.sqrt(len(values)), f"error of {what}")
                self.assertEqual(point.trials, len(values), what)
                # The toolkit's error for a baseline has the root of all trials, also of those without a value.
                trials = len(values) if seldonian else table.trial_i.max() + 1
                of_toolkit = values.std(ddof=1) / math.sqrt(trials)
                self.close(point.standard_error * math.sqrt(point.trials / trials), of_toolkit, f"toolkit's, {what}")
                exceptions += trials != len(values)
            self.assertEqual(len(curve), (solutions.groupby("data_frac").size() > 1).sum(), model)
        self.assertEqual(exceptions, self.points_with_another_error)

    def test_rates(self):
        drawn = self.three_plots()
        for model, table in self.tables.items():
            solved = table.passed_safety if "passed_safety" in table else table.performance.notna()
            for quantity, outcome in (("solution rate", solved),
                                      (f"failure rate, {self.constraint.split('=')[0]}", has_failed(table))):
                curve = drawn[model, quantity]
                self.assertEqual(list(curve.index), sorted(table.data_frac.unique()), f"{quantity} of {model}")
                for fraction, values in outcome.astype(float).groupby(table.data_frac):
                    point, what = curve.loc[fraction], f"{quantity} of {model} at {fraction}"
                    self.close(point.value, values.mean(), what)
                    self.close(point.standard_error, values.std(ddof=1) / math.sqrt(len(values)), f"error, {what}")
                    exact = proportion_confint(int(values.sum()), len(values), method="beta")
                    self.close(point.exact_95_lower, exact[0], f"exact, {what}")
                    self.close(point.exact_95_upper, exact[1], f"exact, {what}")
                    self.assertEqual(point.n, round(fraction * self.rows), what)

    def test_rates_are_those_of_the_literature(self):
        drawn = self.three_plots()["qsa", "solution rate"].set_index("n")
        for n, rate in self.known_solution_rates.items():
            self.close(drawn.value[n], rate, f"solution rate at {n}")

    def test_export_is_the_inverse_of_import(self):
        report("export", self.store, "--out", self.folder / "out", "--layout", "toolkit")
        for model, file in self.files.items():
            exported = self.folder / "out" / f"{model}_results" / f"{model}_results.csv"
            self.assertEqual(exported.read_bytes(), file.read_bytes(), model)
        self.import_from(self.folder / "out", self.folder / "again.h5")
        self.assertEqual(report("digest", self.store), report("digest", self.folder / "again.h5"))

    def test_tidy_export_has_every_row(self):
        report("export", self.store, "--out", self.folder, "--layout", "tidy")
        cells = pd.read_csv(self.folder / "cells.csv").query("state == 'done'")
        name = self.constraint.split("=")[0]
        for model, table in self.tables.items():
            both = table.merge(cells[cells.model == model], left_on=["data_frac", "trial_i"],
                               right_on=["data_frac", "trial"], suffixes=("", "_tidy"))
            self.assertEqual(len(both), len(table), model)
            np.testing.assert_array_equal(both.performance, both[self.measure], model)  # NaN equals NaN
            np.testing.assert_array_equal(has_failed(table), both[f"failed_{name}"], model)
            if "gvec" in table:
                np.testing.assert_array_equal(g_of(both), both[f"g_{name}"], model)
            else:
                solved = both.passed_safety_tidy if "passed_safety" in table else both.passed_safety
                self.assertTrue(both[f"g_{name}"][solved.astype(bool)].isna().all(), f"g of {model} is unknown")


class Loans(Published, Case):
    where, prefix = "conformance/data/reference_results", "loans_video"
    rows, constraint, measure, n_models = 1000, DISPARATE_IMPACT, "log_loss", 7
    points_with_another_error = 10
    known_solution_rates = {139: 0.04, 228: 0.08, 373: 0.28, 611: 0.76, 1000: 0.80}

    def test_comparison(self):
        """Two models as if of two experiments, with trials that are the same and that are not."""
        other = self.folder / "other.h5"
        shutil.copy(self.store, other)
        one, two = self.tables["logistic_regression"], self.tables["fairlearn_eps0.90"]
        for paired in (False, True):
            text = report("compare", self.store, other, "--models", "logistic_regression=fairlearn_eps0.90", "--format",
                          "csv", *(["--paired"] if paired else []))
            table = pd.read_csv(io.StringIO(text[:text.index("\n\n") + 1]))
            self.assertEqual(len(table), 45)
            for _, row in table.iterrows():
                a, b = (side[side.data_frac == row.data_frac].set_index("trial_i") for side in (one, two))
                with self.subTest(quantity=row.quantity, n=row.n, paired=paired):
                    self.compare_point(row, a, b, paired)

    def compare_point(self, row, a, b, paired):
        if row.quantity.startswith("performance"):
            values = [side.performance.dropna() for side in (a, b)]
            if paired:
                common = pd.concat(values, axis=1, join="inner").to_numpy()
                self.assertEqual(row.pairs, len(common))
                values = [pd.Series(common[:, 0]), pd.Series(common[:, 1])]
            if min(map(len, values)) < 2:
                self.assertTrue(math.isnan(row.difference_lower))
                return
            test = stats.ttest_rel(*values) if paired else stats.ttest_ind(*values, equal_var=False)
            wanted, value = test.confidence_interval(), values[0].mean() - values[1].mean()
            wanted = (wanted.low, wanted.high)
        else:
            solved = row.quantity == "solution rate"
            hits = [side.performance.notna() if solved else has_failed(side) for side in (a, b)]
            value = hits[0].mean() - hits[1].mean()
            wanted = newcombe_paired(*hits) if paired else confint_proportions_2indep(
                hits[0].sum(), len(a), hits[1].sum(), len(b), method="newcomb", compare="diff")
        for got, right in ((row.difference, value), (row.difference_lower, wanted[0]), (row.difference_upper, wanted[1])):
            self.close(got, right, "difference")


def newcombe_paired(a, b):
    """Method 10 of Newcombe, Statistics in Medicine 17, 1998, 2635-2650, on statsmodels' Wilson intervals."""
    n, table = len(a), pd.crosstab(a, b).reindex(index=[True, False], columns=[True, False], fill_value=0).to_numpy()
    rates = np.array([a.mean(), b.mean()])
    lower, upper = np.array([proportion_confint(int(side.sum()), n, method="wilson") for side in (a, b)]).T
    margins = table.sum(axis=0).prod() * table.sum(axis=1).prod()
    covariance = table[0, 0] * table[1, 1] - table[0, 1] * table[1, 0]
    if covariance > 0:
        covariance = max(covariance - n / 2, 0)
    phi = covariance / math.sqrt(margins) if margins else 0
    down, up = rates - lower, upper - rates
    below = math.sqrt(down[0] ** 2 - 2 * phi * down[0] * up[1] + up[1] ** 2)
    above = math.sqrt(up[0] ** 2 - 2 * phi * up[0] * down[1] + down[1] ** 2)
    return rates[0] - rates[1] - below, rates[0] - rates[1] + above


class Faces(Published, Case):
    where, prefix = "data/published", "facial_gender"
    rows, constraint, measure, n_models = 23700, ACCURACY_RATIO, "accuracy", 3
    points_with_another_error = 0
    known_solution_rates = {24: 0.0, 118: 0.0}

    def test_cells_without_a_row_stay_pending(self):
        self.assertEqual(report("status", self.store, "--count", "pending"), "10\n")  # qsa has none at 1.0


class Written(Case):
    """Files as pandas and NumPy write them today, with many constraints and numbers of every size."""

    def test_import_and_export_give_back_the_bytes(self):
        random = np.random.default_rng(7)
        for constraints in (1, 2, 3, 9, 24):
            for spread in (0, 2, 12):
                folder = self.folder / f"{constraints}-{spread}"
                self.write(folder / "qsa_results" / "qsa_results.csv", random, constraints, spread)
                names = [part for i in range(constraints) for part in ("--constraint", f"c{i}=PR <= 0.{i + 1}")]
                store = folder.with_suffix(".h5")
                report("import", folder, "--rows", 500, "--delta", 0.05, *names, "--out", store)
                report("export", store, "--out", folder / "out", "--layout", "toolkit")
                self.assertEqual((folder / "out/qsa_results/qsa_results.csv").read_bytes(),
                                 (folder / "qsa_results/qsa_results.csv").read_bytes(), folder.name)

    @staticmethod
    def write(file, random, constraints, spread):
        rows = []
        for fraction in (0.1, 0.33, 1.0):
            for trial in range(20):
                passed = bool(random.random() < 0.7)
                g = random.normal(size=constraints) * 10.0 ** random.integers(-spread, spread + 1, constraints)
                g[random.random(constraints) < 0.05] = np.nan
                # The toolkit keeps the text of the array alone.
                text = str(g if passed else np.full(constraints, -np.inf))
                rows.append((fraction, trial, random.normal() if passed else np.nan, passed, text))
        table = pd.DataFrame(rows, columns=["data_frac", "trial_i", "performance", "passed_safety", "gvec"])
        file.parent.mkdir(parents=True)
        table.to_csv(file, index=False)


class BadInput(Case):
    """Exit code 2, and an error that says what is wrong and where."""

    def setUp(self):
        super().setUp()
        self.store = self.make("one", "data_frac,trial_i,performance,gvec\n0.5,0,0.25,[-0.1]\n0.5,1,0.5,[0.1]\n")

    def make(self, name, text, model="lr"):
        self.put(name, text, model)
        store = self.folder / f"{name}.h5"
        report("import", self.folder / name, "--rows", 100, "--delta", 0.05, "--constraint", "c=PR <= 0.5", "--out", store)
        return store

    def put(self, name, text, model="lr"):
        (self.folder / name).mkdir()
        (self.folder / name / f"{model}_results.csv").write_text(text)

    def refuses(self, message, *arguments):
        error = report(*arguments, expect=2)
        self.assertTrue(error.startswith("seldon-report: error: "), error)
        self.assertIn(message, error)

    def test_import(self):
        self.put("ragged", "data_frac,trial_i,performance,gvec\n0.5,0,0.25\n")
        out = self.folder / "new.h5"
        good = ["--rows", 100, "--delta", 0.05, "--constraint", "c=PR <= 0.5"]
        self.refuses("lr_results.csv:2: there are 3 fields", "import", self.folder / "ragged", *good, "--out", out)
        self.refuses("cannot be read as a folder", "import", self.folder / "nowhere", *good, "--out", out)
        self.refuses("exists already", "import", self.folder / "one", *good, "--out", self.store)
        self.refuses("is not NAME=EXPRESSION", "import", self.folder / "one", *good[:4], "--constraint", "c", "--out", out)
        self.refuses("--delta has 2 values for 1", "import", self.folder / "one", *good[:2], "--delta", "0.1,0.2",
                     *good[4:], "--out", out)
        self.refuses("--rows", "import", self.folder / "one", *good[2:], "--out", out)
        self.refuses("nowhere", "import", self.folder / "one", *good, "--out", self.folder / "nowhere" / "new.h5")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["one", "one.h5", "ragged"])

    def test_compare(self):
        other = self.make("other", "data_frac,trial_i,performance,gvec\n0.25,0,0.25,[-0.1]\n")
        third = self.make("third", "data_frac,trial_i,performance,gvec\n0.5,0,0.25,[-0.1]\n", model="svm")
        self.refuses("are the same file", "compare", self.store, self.store)
        (self.folder / "link.h5").symlink_to(self.store)
        self.refuses("are the same file", "compare", self.store, self.folder / "link.h5")
        self.refuses("nowhere.h5", "compare", self.store, self.folder / "nowhere.h5")
        self.refuses("is not a store", "compare", self.store, self.folder / "one" / "lr_results.csv")
        self.refuses("no data fraction is in both", "compare", self.store, other)
        self.refuses("no model is in both stores", "compare", self.store, third)
        self.refuses("has no model 'qsa'; it has 'svm'", "compare", self.store, third, "--models", "lr=qsa")
        self.refuses("is neither the name of a model", "compare", self.store, third, "--models", "lr=")
        self.refuses("--format: 'gif'", "compare", self.store, third, "--models", "lr=svm", "--format", "gif")
        self.refuses("no ground truth 'held_out'", "compare", self.store, third, "--models", "lr=svm", "--truth",
                     "held_out")
        out = report("compare", self.store, third, "--models", "lr=svm", "--out", self.folder / "tables")
        self.assertEqual(len(out.splitlines()), 10)

    def test_store_of_another_version(self):
        import h5py
        old = self.folder / "old.h5"
        shutil.copy(self.store, old)
        with h5py.File(old, "r+") as file:
            file.attrs["format_version"] = np.uint64(1)
        self.refuses("has format 1 and this program reads format 2", "compare", self.store, old)

    def test_torn_cells_are_left_out_with_a_warning(self):
        torn = self.folder / "torn.h5"
        data = bytearray(self.store.read_bytes())
        data[data.index(np.float64(0.25).tobytes())] ^= 1
        torn.write_bytes(bytes(data))
        run = subprocess.run([report_program, "compare", self.store, torn], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("1 record does not fit its checksum and is left out", run.stderr)
        self.assertIn("PARTIAL: of B 1 of 2 cells are recorded", run.stdout)


def main():
    global report_program
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="build folder (default: build)")
    options = parser.parse_args()
    report_program = options.build.resolve() / "bin" / "seldon-report"
    if not report_program.exists():
        sys.exit(f"{report_program} is not there; name the build folder with --build")
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    print(f"{result.testsRun} tests, {compared} numbers compared, {len(result.failures) + len(result.errors)} failed")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

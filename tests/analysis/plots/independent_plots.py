#!/usr/bin/env python3
"""Compares the numbers behind the figures of seldon-report with pandas, NumPy, SciPy and statsmodels.

    plots/independent_plots.py --build BUILD_FOLDER [--store STORE]

The store is one of configs/quickstart.toml with keep_trace = true, run anew where none is given (seconds). Needs the
packages of ../requirements.txt. Exits 1 if something differs.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

TOLERANCE = 1e-12
PROJECT = Path(__file__).resolve().parents[3]

arguments = None
folder = None
compared = 0  # numbers


def report(*words):
    """Runs seldon-report and returns its stdout."""
    run = subprocess.run([Path(arguments.build) / "bin/seldon-report", *map(str, words)], capture_output=True, text=True)
    if run.returncode != 0:
        raise AssertionError(f"{words} ended with {run.returncode}: {run.stdout}{run.stderr}")
    return run.stdout


def numbers(block):
    return np.array([[float(field) for field in line.split()] for line in block.splitlines() if line and not line.startswith("#")])


def blocks(file):
    """{comment: numbers} of a data file of gnuplot."""
    parts = file.read_text().split("\n\n\n")
    return {part.splitlines()[0].removeprefix("# "): numbers(part) for part in parts if numbers(part).size}


class Plots(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        report("export", arguments.store, "--layout", "tidy", "--out", folder / "tidy")
        cls.cells = pd.read_csv(folder / "tidy/cells.csv")
        cls.cells["solved"] = cls.cells.passed_safety.astype(bool)
        cls.cells["violated"] = cls.cells.failed_disparate_impact.eq(True)

    def close(self, got, wanted, what):
        global compared
        compared += np.size(wanted)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE, err_msg=str(what))

    def at(self, model, fraction):
        cells = self.cells[(self.cells.model == model) & np.isclose(self.cells.data_frac, fraction, rtol=1e-12)]
        return cells.set_index("trial")

    def rates_of(self, interval):
        """(name, row of the data file, the zeros and ones behind it) of each rate."""
        out = folder / interval
        report("plots", arguments.store, "--interval", interval, "--out", out, "--formats", "svg")
        drawn = blocks(out / "three_plots.dat")
        for model in self.cells.model.unique():
            for quantity, values_of in {
                "solution rate": lambda c: c.solved,
                "failure rate, disparate_impact": lambda c: c.violated,
                "failure rate among solutions, disparate_impact": lambda c: c.violated[c.solved],
            }.items():
                for row in drawn[f"{model}: {quantity}"]:
                    yield (model, quantity, row[0]), row, values_of(self.at(model, row[0])).astype(float)

    def test_bands_of_standard_errors(self):
        one = stats.norm.cdf(1) - stats.norm.cdf(-1)
        for name, row, values in self.rates_of("standard-error"):
            mean, error = values.mean(), values.sem()
            lower, upper = max(0, mean - error), min(1, mean + error)
            if mean in (0, 1) or len(values) == 1:
                lower, upper = proportion_confint(values.sum(), len(values), 1 - one, "wilson")
            self.assertLess(row[3], row[4], name)
            self.close(row[2:5], [mean, lower, upper], name)
            self.assertEqual(row[8], len(values))

    def test_exact_and_wilson_intervals(self):
        for interval, method, columns in (("exact", "beta", [6, 7]), ("wilson", "wilson", [9, 10])):
            for name, row, values in self.rates_of(interval):
                lower, upper = proportion_confint(values.sum(), len(values), 0.05, method)
                wanted = [np.nan_to_num(lower), 1 if np.isnan(upper) else upper]
                self.close(row[3:5], wanted, name)
                self.close(row[columns], wanted, name)

    def test_performance(self):
        for interval in ("standard-error", "exact"):
            out = folder / ("performance-" + interval)
            report("plots", arguments.store, "--interval", interval, "--out", out, "--formats", "svg")
            for name, rows in blocks(out / "three_plots.dat").items():
                if not name.endswith(": performance, log_loss"):
                    continue
                for row in rows:
                    values = self.at(name.split(":")[0], row[0]).log_loss.dropna()
                    width = values.sem() * (1 if interval == "standard-error" else stats.t.ppf(0.975, len(values) - 1))
                    mean = values.mean()
                    self.close(row[2:6], [mean, mean - width, mean + width, values.sem()], (name, row[0]))

    def test_pairs(self):
        with_interval = 0
        for row in pd.read_csv(io.StringIO(report("pairs", arguments.store, "--all", "--format", "csv"))).itertuples():
            first, second = (self.at(model, row.data_frac).log_loss for model in (row.first, row.second))
            both = (first - second).dropna()
            self.assertEqual(row.pairs, len(both))
            self.assertEqual(row.only_first, (first.notna() & second.isna()).sum())
            if len(both) < 2:
                self.assertTrue(np.isnan(row.difference_lower))
                continue
            test = stats.ttest_rel(first[both.index], second[both.index])
            interval = test.confidence_interval()
            self.close(
                [row.difference, row.standard_error, row.difference_lower, row.difference_upper, row.p],
                [both.mean(), both.sem(), interval.low, interval.high, test.pvalue],
                (row.first, row.second, row.data_frac),
            )
            with_interval += 1
        self.assertGreater(with_interval, 4)

    def test_traces(self):
        with h5py.File(arguments.store) as store:
            fractions, traces = store["data_fracs"][:], store["models/qsa/trace"][:]
        for fraction, trace in list(zip(fractions, traces))[-3:]:
            quantities = [trace[:, :, 0], trace[:, :, 0] + trace[:, :, 1] * trace[:, :, 2], trace[:, :, 1], trace[:, :, 2]]
            for band in ("quartiles", "standard-error"):
                report("trace", arguments.store, "--fraction", repr(float(fraction)), "--band", band, "--out", folder, "--formats", "svg")
                drawn = numbers((folder / "trace.dat").read_text().split("\n\n\n")[0])
                shown = len(drawn)
                np.testing.assert_array_equal(drawn[:, 1], (~np.isnan(trace[:, :shown, 0])).sum(axis=0))
                for k, values in enumerate(quantities):
                    values = values[:, :shown]
                    if band == "quartiles":
                        wanted = np.nanquantile(values, [0.5, 0.25, 0.75], axis=0)
                    else:
                        mean = np.nanmean(values, axis=0)
                        error = stats.sem(values, axis=0, nan_policy="omit")
                        wanted = np.array([mean, mean - error, mean + error])
                    self.close(drawn[:, 2 + 3 * k : 5 + 3 * k].T, wanted, (fraction, band, k))


def main():
    global arguments, folder
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--store")
    arguments, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="seldon-plots-") as name:
        folder = Path(name)
        if not arguments.store:
            arguments.store = folder / "quickstart.h5"
            program = Path(arguments.build) / "bin/seldon"
            config = PROJECT / "configs/quickstart.toml"
            subprocess.run([program, "run", config, "--set", "model.qsa.keep_trace=true", "--store", arguments.store], check=True, stdout=subprocess.DEVNULL)
        result = unittest.main(argv=[sys.argv[0], *rest], exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun} tests, {compared} numbers compared, {failed} failed")
    return 1 if failed or not compared else 0


if __name__ == "__main__":
    sys.exit(main())

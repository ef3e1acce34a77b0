#!/usr/bin/env python3
"""Compares the statistics of analysis/statistics with SciPy, statsmodels, scikit-learn and brute force.

    independent_statistics.py --build BUILD_FOLDER

Drives BUILD_FOLDER/bin/statistics_probe, which calls the very functions that seldon-report calls. Needs the packages of
requirements.txt. Exits 1 if something differs.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
from scipy import optimize, stats
from sklearn.metrics import f1_score, roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import (confint_proportions_2indep, proportion_confint, score_test_proportions_2indep,
                                          proportions_ztest)

CONFIDENCES = (0.9, 0.95, 0.995)
SIZES = (1, 2, 7, 30, 300, 23704)
TOLERANCE = 1e-12  # relative; absolute for what is about 0
compared = 0  # numbers that were held against another program's


class Probe:
    """The program under test: one call in, one result out."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, name, *args):
        line = json.dumps({"call": name, "args": encoded(args)})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return decoded(json.loads(self.process.stdout.readline()))

    def close(self):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        return status


probe = None


def encoded(value):
    """JSON has neither NaN nor infinity."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [encoded(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(float(value), "nan")
    return int(value) if isinstance(value, np.integer) else value


def decoded(value):
    if isinstance(value, dict):
        return {key: part if key == "error" else decoded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [decoded(part) for part in value]
    return float(value)


def counts_of(n):
    """Counts worth a look: none, one, some, all but one, all."""
    return sorted({0, min(1, n), n // 10, n // 3, n // 2, n - 1, n})


class Case(unittest.TestCase):
    def equal(self, got, wanted, what, tolerance=TOLERANCE):
        global compared
        for g, w in zip(np.ravel(got), np.ravel(wanted), strict=True):
            compared += 1
            close = np.isclose(g, w, rtol=tolerance, atol=tolerance, equal_nan=True)
            self.assertTrue(close, f"{what}: {float(g)!r}, not {float(w)!r}")


class Rates(Case):
    def test_wilson_and_exact(self):
        for n in SIZES:
            for count, confidence in itertools.product(counts_of(n), CONFIDENCES):
                what = f"{count} of {n} at {confidence}"
                test = stats.binomtest(count, n)
                wilson = probe("wilson", count / n, n, confidence)
                exact = probe("clopper_pearson", count, n, confidence)
                self.equal(wilson, test.proportion_ci(confidence, "wilson"), f"Wilson, {what}")
                self.equal(wilson, proportion_confint(count, n, 1 - confidence, "wilson"), f"Wilson, {what}")
                self.equal(exact, proportion_confint(count, n, 1 - confidence, "beta"), f"exact, {what}")
                # SciPy solves for the ends, to fewer digits.
                self.equal(exact, test.proportion_ci(confidence, "exact"), f"exact by SciPy, {what}", 1e-8)

    def test_no_rows(self):
        self.equal(probe("wilson", math.nan, 0, 0.95), [math.nan] * 2, "Wilson, no rows")
        self.equal(probe("clopper_pearson", 0, 0, 0.95), [math.nan] * 2, "exact, no rows")

    def test_standard_error(self):
        for n in SIZES[1:]:
            for count in counts_of(n):
                error = stats.sem([1] * count + [0] * (n - count))
                wanted = [max(0, count / n - error), min(1, count / n + error)]
                self.equal(probe("standard_error_band", count, n), wanted, f"standard error, {count} of {n}")

    def test_f1(self):
        """The value by scikit-learn, Wilson's interval of J by statsmodels, mapped."""
        for hits, errors in itertools.product((0, 1, 5, 40), (0, 1, 9)):
            n = hits + errors
            if n == 0:
                continue
            f1 = f1_score([1] * n, [1] * hits + [0] * errors)
            ends = np.array(proportion_confint(hits, n, 0.05, "wilson"))
            self.equal(probe("f1_interval", f1, n, 0.95), 2 * ends / (1 + ends), f"F1 of {hits} hits, {errors} errors")


class Means(Case):
    def setUp(self):
        self.random = np.random.default_rng(3)

    def test_quantiles(self):
        for confidence in CONFIDENCES:
            self.equal(probe("normal_quantile", confidence), stats.norm.isf((1 - confidence) / 2), "z")
            for freedom in (1, 1.5, 2, 9, 39, 5000):
                t = stats.t.isf((1 - confidence) / 2, freedom)
                self.equal(probe("student_quantile", confidence, freedom), t, f"t({freedom})")

    def test_student(self):
        for n, confidence in itertools.product((2, 3, 40, 1000), CONFIDENCES):
            values = self.random.normal(size=n)
            wanted = stats.ttest_1samp(values, 0).confidence_interval(confidence)
            self.equal(probe("student", values.mean(), values.std(ddof=1), n, confidence), wanted, f"Student, n {n}")

    def test_welch(self):
        for n, m, confidence in itertools.product((2, 5, 60), (2, 9, 700), CONFIDENCES):
            a, b = self.random.normal(1, 2, n), self.random.normal(0, 1, m)
            test = stats.ttest_ind(a, b, equal_var=False)
            samples = [[x.mean(), x.std(ddof=1), len(x)] for x in (a, b)]
            self.equal(probe("welch_test", *samples), [test.statistic, test.df, test.pvalue], "Welch")
            self.equal(probe("welch_interval", *samples, confidence), test.confidence_interval(confidence), "Welch")

    def test_paired(self):
        for n, confidence in itertools.product((2, 10, 40), CONFIDENCES):
            a = self.random.normal(size=n)
            b = a + self.random.normal(0.2, 0.5, n)
            # Trials in which one of the two found no solution.
            with_gaps = [np.append(a, [math.nan, 3]), np.append(b, [2, math.nan])]
            test = stats.ttest_rel(a, b)
            got = probe("paired", *with_gaps, confidence)
            self.assertEqual(got["pairs"], n)
            self.equal(got["mean"], np.mean(a - b), "paired mean")
            self.equal(got["sd"], np.std(a - b, ddof=1), "paired sd")
            self.equal(got["interval"], test.confidence_interval(confidence), "paired interval")
            self.equal(got["test"], [test.statistic, test.df, test.pvalue], "paired test")

    def test_ratio_of_sums(self):
        """The variance from each row's influence on the ratio, the interval by statsmodels."""
        for n in (3, 30, 500):
            label = (self.random.uniform(size=n) < 0.4).astype(float)
            label[:2] = 1, 0
            score = self.random.beta(2, 2, n)
            for x, y, name in ((score * label, score, "precision"), (2 * score * label, score + label, "F1")):
                sums = [n, x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()]
                got = probe("ratio_of_sums", sums, 0.95)
                value = x.sum() / y.sum()
                self.equal(got["value"], value, f"soft {name}")
                self.equal(got["variance"], n * np.var((x - value * y) / y.sum(), ddof=1), f"variance of soft {name}")
                self.equal(got["effective"], y.sum() ** 2 / (y * y).sum(), f"effective number of soft {name}")
                rows = value * (1 - value) / got["variance"]
                rows *= (stats.norm.isf(0.025) / stats.t.isf(0.025, got["effective"] - 1)) ** 2
                wanted = proportion_confint(value * rows, rows, 0.05, "wilson")
                self.equal(got["interval"], wanted, f"interval of soft {name}")


class TwoGroups(Case):
    def pairs(self):
        for n, m in itertools.product((1, 12, 40, 3000), (1, 30, 800)):
            for a, b in itertools.product(counts_of(n), counts_of(m)):
                yield a, n, b, m

    def rate(self, count, n, confidence=0.95):
        return [count / n, probe("wilson", count / n, n, confidence)]

    def test_difference(self):
        for a, n, b, m in self.pairs():
            wanted = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
            got = probe("difference", self.rate(a, n), self.rate(b, m))
            self.equal(got, wanted, f"{a} of {n} minus {b} of {m}")

    def test_ratio(self):
        """MOVER-R by its definition: the ratios r for which a - r b may be 0 by MOVER, found by bisection."""
        for a, n, b, m in self.pairs():
            (pa, (la, ua)), (pb, (lb, ub)) = self.rate(a, n), self.rate(b, m)
            got = probe("ratio", [pa, [la, ua]], [pb, [lb, ub]])
            lower = lambda r: pa - r * pb - math.hypot(pa - la, r * (ub - pb))
            upper = lambda r: pa - r * pb + math.hypot(ua - pa, r * (pb - lb))
            wanted = [optimize.brentq(lower, 0, 1e6, xtol=1e-300, rtol=1e-14) if a else 0,
                      optimize.brentq(upper, 0, 1e12, xtol=1e-300, rtol=1e-14) if b else math.inf]
            self.equal(got, wanted, f"{a} of {n} over {b} of {m}")

    def test_ratio_is_near_the_score_interval(self):
        """Two methods for one quantity: with hundreds of rows they differ by a few per cent of the width."""
        for a, n, b, m in ((150, 300, 180, 300), (30, 300, 45, 400), (900, 1000, 850, 1000)):
            got = np.log(probe("ratio", self.rate(a, n), self.rate(b, m)))
            for method in ("score", "log"):
                other = np.log(confint_proportions_2indep(a, n, b, m, method=method, compare="ratio"))
                self.equal((got - other) / (other[1] - other[0]), [0, 0], f"{a}/{n} over {b}/{m}, {method}", 0.03)

    def test_score_test(self):
        for a, n, b, m in self.pairs():
            got = probe("score_test", a / n, n, b / m, m)
            if a / n == b / m:
                self.equal(got[::2], [0, 1], "equal rates")
                continue
            z, p = proportions_ztest([a, b], [n, m])
            self.equal([got[0], np.log(got[2])], [z, np.log(p)], f"score test of {a} of {n}, {b} of {m}")
            table = [[a, n - a], [b, m - b]]
            self.equal(got[2], stats.chi2_contingency(table, correction=False).pvalue, "chi-squared test")
            without = score_test_proportions_2indep(a, n, b, m, compare="diff", correction=False)
            self.equal(got[2], without.pvalue, f"score test of {a} of {n}, {b} of {m}")

    def test_holm(self):
        random = np.random.default_rng(5)
        for m in (1, 2, 5, 24, 276):
            for p in (random.uniform(size=m), random.uniform(size=m) ** 6, np.round(random.uniform(size=m), 1)):
                self.equal(probe("holm", p), multipletests(p, method="holm")[1], f"Holm, {m} tests")
        with_none = [0.01, math.nan, 0.03]
        self.equal(probe("holm", with_none), [0.02, math.nan, 0.03], "Holm, a test that could not be made")

    def test_to_whole(self):
        """The whole's own counts."""
        for a, n, b, m in self.pairs():
            whole, share = (a + b) / (n + m), n / (n + m)
            self.equal(probe("difference_to_whole", a / n - b / m, share), a / n - whole, "difference to the whole")
            if a + b:
                ratio = a / n / (b / m) if b else math.inf
                self.equal(probe("ratio_to_whole", ratio, share), a / n / whole, "ratio to the whole")


class Trials(Case):
    def test_over_trials(self):
        random = np.random.default_rng(7)
        for trials, confidence in itertools.product((2, 10, 40), CONFIDENCES):
            values = np.clip(random.normal(0.8, 0.05, trials), 0, 1)
            value, n = values.mean(), 200
            within = np.array(proportion_confint(value * n, n, 1 - confidence, "wilson"))
            scatter = stats.ttest_1samp(values, 0).confidence_interval(confidence)
            margin = (scatter.high - scatter.low) / 2
            wanted = [value - math.hypot(value - within[0], margin), value + math.hypot(within[1] - value, margin)]
            got = probe("over_trials", value, within, values.var(ddof=1), trials, confidence, [0, 1])
            self.equal(got, np.clip(wanted, 0, 1), f"{trials} trials")
        self.equal(probe("over_trials", 0.5, [0.4, 0.7], math.nan, 1, 0.95, [0, 1]), [0.4, 0.7], "one trial")


def delong(positives, negatives):
    """Variance of the area, pair by pair (DeLong et al. 1988)."""
    wins = (positives[:, None] > negatives[None, :]) + 0.5 * (positives[:, None] == negatives[None, :])
    return np.var(wins.mean(axis=1), ddof=1) / len(positives) + np.var(wins.mean(axis=0), ddof=1) / len(negatives)


class Areas(Case):
    BINS = 64

    def samples(self):
        """Scores, by chance and at the edges: separated, all equal, one row, many ties."""
        random = np.random.default_rng(11)
        for n, m, shift in itertools.product((1, 2, 15, 400), (1, 2, 15, 700), (0, 1, 3)):
            yield [1 / (1 + np.exp(-random.normal(centre, 1, size))) for centre, size in ((shift, n), (-shift, m))]
        yield np.full(20, 0.9), np.full(30, 0.1)
        yield np.full(20, 0.1), np.full(30, 0.9)
        yield np.full(20, 0.5), np.full(30, 0.5)
        yield np.repeat([0.2, 0.5, 0.8], 9), np.repeat([0.2, 0.5], 7)
        yield np.array([0.0, 1.0]), np.array([0.0, 1.0, 1.0])

    def test_areas(self):
        for positives, negatives in self.samples():
            binned = [np.minimum(self.BINS - 1, (x * self.BINS).astype(int)) for x in (positives, negatives)]
            got = probe("auroc", *(np.bincount(x, minlength=self.BINS) for x in binned), 0.95)
            n, m = len(positives), len(negatives)
            what = f"{n} and {m} rows"
            labels = [1] * n + [0] * m
            area = roc_auc_score(labels, np.concatenate(binned))
            self.equal(got["value"], area, f"area, {what}")
            self.assertLessEqual(abs(roc_auc_score(labels, np.concatenate([positives, negatives])) - got["value"]),
                                 got["binning_error"] + 1e-12, f"binning error, {what}")
            if min(n, m) > 1:
                variance = delong(*binned)
                self.equal(got["variance"], variance, f"DeLong, {what}")
            if min(n, m) > 1 and variance > 0 and 0 < area < 1:
                scale = math.sqrt(variance) / (area * (1 - area))
                logit = stats.norm.interval(0.95, math.log(area / (1 - area)), scale)
                self.equal(got["interval"], stats.logistic.cdf(logit), f"logit interval, {what}")
            else:
                self.equal(got["interval"], got["score_interval"], f"degenerate, {what}")
            self.equal(got["score_interval"], score_interval(area, n, m), f"score interval, {what}")
            self.assertLess(got["interval"][0], got["interval"][1], f"an interval without width, {what}")


def score_interval(area, n, m):
    """Newcombe's method 5 as the roots of its cubic-over-quadratic equation, from polynomials."""
    z2, others = stats.norm.isf(0.025) ** 2, (n + m) / 2 - 1
    A = np.polynomial.Polynomial([0, 1])
    bracket = (2 - A) * (1 + A) + others * (1 - A) * (1 + A) + others * A * (2 - A)
    equation = (A - area) ** 2 * (2 - A) * (1 + A) * n * m - z2 * A * (1 - A) * bracket
    roots = [root.real for root in equation.roots() if abs(root.imag) < 1e-9 and -1e-9 <= root.real <= 1 + 1e-9]
    lower, upper = [r for r in roots if r < area - 1e-9], [r for r in roots if r > area + 1e-9]
    return [0 if area == 0 else max(lower), 1 if area == 1 else min(upper)]


class Errors(Case):
    def test_bad_input_is_named(self):
        for call in (("wilson", 1.5, 10, 0.95), ("wilson", 0.5, 10, 95), ("clopper_pearson", 3, 2, 0.95),
                     ("auroc", [1], [1, 2], 0.95), ("simultaneous", 0.95, 0), ("holm", [2.0])):
            self.assertIn("error", probe(*call), call)


def main():
    global probe
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="build folder (default: build)")
    options = parser.parse_args()
    program = options.build / "bin" / "statistics_probe"
    if not program.exists():
        sys.exit(f"{program} is not there: build with -DSELDON_TESTS=ON, or name the build folder with --build")
    probe = Probe(program)
    result = unittest.main(argv=sys.argv[:1], exit=False, warnings="ignore").result
    status = probe.close()
    print(f"{result.testsRun} tests, {compared} numbers compared, {len(result.failures) + len(result.errors)} failed")
    return 0 if result.wasSuccessful() and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

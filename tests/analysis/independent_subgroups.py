#!/usr/bin/env python3
"""Compares the subgroup tables of seldon-report with Fairlearn's MetricFrame, scikit-learn, statsmodels and SciPy.

    independent_subgroups.py --build BUILD_FOLDER

Rows become a store by BUILD_FOLDER/bin/rows_to_store, whose tables BUILD_FOLDER/bin/seldon-report prints as JSON; the
other packages see the same rows. Needs the packages of requirements.txt. Exits 1 if something differs.
"""

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from fairlearn import metrics as fair
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest

TOLERANCE = 1e-10  # relative, absolute below 1
BINS = 64
compared = 0
programs = None


def run(*command, status=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != status:
        raise AssertionError(f"{command}: exit code {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done


def number(cell):
    """A cell's value: NaN for what is none."""
    if cell is None:
        return math.nan
    value = cell["value"]
    return {"inf": math.inf, "-inf": -math.inf, None: math.nan}.get(value, value) if not isinstance(value, float) else value


def interval(cell):
    return [number({"value": cell[side]}) for side in ("lower", "upper")]


class Tables:
    """What seldon-report says of these rows, by the names of rows and columns."""

    def __init__(self, rows, subgroups, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            csv, store = Path(folder, "rows.csv"), Path(folder, "rows.h5")
            rows.to_csv(csv, index=False, float_format="%.17g")
            run(programs / "rows_to_store", csv, store, *subgroups)
            done = run(programs / "seldon-report", "tables", store, "--format", "json", "--measure", "all", "--table",
                       "subgroups,estimates,gaps,equality,invariants", *arguments)
        self.warnings = done.stderr
        self.tables = {}
        for table in json.loads(done.stdout):
            names = [column["name"] for column in table["columns"]]
            self.tables[table["name"]] = [dict(zip(names, row)) for row in table["rows"]]

    def table(self, kind, rule):
        return next(rows for name, rows in self.tables.items() if name.startswith(kind) and name.endswith("_" + rule))

    def estimate(self, rule, subgroup, measure):
        return next(row for row in self.table("estimates", rule)
                    if row["subgroup"] == subgroup and row["measure"] == measure)

    def gap(self, rule, family, criterion):
        return next(row for row in self.table("gaps", rule) if row["family"] == family and row["criterion"] == criterion)

    def equality(self, rule, subgroup, measure):
        return next(row for row in self.table("equality", rule)
                    if row["subgroup"] == subgroup and row["measure"] == measure)


def draw(seed, rows, trials=1, groups=("a", "b", "c"), scores="random"):
    """The same people in every trial; each trial has scores of its own."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"y": rng.integers(0, 2, rows), "g": rng.choice(groups, rows), "h": rng.choice(["x", "z"], rows)})
    parts = []
    for trial in range(trials):
        p = 1 / (1 + np.exp(-(people.y - 0.5 + rng.normal(0, 1.5, rows) + 0.4 * (people.g == "a"))))
        if scores == "ties":
            p = np.clip(np.round(p * 8), 1, 7) / 8  # none at 0 or 1, where scikit-learn clips the log loss elsewhere
        parts.append(people.assign(trial=trial, p=p)[["trial", "y", "p", "g", "h"]])
    return pd.concat(parts, ignore_index=True)


def binned(p):
    return np.minimum(np.floor(np.asarray(p) * BINS), BINS - 1)


def hard_metrics():
    """Fairlearn's and scikit-learn's functions of labels and decisions."""
    return {
        "accuracy": sk.accuracy_score,
        "positive_rate": fair.selection_rate,
        "tpr": fair.true_positive_rate,
        "fpr": fair.false_positive_rate,
        "tnr": fair.true_negative_rate,
        "fnr": fair.false_negative_rate,
        "precision": lambda y, d: sk.precision_score(y, d, zero_division=np.nan),
        "f1": lambda y, d: sk.f1_score(y, d, zero_division=np.nan),
        "balanced_accuracy": sk.balanced_accuracy_score,
    }


def score_metrics():
    """Of labels and scores."""
    return {
        "log_loss": lambda y, p: sk.log_loss(y, p, labels=[0, 1]),
        "auroc": lambda y, p: sk.roc_auc_score(y, binned(p)),
        "mean_score": lambda y, p: np.mean(p),
        "calibration": lambda y, p: np.mean(p) - np.mean(y),
    }


def soft_metrics():
    return {
        "accuracy": lambda y, p: np.mean(np.where(y == 1, p, 1 - p)),
        "positive_rate": lambda y, p: np.mean(p),
        "tpr": lambda y, p: np.mean(p[y == 1]),
        "fpr": lambda y, p: np.mean(p[y == 0]),
        "precision": lambda y, p: np.average(y, weights=p),
        "f1": lambda y, p: 2 * np.sum(p * y) / (np.sum(p) + np.sum(y)),
    }


class Case(unittest.TestCase):
    def close(self, got, wanted, what):
        global compared
        compared += 1
        if math.isnan(wanted) or math.isinf(wanted):
            self.assertTrue(math.isnan(got) if math.isnan(wanted) else got == wanted, f"{what}: {got}, not {wanted}")
        else:
            self.assertLessEqual(abs(got - wanted), TOLERANCE * max(1, abs(wanted)), f"{what}: {got}, not {wanted}")

    def close_interval(self, cell, wanted, what):
        for got, end in zip(interval(cell), wanted):
            self.close(got, end, what)


SUBGROUPS = ["all", "g=a", "g=b", "g=c", "h=x", "h=z"] + [f"g={g} x h={h}" for g in "abc" for h in "xz"]


def members(rows, subgroup):
    keep = pd.Series(True, rows.index)
    if subgroup != "all":
        for condition in subgroup.split(" x "):
            attribute, group = condition.split("=")
            keep &= rows[attribute] == group
    return rows[keep]


class MetricFrame(Case):
    """One trial: MetricFrame's by_group, its differences and ratios."""

    def check(self, rows, subgroups=SUBGROUPS):
        tables = Tables(rows, subgroups)
        y, p = rows.y.to_numpy(), rows.p.to_numpy()
        decided = (p >= 0.5).astype(int)
        for features in (["g"], ["h"], ["g", "h"]):
            family = " x ".join(features)
            for rule, measures, predicted in (("hard", hard_metrics(), decided), ("hard", score_metrics(), p),
                                              ("soft", score_metrics(), p), ("soft", soft_metrics(), p)):
                for name, metric in measures.items():
                    frame = fair.MetricFrame(metrics=self.or_nan(name, metric), y_true=y, y_pred=predicted,
                                             sensitive_features=rows[features])
                    self.check_frame(tables, rule, family, name, frame)
        self.check_criteria(tables, rows, decided)
        return tables

    @staticmethod
    def or_nan(name, metric):
        """What rests on one class only is NaN here, where others warn and give 0 or an error."""
        needs = {"tpr": [1], "fnr": [1], "fpr": [0], "tnr": [0], "auroc": [0, 1], "balanced_accuracy": [0, 1]}.get(name, [])

        def wrapped(y, predicted):
            y, predicted = np.asarray(y), np.asarray(predicted)
            return float(metric(y, predicted)) if all((y == k).any() for k in needs) else math.nan

        return wrapped

    def check_frame(self, tables, rule, family, name, frame):
        self.close(number(tables.estimate(rule, "all", name)["value"]), frame.overall, f"{rule} {name} of all")
        values = {}
        for group, value in frame.by_group.items():
            groups = group if isinstance(group, tuple) else (group,)
            subgroup = " x ".join(f"{a}={g}" for a, g in zip(family.split(" x "), groups))
            if math.isnan(value) and subgroup not in SUBGROUPS:
                continue
            self.close(number(tables.estimate(rule, subgroup, name)["value"]), value, f"{rule} {name} of {subgroup}")
            if not math.isnan(value):
                values[subgroup] = value
        criterion = {"positive_rate": "demographic_parity", "tpr": "equal_opportunity", "fpr": "predictive_equality",
                     "balanced_accuracy": "generalised_equal_opportunity"}.get(name, name)
        gap = tables.gap(rule, family, criterion)
        self.assertEqual(number(gap["pairs"]), len(values) * (len(values) - 1) / 2)
        if len(values) < 2:
            return
        self.close(number(gap["difference"]), frame.difference(), f"{rule} {name} difference of {family}")
        if name != "calibration" and max(values.values()) > 0:
            self.close(number(gap["ratio"]), min(values.values()) / max(values.values()), f"{rule} {name} ratio of {family}")
        ends = {values[gap["best_group"]], values[gap["worst_group"]]}
        self.assertEqual(ends, {min(values.values()), max(values.values())})

    def check_criteria(self, tables, rows, decided):
        """By Fairlearn's own functions of the criteria, where every group has both classes."""
        for feature in ("g", "h"):
            if rows.groupby(feature).y.nunique().min() < 2:
                continue
            for criterion, function, kind in (
                    ("demographic_parity", fair.demographic_parity_difference, "difference"),
                    ("demographic_parity", fair.demographic_parity_ratio, "ratio"),
                    ("equal_opportunity", fair.equal_opportunity_difference, "difference"),
                    ("equal_opportunity", fair.equal_opportunity_ratio, "ratio"),
                    ("equalized_odds", fair.equalized_odds_difference, "difference"),
                    ("equalized_odds_ratio", fair.equalized_odds_ratio, "ratio")):
                wanted = function(rows.y, decided, sensitive_features=rows[feature])
                gap = tables.gap("hard", feature, criterion)
                self.close(number(gap[kind]), wanted, f"{criterion} {kind} of {feature}")
            rates = {group: (part.p[part.y == 1].ge(0.5).mean(), part.p[part.y == 0].ge(0.5).mean())
                     for group, part in rows.groupby(feature)}
            wanted = max(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in itertools.combinations(rates.values(), 2))
            self.close(number(tables.gap("hard", feature, "equalized_odds_sum")["difference"]), wanted, "sum of the odds")
            opportunity = [tpr + 1 - fpr for tpr, fpr in rates.values()]
            self.close(number(tables.gap("hard", feature, "generalised_equal_opportunity")["ratio"]),
                       min(opportunity) / max(opportunity), "generalised equal opportunity")

    def test_random_rows(self):
        for seed, count in ((1, 40), (2, 400), (3, 3000)):
            tables = self.check(draw(seed, count))
            self.assertEqual(tables.warnings, "")

    def test_ties(self):
        self.check(draw(4, 500, scores="ties"))

    def test_one_row_groups(self):
        rows = draw(5, 60, groups=("a", "b"))
        one = pd.DataFrame({"trial": [0], "y": [1], "p": [0.7], "g": ["c"], "h": ["x"]})
        rows = pd.concat([rows, one], ignore_index=True)
        tables = self.check(rows)
        # Shown and flagged, with an interval from one row: Wilson's.
        cell = tables.estimate("hard", "g=c", "accuracy")["value"]
        self.assertEqual(cell["value"], 1)
        self.assertTrue(cell["flagged"])
        self.close_interval(cell, proportion_confint(1, 1, method="wilson"), "one row")
        self.assertEqual(tables.estimate("soft", "g=c", "accuracy")["sampling_se"]["value"], None)

    def test_empty_groups(self):
        rows = draw(6, 80, groups=("a", "b"))
        tables = self.check(rows)
        for rule in ("soft", "hard"):
            for measure in ("accuracy", "tpr", "auroc", "log_loss"):
                cell = tables.estimate(rule, "g=c", measure)["value"]
                self.assertIsNone(cell["value"])
                self.assertEqual(cell["text"], "no rows")
                self.assertTrue(cell["flagged"])

    def test_all_labels_one(self):
        rows = draw(7, 90).assign(y=1)
        tables = self.check(rows)
        for measure in ("fpr", "tnr", "auroc"):
            self.assertEqual(tables.estimate("hard", "all", measure)["value"]["text"], "no negatives")
        self.assertIn("one class", tables.estimate("hard", "g=a", "balanced_accuracy")["value"]["text"])
        rows = draw(7, 90).assign(y=0)
        tables = self.check(rows)
        for measure in ("tpr", "fnr", "auroc"):
            self.assertEqual(tables.estimate("hard", "all", measure)["value"]["text"], "no positives")

    def test_nothing_decided_positive(self):
        rows = draw(8, 90)
        rows.p = rows.p / 4
        tables = self.check(rows)
        self.assertEqual(tables.estimate("hard", "all", "precision")["value"]["text"], "no row decided for the class")
        self.assertEqual(number(tables.estimate("hard", "all", "f1")["value"]), 0)

    def test_auroc_lies_within_its_stated_error(self):
        rows = draw(9, 500)
        with tempfile.TemporaryDirectory() as folder:
            csv, store = Path(folder, "rows.csv"), Path(folder, "rows.h5")
            rows.to_csv(csv, index=False, float_format="%.17g")
            run(programs / "rows_to_store", csv, store, *SUBGROUPS)
            done = run(programs / "seldon-report", "tables", store, "--format", "json", "--table", "estimates",
                       "--measure", "auroc", "--rule", "soft")
        table = json.loads(done.stdout)[0]
        note = next(note for note in table["notes"] if note.startswith("AUROC"))
        bound = float(note.split("subgroup: model ")[1].split(" ")[0])
        self.assertGreater(bound, 0)
        names = [column["name"] for column in table["columns"]]
        for row in (dict(zip(names, row)) for row in table["rows"]):
            part = members(rows, row["subgroup"])
            self.assertLessEqual(abs(number(row["value"]) - sk.roc_auc_score(part.y, part.p)), bound + 5e-5)


class Intervals(Case):
    """One trial: the interval is that of one evaluation set."""

    def test_of_cells(self):
        rows = draw(11, 200)
        tables = Tables(rows, SUBGROUPS, "--confidence", "0.9")
        for subgroup in SUBGROUPS:
            part = members(rows, subgroup)
            hits = ((part.p >= 0.5) == part.y).sum()
            cell = tables.estimate("hard", subgroup, "accuracy")["value"]
            self.close_interval(cell, proportion_confint(hits, len(part), alpha=0.1, method="wilson"), subgroup)
            own = np.where(part.y == 1, part.p, 1 - part.p)
            wanted = stats.t.interval(0.9, len(part) - 1, own.mean(), stats.sem(own))
            self.close_interval(tables.estimate("soft", subgroup, "accuracy")["value"], np.clip(wanted, 0, 1), subgroup)
            loss = -np.log(own)
            wanted = stats.t.interval(0.9, len(part) - 1, loss.mean(), stats.sem(loss))
            self.close_interval(tables.estimate("hard", subgroup, "log_loss")["value"], np.maximum(wanted, 0), subgroup)
            self.close(number(tables.estimate("hard", subgroup, "log_loss")["sampling_se"]), stats.sem(loss), subgroup)
            excess = part.p - part.y
            wanted = stats.t.interval(0.9, len(part) - 1, excess.mean(), stats.sem(excess))
            self.close_interval(tables.estimate("hard", subgroup, "calibration")["value"], wanted, subgroup)

    def test_of_gaps_are_simultaneous(self):
        rows = draw(12, 300)
        tables = Tables(rows, SUBGROUPS)
        for family, groups in (("g", SUBGROUPS[1:4]), ("g x h", SUBGROUPS[6:])):
            gap = tables.gap("hard", family, "accuracy")
            pairs = len(groups) * (len(groups) - 1) // 2
            self.assertEqual(number(gap["pairs"]), pairs)
            counts = []
            for group in (gap["best_group"], gap["worst_group"]):
                part = members(rows, group)
                counts += [((part.p >= 0.5) == part.y).sum(), len(part)]
            wanted = confint_proportions_2indep(*counts, method="newcomb", alpha=0.05 / pairs)
            self.close_interval(gap["difference"], wanted, family)

    def test_against_the_whole(self):
        rows = draw(13, 300)
        tables = Tables(rows, SUBGROUPS)
        for rule in ("hard", "soft"):
            p_values = []
            for subgroup in SUBGROUPS[1:]:
                inside = rows.index.isin(members(rows, subgroup).index)
                decided = (rows.p >= 0.5).astype(int) if rule == "hard" else rows.p
                part, rest = decided[inside], decided[~inside]
                found = tables.equality(rule, subgroup, "positive_rate")
                self.close(number(found["difference"]), part.mean() - decided.mean(), subgroup)
                self.close(number(found["ratio"]), part.mean() / decided.mean(), subgroup)
                if rule == "hard":
                    statistic, p = proportions_ztest([part.sum(), rest.sum()], [len(part), len(rest)])
                    newcombe = confint_proportions_2indep(part.sum(), len(part), rest.sum(), len(rest), method="newcomb")
                    self.close_interval(found["difference"], np.array(newcombe) * len(rest) / len(rows), subgroup)
                else:
                    statistic, p = stats.ttest_ind(part, rest, equal_var=False)
                self.close(number(found["statistic"]), statistic, subgroup)
                self.close(number(found["p"]), p, subgroup)
                p_values.append(p)
            for subgroup, adjusted in zip(SUBGROUPS[1:], multipletests(p_values, method="holm")[1]):
                found = tables.equality(rule, subgroup, "positive_rate")
                self.close(number(found["p_holm"]), adjusted, subgroup)
                self.assertEqual(number(found["tests"]), len(SUBGROUPS) - 1)


class Trials(Case):
    """Several trials: means, the variance between them and within one evaluation set."""

    def per_trial(self, rows, subgroup, rule, name):
        metric = (hard_metrics() if rule == "hard" else soft_metrics()) | score_metrics()
        values = []
        for _, part in members(rows, subgroup).groupby("trial"):
            p = part.p.to_numpy()
            predicted = (p >= 0.5).astype(int) if rule == "hard" and name not in score_metrics() else p
            values.append(float(metric[name](part.y.to_numpy(), predicted)))
        return np.array(values)

    def test_means_and_standard_deviations(self):
        rows = draw(21, 200, trials=7)
        tables = Tables(rows, SUBGROUPS)
        for rule, names in (("hard", list(hard_metrics()) + list(score_metrics())), ("soft", list(soft_metrics()))):
            for subgroup, name in itertools.product(SUBGROUPS, names):
                values = self.per_trial(rows, subgroup, rule, name)
                found = tables.estimate(rule, subgroup, name)
                self.assertEqual(number(found["trials"]), 7)
                self.close(number(found["value"]), values.mean(), f"{rule} {name} {subgroup}")
                self.close(number(found["between_sd"]), values.std(ddof=1), f"SD of {rule} {name} {subgroup}")

    def test_sampling_error(self):
        rows = draw(22, 150, trials=5)
        tables = Tables(rows, SUBGROUPS)
        for subgroup in SUBGROUPS:
            variances = {"accuracy": [], "tpr": []}
            for _, part in members(rows, subgroup).groupby("trial"):
                hit = (part.p >= 0.5) == part.y
                variances["accuracy"].append(hit.mean() * (1 - hit.mean()) / len(hit))
                hit = hit[part.y == 1]
                variances["tpr"].append(hit.mean() * (1 - hit.mean()) / len(hit))
            for name, wanted in variances.items():
                self.close(number(tables.estimate("hard", subgroup, name)["sampling_se"]), math.sqrt(np.mean(wanted)), name)

    def test_interval_adds_both_variances(self):
        rows = draw(23, 150, trials=5)
        tables = Tables(rows, SUBGROUPS)
        for subgroup in SUBGROUPS:
            values = self.per_trial(rows, subgroup, "hard", "accuracy")
            n = len(members(rows, subgroup)) / 5
            inner = proportion_confint(values.mean() * n, n, method="wilson")
            margin = stats.t.ppf(0.975, 4) * values.std(ddof=1) / math.sqrt(5)
            wanted = [values.mean() - math.hypot(values.mean() - inner[0], margin),
                      values.mean() + math.hypot(inner[1] - values.mean(), margin)]
            self.close_interval(tables.estimate("hard", subgroup, "accuracy")["value"], np.clip(wanted, 0, 1), subgroup)

    def test_gaps_keep_the_covariance_of_groups(self):
        rows = draw(24, 200, trials=6)
        tables = Tables(rows, SUBGROUPS)
        for rule, names in (("hard", ["accuracy", "positive_rate", "tpr", "f1", "auroc"]), ("soft", ["accuracy", "precision"])):
            for family, name in itertools.product(("g", "h", "g x h"), names):
                criterion = {"positive_rate": "demographic_parity", "tpr": "equal_opportunity"}.get(name, name)
                gap = tables.gap(rule, family, criterion)
                best, worst = (self.per_trial(rows, gap[end], rule, name) for end in ("best_group", "worst_group"))
                self.close(number(gap["difference"]), (best - worst).mean(), f"{rule} {name} {family}")
                self.close(number(gap["difference_between_sd"]), (best - worst).std(ddof=1), f"{rule} {name} {family}")
                ratio = worst.mean() / best.mean()
                self.close(number(gap["ratio"]), ratio, f"{rule} {name} {family}")
                self.close(number(gap["ratio_between_sd"]), ((worst - ratio * best) / best.mean()).std(ddof=1),
                           f"{rule} {name} {family}")


    def test_tests_count_the_trials_as_degrees_of_freedom(self):
        rows = draw(25, 200, trials=4)
        tables = Tables(rows, SUBGROUPS)
        for rule, subgroup in itertools.product(("hard", "soft"), SUBGROUPS[1:]):
            differences, within, means = [], [], []
            for _, part in rows.groupby("trial"):
                inside = part.index.isin(members(part, subgroup).index)
                decided = (part.p >= 0.5).astype(float) if rule == "hard" else part.p
                sides = decided[inside], decided[~inside]
                sizes = [len(side) for side in sides]
                differences.append(sides[0].mean() - sides[1].mean())
                means.append([side.mean() for side in sides])
                within.append([side.var(ddof=1) / len(side) for side in sides])
            between = np.var(differences, ddof=1) / len(differences)
            parts = [(v, n - 1) for v, n in zip(np.mean(within, axis=0), sizes)]
            if rule == "hard":
                pooled = np.average(np.mean(means, axis=0), weights=sizes)
                parts = [(pooled * (1 - pooled) * sum(1 / n for n in sizes), math.inf)]
            parts.append((between, len(differences) - 1))
            total = sum(v for v, _ in parts)
            df = total**2 / sum(v**2 / f for v, f in parts)
            found = tables.equality(rule, subgroup, "positive_rate")
            self.close(number(found["statistic"]), np.mean(differences) / math.sqrt(total), f"{rule} {subgroup}")
            self.close(number(found["df"]), df, f"{rule} {subgroup}")
            self.close(number(found["p"]), 2 * stats.t.sf(abs(np.mean(differences)) / math.sqrt(total), df), subgroup)


class OtherRegimes(Case):
    def test_three_classes(self):
        rng = np.random.default_rng(31)
        rows = pd.DataFrame({"trial": 0, "y": rng.integers(0, 3, 240), "g": rng.choice(["a", "b"], 240)})
        scores = rng.dirichlet([1, 1, 1], 240) + np.eye(3)[rows.y] * 0.4
        for k, column in enumerate((scores / scores.sum(axis=1, keepdims=True)).T):
            rows[f"p{k}"] = column
        tables = Tables(rows, ["all", "g=a", "g=b"])
        opportunity = {}
        for subgroup in ("all", "g=a", "g=b"):
            part = members(rows, subgroup)
            p, y = part[["p0", "p1", "p2"]].to_numpy(), part.y.to_numpy()
            decided = p.argmax(axis=1)
            wanted = {"accuracy": sk.accuracy_score(y, decided), "log_loss": sk.log_loss(y, p, labels=[0, 1, 2]),
                      "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
                      "auroc_[2]": sk.roc_auc_score(y == 2, binned(p[:, 2]))}
            for k in range(3):
                wanted |= {f"tpr_[{k}]": sk.recall_score(y == k, decided == k),
                           f"precision_[{k}]": sk.precision_score(y == k, decided == k),
                           f"f1_[{k}]": sk.f1_score(y == k, decided == k),
                           f"fpr_[{k}]": fair.false_positive_rate(y == k, decided == k, pos_label=True),
                           f"positive_rate_[{k}]": np.mean(decided == k), f"mean_score_[{k}]": p[:, k].mean()}
            for name, value in wanted.items():
                self.close(number(tables.estimate("hard", subgroup, name)["value"]), value, f"{name} of {subgroup}")
            soft = {"accuracy": p[np.arange(len(y)), y].mean(), "tpr_[1]": p[y == 1, 1].mean(),
                    "fpr_[0]": p[y != 0, 0].mean()}
            for name, value in soft.items():
                self.close(number(tables.estimate("soft", subgroup, name)["value"]), value, f"soft {name} of {subgroup}")
            opportunity[subgroup] = sum(np.mean(decided[y == k] == k) for k in range(3))
        ends = sorted((opportunity["g=a"], opportunity["g=b"]))
        self.close(number(tables.gap("hard", "g", "generalised_equal_opportunity")["ratio"]), ends[0] / ends[1], "GEO")

    def test_regression(self):
        rng = np.random.default_rng(32)
        rows = pd.DataFrame({"trial": 0, "y": rng.normal(3, 1, 150), "g": rng.choice(["a", "b"], 150)})
        rows["yhat"] = rows.y + rng.normal(0.2, 0.5, 150)
        tables = Tables(rows, ["all", "g=a", "g=b"])
        for subgroup in ("all", "g=a", "g=b"):
            part = members(rows, subgroup)
            error = part.yhat - part.y
            for name, values, value in (
                    ("mean_error", error, error.mean()),
                    ("mean_squared_error", error**2, sk.mean_squared_error(part.y, part.yhat)),
                    ("mean_absolute_error", error.abs(), sk.mean_absolute_error(part.y, part.yhat))):
                found = tables.estimate("value", subgroup, name)
                self.close(number(found["value"]), value, name)
                self.close(number(found["sampling_se"]), stats.sem(values), name)
                self.close_interval(found["value"], stats.t.interval(0.95, len(part) - 1, value, stats.sem(values)), name)


class Invariants(Case):
    def test_hold_for_these_rows(self):
        tables = Tables(draw(41, 200, trials=3), SUBGROUPS)
        for row in tables.tables["invariants"]:
            self.assertGreater(number(row["checked"]), 0)
            self.assertEqual(number(row["breaches"]), 0)

    def test_groups_that_leave_rows_out_break_them(self):
        tables = Tables(draw(42, 200), ["all", "g=a", "g=b"])
        row = next(row for row in tables.tables["invariants"] if row["invariant"] == "groups add up to the whole")
        self.assertEqual(number(row["breaches"]), 1)
        self.assertIn("groups add up to the whole", tables.warnings)


class Command(Case):
    """Forms, files, and what is refused."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        csv, cls.store = Path(cls.folder.name, "rows.csv"), Path(cls.folder.name, "rows.h5")
        draw(51, 60, trials=2).to_csv(csv, index=False)
        run(programs / "rows_to_store", csv, cls.store, *SUBGROUPS)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def tables(self, *arguments, status=0):
        return run(programs / "seldon-report", "tables", self.store, *arguments, status=status)

    def test_prints_without_colour_into_a_pipe(self):
        text = self.tables("--attribute", "all").stdout
        self.assertIn("g=a x h=z", text)
        self.assertIn("demographic_parity", text)
        self.assertNotIn("\x1b", text)

    def test_prints_what_fits_a_screen(self):
        lines = self.tables().stdout.splitlines()
        self.assertLess(max(len(line) for line in lines if line.startswith("model")), 140)
        self.assertTrue(any("g=a " in line for line in lines))
        self.assertFalse(any("g=a x h=z" in line for line in lines))
        self.assertEqual(sum(line.startswith("In brackets") for line in lines), 1)
        self.assertTrue(any(line.startswith("Invariants: ") and line.endswith("none broken.") for line in lines))
        self.assertTrue(any("--out DIR" in line for line in lines))

    def test_names_stated_twice_count_once(self):
        text = self.tables("--format", "csv", "--table", "subgroups", "--rule", "hard", "--subgroup", "g=a,g=a",
                           "--attribute", "g", "--measure", "tpr,tpr", "--fraction", "1,1").stdout
        self.assertEqual([line.split(",")[1] for line in text.splitlines()], ["subgroup", "g=a", "g=b", "g=c"])
        self.assertEqual(text.splitlines()[0].split(",").count("tpr"), 1)

    def test_writes_each_form(self):
        out = Path(self.folder.name, "out")
        listed = self.tables("--out", out, "--format", "csv,markdown,latex,json,console").stdout.splitlines()
        self.assertEqual(sorted(map(Path, listed)), sorted(out.iterdir()))
        self.assertEqual({path.suffix for path in out.iterdir()}, {".csv", ".md", ".tex", ".json", ".txt"})
        estimates = pd.read_csv(out / "estimates_n60_hard.csv")
        self.assertEqual(len(estimates), len(SUBGROUPS) * estimates.measure.nunique())
        self.assertTrue({"value", "value_lower", "value_upper", "between_sd", "sampling_se"} <= set(estimates.columns))

    def test_selects(self):
        rows = Tables(draw(52, 60), SUBGROUPS, "--rule", "hard", "--attribute", "h", "--subgroup", "g=a").tables
        self.assertEqual([name for name in rows if name.endswith("soft")], [])
        self.assertEqual([row["subgroup"] for row in rows["subgroups_n60_hard"]], ["g=a", "h=x", "h=z"])

    def test_refuses_what_is_not_there(self):
        for arguments, message in (
                (("--model", "qsa"), "--model: there is no 'qsa'; there is 'model'"),
                (("--fraction", "0.5"), "--fraction: there is no '0.5'; there is '1' and 'all'"),
                (("--subgroup", "g=q"), "--subgroup: there is no 'g=q'; there is 'all', 'g=a'"),
                (("--attribute", "age"), "--attribute: there is no 'age'; there is 'g', 'h', 'g x h'"),
                (("--measure", "tpf"), "--measure: there is no 'tpf'; there is 'accuracy'"),
                (("--truth", "held_out"), "the store holds no ground truth 'held_out'"),
                (("--table", "best"), "--table: there is no 'best'; there is 'subgroups'"),
                (("--format", "xls"), "--format: 'xls' is not console, csv, markdown, latex or json"),
                (("--format", "csv,json"), "several forms need a folder"),
                (("--confidence", "95"), "--confidence must lie between 0 and 1"),
                (("--rule", "both_"), "--rule")):
            self.assertIn(message, self.tables(*arguments, status=2).stderr)

    def test_refuses_what_is_no_store(self):
        path = Path(self.folder.name, "rows.csv")
        run(programs / "seldon-report", "tables", path, status=2)
        run(programs / "seldon-report", "tables", path.with_name("nothing.h5"), status=2)


def main():
    global programs
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build"), help="build folder (default: build)")
    options = parser.parse_args()
    programs = options.build / "bin"
    for name in ("seldon-report", "rows_to_store"):
        if not (programs / name).exists():
            sys.exit(f"{programs / name} is not there: build with -DSELDON_TESTS=ON, or name the build folder with --build")
    warnings.simplefilter("ignore")
    result = unittest.main(argv=sys.argv[:1], exit=False, warnings="ignore").result
    print(f"{result.testsRun} tests, {compared} numbers compared, {len(result.failures) + len(result.errors)} failed")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())

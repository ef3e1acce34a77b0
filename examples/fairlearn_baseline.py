#!/usr/bin/env python3
"""A baseline outside the engine: Fairlearn's reduction to logistic regression under disparate impact.

    fairlearn_baseline.py [--ratio 0.9] TRAIN.csv PREDICT.csv OUT.csv

Seldon runs it once per cell for a model with `architecture = "external"`, and appends the three paths: TRAIN.csv has
a column per feature, `label` and a 0/1 column `group:<name>` per declared group; PREDICT.csv the same without
`label`; OUT.csv receives the probability of class 1 of each row of PREDICT.csv, one per line, no header.

Method: exponentiated gradient (Agarwal et al., "A reductions approach to fair classification", ICML 2018) returns a
randomised classifier, a mixture of logistic regressions; a row's probability is the weight of those that say 1.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.linear_model import LogisticRegression


def split(table):
    """Features, and for each row the names of the groups that it is in."""
    groups = table.filter(regex="^group:")
    if groups.shape[1] == 0:
        sys.exit("fairlearn_baseline.py: no group:<name> column; declare groups with [[group]]")
    names = [column.removeprefix("group:") for column in groups.columns]
    membership = [" & ".join(np.array(names)[row == 1]) for row in groups.to_numpy()]
    features = table.drop(columns=["label", *groups.columns], errors="ignore")
    return features, np.array(membership)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratio", type=float, default=0.9, help="bound of the ratio of positive rates (default 0.9)")
    parser.add_argument("train")
    parser.add_argument("predict")
    parser.add_argument("out")
    options = parser.parse_args()

    train = pd.read_csv(options.train)
    features, group = split(train)
    if train["label"].nunique() < 2:
        sys.exit("fairlearn_baseline.py: the training rows hold one class only")
    method = ExponentiatedGradient(
        LogisticRegression(max_iter=1000), DemographicParity(ratio_bound=options.ratio, ratio_bound_slack=0.0)
    )
    method.fit(features, train["label"], sensitive_features=group)

    rows, _ = split(pd.read_csv(options.predict))
    probability = np.zeros(len(rows))
    for classifier, weight in zip(method.predictors_, method.weights_):
        if weight > 0:
            probability += weight * classifier.predict(rows)
    np.savetxt(options.out, np.clip(probability, 0.0, 1.0), fmt="%.17g")


if __name__ == "__main__":
    main()

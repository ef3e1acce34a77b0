"""The Python toolkit's share of the comparison: one piece of work, timed, as one line of JSON.

compare_toolkit.py starts it in the virtual environment that holds the toolkit, on one core:

    toolkit_side.py loan DATA.csv | gpa DATA.csv.gz | cnn

`seconds` is the whole Seldonian algorithm (initial solution, candidate selection, safety test); an iteration runs
from one batch to the next, so that neither the initial solution nor the safety test is in it.
"""

import contextlib
import json
import os
import statistics
import sys
import time
import warnings

import autograd.numpy as np
import pandas as pd
from seldonian.candidate_selection.candidate_selection import CandidateSelection
from seldonian.dataset import SupervisedDataSet, SupervisedMetaData
from seldonian.models import objectives
from seldonian.models.models import BinaryLogisticRegressionModel
from seldonian.parse_tree.parse_tree import make_parse_trees_from_constraints
from seldonian.seldonian_algorithm import SeldonianAlgorithm
from seldonian.spec import SupervisedSpec
from seldonian.utils.stats_utils import default_supervised_initial_solution_fn

DISPARATE_IMPACT = "min((PR | [M])/(PR | [F]),(PR | [F])/(PR | [M])) >= {}"
ACCURACY_RATIO = "min((ACC | [M])/(ACC | [F]),(ACC | [F])/(ACC | [M])) >= 0.8"
LOAN_COLUMNS = {"F": 29, "M": 30}
GPA_COLUMNS = {"M": 0, "F": 1}
FACE_BATCH = 237
FACE_ITERATIONS = 6


def dataset(features, labels, sensitive):
    meta = SupervisedMetaData(
        sub_regime="classification",
        all_col_names=["features", "label", "M", "F"],
        feature_col_names=["features"],
        label_col_names=["label"],
        sensitive_col_names=["M", "F"],
    )
    return SupervisedDataSet(features, labels, sensitive, len(labels), meta)


def table(path, sensitive_columns):
    """A table without header whose last column is the label."""
    values = pd.read_csv(path, header=None).to_numpy(dtype=float)
    sensitive = values[:, [sensitive_columns["M"], sensitive_columns["F"]]].astype(int)
    features = np.delete(values[:, :-1], list(sensitive_columns.values()), axis=1)
    return dataset(features, values[:, -1].astype(int), sensitive)


def spec(data, model, constraint, initial_solution, frac_in_safety, **hyperparameters):
    trees = make_parse_trees_from_constraints(
        [constraint],
        [0.05],
        regime="supervised_learning",
        sub_regime="classification",
        columns=["M", "F"],
    )
    is_network = not isinstance(model, BinaryLogisticRegressionModel)
    return SupervisedSpec(
        dataset=data,
        model=model,
        parse_trees=trees,
        sub_regime="classification",
        frac_data_in_safety=frac_in_safety,
        primary_objective=objectives.binary_logistic_loss,
        use_builtin_primary_gradient_fn=not is_network,
        initial_solution_fn=initial_solution,
        optimization_hyperparams={
            "lambda_init": np.array([0.5]),
            "beta_velocity": 0.9,
            "beta_rmsprop": 0.95,
            "gradient_library": "autograd",
            "hyper_search": None,
            "verbose": False,
            **hyperparameters,
        },
        batch_size_safety=2000 if is_network else None,
    )


def linear_spec(path, columns, threshold, iterations):
    return spec(
        table(path, columns),
        BinaryLogisticRegressionModel(),
        DISPARATE_IMPACT.format(threshold),
        default_supervised_initial_solution_fn,
        frac_in_safety=0.6,
        alpha_theta=0.01,
        alpha_lamb=0.01,
        use_batches=False,
        num_iters=iterations,
    )


def face_spec():
    """The face network on noise: the time of an iteration does not depend on what the pictures show."""
    import torch
    from experiments.baselines.facial_recog_cnn import FacialRecogCNNModel
    from seldonian.models.pytorch_model import SupervisedPytorchBaseModel

    class ProbabilityOfClassOne(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = FacialRecogCNNModel()

        def forward(self, pictures):
            return torch.softmax(self.network(pictures), dim=1)[:, 1]

    class FaceModel(SupervisedPytorchBaseModel):
        def create_model(self, **kwargs):
            return ProbabilityOfClassOne()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    rows = 2 * FACE_BATCH * FACE_ITERATIONS
    pictures = random.random((rows, 1, 48, 48), dtype=np.float32)
    female = random.integers(0, 2, rows)
    model = FaceModel(device=torch.device("cpu"))
    return spec(
        dataset(pictures, female, np.stack([1 - female, female], axis=1)),
        model,
        ACCURACY_RATIO,
        model.get_model_params,
        frac_in_safety=0.5,
        alpha_theta=0.001,
        alpha_lamb=0.001,
        use_batches=True,
        batch_size=FACE_BATCH,
        n_epochs=1,
    )


def measure(specification):
    """Runs the algorithm once; the seconds of all of it, and of the median iteration."""
    starts = []
    calculate_batches = CandidateSelection.calculate_batches

    def timed(self, *arguments):
        starts.append(time.perf_counter())
        return calculate_batches(self, *arguments)

    CandidateSelection.calculate_batches = timed
    started = time.perf_counter()
    passed, _ = SeldonianAlgorithm(specification).run()
    seconds = time.perf_counter() - started
    steps = [after - before for before, after in zip(starts, starts[1:])]
    return {
        "seconds": seconds,
        "iterations": len(starts),
        "seconds_per_iteration": statistics.median(steps),
        "passed": bool(passed),
    }


def main():
    warnings.simplefilter("ignore")
    work = sys.argv[1]
    if work == "loan":
        name, specification = "loan_trial", linear_spec(sys.argv[2], LOAN_COLUMNS, 0.9, 1500)
    elif work == "gpa":
        name, specification = "gpa", linear_spec(sys.argv[2], GPA_COLUMNS, 0.8, 1000)
    elif work == "cnn":
        name, specification = "cnn_step", face_spec()
    else:
        sys.exit(f"unknown work {work!r}: loan, gpa or cnn")
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = measure(specification)
    print(json.dumps({"bench": name, **result}))


if __name__ == "__main__":
    main()

"""Train a classifier on real data and register it, as a CI job would.

The data set is "Breast Cancer Wisconsin (Diagnostic)" (569 patients, 30 measurements). It comes with scikit-learn, so
nothing is downloaded. The same arguments on the same versions write the same bytes: a job that is run again registers
nothing new.
"""

import argparse
import csv
import json
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

# What must be installed to load the model.
PACKAGES = ("joblib", "numpy", "scikit-learn", "scipy")


def main() -> int:
    arguments = parse()
    out = arguments.out
    model = out / "model"
    model.mkdir(parents=True, exist_ok=True)

    data = load_breast_cancer()
    features = [str(name) for name in data.feature_names]
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.25, stratify=data.target, random_state=arguments.seed
    )
    write_table(out / "train.csv", features, x_train, y_train)
    write_table(out / "test.csv", features, x_test, y_test)

    # One job, because the order in which threads add up their trees would change the last digits of the probabilities.
    classifier = RandomForestClassifier(
        n_estimators=100, max_depth=arguments.depth, random_state=arguments.seed, n_jobs=1
    ).fit(x_train, y_train)

    joblib.dump(classifier, model / "model.joblib")
    write_json(model / "signature.json", signature(features))
    (model / "requirements.txt").write_text("".join(f"{name}=={version(name)}\n" for name in PACKAGES))

    write_json(out / "params.json", {"depth": arguments.depth, "seed": arguments.seed, "trees": 100})
    metrics = evaluate(classifier, x_test, y_test)
    write_json(out / "metrics.json", metrics)
    print(" ".join(f"{name}={value:.4f}" for name, value in metrics.items()), file=sys.stderr)

    command = [*registration(arguments.register or "NAME", out), *("--command", training(arguments))]
    command += [f"--tag={tag}" for tag in arguments.tag]
    if arguments.register is None:
        print(shlex.join(command))
        return 0
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        print("the command `registry` is not on the PATH; install this package first", file=sys.stderr)
        return 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--depth", type=int, default=6, help="greatest depth of a tree (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the forest (default: %(default)s)")
    parser.add_argument("--register", metavar="NAME", help="register as this model; without it the command is printed")
    parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="a tag of the version")
    return parser.parse_args()


def evaluate(classifier: RandomForestClassifier, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Measure the classifier on data that it has not seen."""
    probability = classifier.predict_proba(x)[:, 1]
    return {
        "auc": float(roc_auc_score(y, probability)),
        "accuracy": float(accuracy_score(y, probability >= 0.5)),
        "log_loss": float(log_loss(y, probability)),
    }


def signature(features: list[str]) -> dict[str, list[dict[str, str]]]:
    """Describe what the model takes and gives: a row of measurements, the probability that the tumour is benign."""
    return {
        "inputs": [{"name": name, "type": "double"} for name in features],
        "outputs": [{"name": "probability_benign", "type": "double"}],
    }


def registration(name: str, out: Path) -> list[str]:
    """The command that registers what was written to *out*."""
    return [
        *("registry", "register", name, str(out / "model")),
        *("--data", f"train={out / 'train.csv'}", "--data", f"test={out / 'test.csv'}"),
        *("--metrics-file", str(out / "metrics.json"), "--params-file", str(out / "params.json")),
        *("--framework", "sklearn", "--signature", str(out / "model" / "signature.json")),
        *("--python", platform.python_version()),
    ]


def training(arguments: argparse.Namespace) -> str:
    """The line that writes the same files again, for a shell in the same directory of a checkout."""
    line = ["python", sys.argv[0], *("--out", str(arguments.out))]
    return shlex.join([*line, *("--depth", str(arguments.depth)), *("--seed", str(arguments.seed))])


def write_table(path: Path, features: list[str], x: np.ndarray, y: np.ndarray) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*features, "benign"])
        table.writerows([*row.tolist(), int(label)] for row, label in zip(x, y, strict=True))


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

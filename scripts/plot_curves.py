#!/usr/bin/env python3
"""Draws train_loss and val_acc over epochs from the metrics of one or more runs, as a PNG or SVG.

    .venv/bin/python scripts/plot_curves.py --out curves.png runs/a runs/b
    .venv/bin/python scripts/plot_curves.py --out curves.png light=runs/a strong=runs/b
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

# What the study gives of its curves: the end points of its 20-epoch run on a GPU, and how high the one on a CPU came.
STUDY = {"train_loss": (19, 0.022), "val_acc": (19, 0.99461)}
STUDY_CPU_VAL_ACC = 0.9874
LABELS = {"train_loss": "training loss", "val_acc": "validation accuracy"}


def fail(what, where, fix):
    raise SystemExit(f"plot_curves: error: {what} ({where}): {fix}")


def read_epochs(path):
    """The epoch lines of a run's metrics.jsonl, or of the one in a run's folder; its other lines are steps."""
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "metrics.jsonl"
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        fail(error.strerror, path, "name a run's folder")
    except ValueError as error:
        fail(f"this is no metrics.jsonl: {error}", path, "name a run's folder, or go on with the run by --resume")
    epochs = [entry for entry in entries if "train_loss" in entry]
    if not epochs:
        fail("no finished epoch", path, "let the run finish one")
    return epochs


def draw(axes, quantity, runs, study):
    for name, epochs in runs.items():
        axes.plot([e["epoch"] for e in epochs], [e.get(quantity) for e in epochs], marker=".", label=name)
    if study:
        epoch, value = STUDY[quantity]
        axes.plot(epoch, value, "k*", markersize=12, label=f"study, GPU, epoch {epoch}: {value:g} (curve not known)")
        if quantity == "val_acc":
            axes.axhline(STUDY_CPU_VAL_ACC, color="k", linestyle=":", label=f"study, CPU, highest: {STUDY_CPU_VAL_ACC:g} (epoch not known)")
    axes.set(xlabel="epoch", ylabel=LABELS[quantity])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), fontsize="small")  # beneath: no curve is hidden


def plot(runs, out, title="", study=False):
    """Draws {name: epoch lines} into the picture `out`: losses on the left, accuracies on the right."""
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 5), layout="constrained")
    for axis, quantity in zip(axes, STUDY):
        draw(axis, quantity, runs, study)
    figure.suptitle(title)
    figure.savefig(out, dpi=120)
    pyplot.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="[NAME=]RUN", help="a run's folder or metrics.jsonl, and what its curve is called")
    parser.add_argument("--out", required=True, help="the picture to write")
    parser.add_argument("--title", default="")
    parser.add_argument("--study", action="store_true", help="mark the study's known end points")
    arguments = parser.parse_args()

    named = [run.split("=", 1) if "=" in run and not pathlib.Path(run).exists() else (run, run) for run in arguments.runs]
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            fail("two runs have one name", name, "give each its own: NAME=RUN")
    runs = {name: read_epochs(path) for name, path in named}
    try:
        plot(runs, arguments.out, arguments.title, arguments.study)
    except (OSError, ValueError) as error:
        fail(error, arguments.out, "name a PNG or SVG in a folder that can be written to")


if __name__ == "__main__":
    main()

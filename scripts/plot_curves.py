#!/usr/bin/env python3
"""Draws train_loss and val_acc over epochs from the metrics.jsonl of one or more runs, as a PNG or SVG."""

import argparse
import json

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.ticker import MaxNLocator

# What the study gives of its curves: the end points of its 20-epoch run on a GPU, and how high the one on a CPU came.
STUDY = {"train_loss": (19, 0.022), "val_acc": (19, 0.99461)}
STUDY_CPU_VAL_ACC = 0.9874
LABELS = {"train_loss": "training loss", "val_acc": "validation accuracy"}


def read_epochs(path):
    """The epoch lines of a metrics.jsonl; its other lines are steps."""
    with open(path, encoding="utf-8") as lines:
        epochs = [entry for entry in map(json.loads, lines) if "train_loss" in entry]
    if not epochs:
        raise SystemExit(f"no finished epoch ({path}): let the run finish one")
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="NAME=METRICS", help="a curve's name and its metrics.jsonl")
    parser.add_argument("--out", required=True, help="the picture to write")
    parser.add_argument("--title", default="")
    parser.add_argument("--study", action="store_true", help="mark the study's known end points")
    arguments = parser.parse_args()

    named = (run.rsplit("=", 1) for run in arguments.runs)
    plot({name: read_epochs(path) for name, path in named}, arguments.out, arguments.title, arguments.study)


if __name__ == "__main__":
    main()

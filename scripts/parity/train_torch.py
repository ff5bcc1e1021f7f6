#!/usr/bin/env python3
"""Trains the study's network with PyTorch on a pack made by `bauta data pack`, as `bauta train` does without
augmentation: same first weights, split, batches, class weights and Adam. Prints one JSON line an epoch.
"""

import argparse
import json

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_weights
from torch.nn import functional

from bauta_rng import epoch_order, initialise, split
from study_model import StudyNet, to_input


def batches(data, order, size):
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        x = to_input(data["pixels"][chosen]).contiguous(memory_format=torch.channels_last)
        yield x, torch.from_numpy(data["labels"][chosen]).long()


def weighted_sums(logits, y, weights):
    """Σ w·ℓ and Σ w."""
    return functional.cross_entropy(logits, y, weight=weights, reduction="sum"), weights[y].sum()


def train_epoch(model, optimiser, weights, loader):
    total = total_weight = 0.0
    for x, y in loader:
        optimiser.zero_grad()
        loss, weight = weighted_sums(model(x), y, weights)
        (loss / weight).backward()
        optimiser.step()
        total, total_weight = total + loss.item(), total_weight + weight.item()
    return total / total_weight


@torch.no_grad()
def validate(model, weights, loader):
    total = total_weight = hits = count = 0.0
    for x, y in loader:
        logits = model(x)
        loss, weight = weighted_sums(logits, y, weights)
        total, total_weight = total + loss.item(), total_weight + weight.item()
        hits, count = hits + (logits.argmax(1) == y).sum().item(), count + len(y)
    return total / total_weight, hits / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack")
    parser.add_argument("--seed", type=int, default=0, help="of first weights, split and order")
    parser.add_argument("--init", metavar="FILE", help="first weights (.safetensors) in place of the seed's")
    parser.add_argument("--val", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    data = load_file(arguments.pack)
    train, val = split(data["labels"], data.get("groups"), arguments.val, arguments.seed)
    counts = np.bincount(data["labels"][train], minlength=2)
    weights = torch.tensor(len(train) / (2 * counts), dtype=torch.float32)

    model = initialise(StudyNet(), arguments.seed)
    if arguments.init:
        model.load_state_dict(load_weights(arguments.init))
    model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=arguments.lr, fused=True)
    for epoch in range(arguments.epochs):
        order = epoch_order(train, arguments.seed, epoch)
        line = {"epoch": epoch + 1, "train_loss": train_epoch(model, optimiser, weights, batches(data, order, arguments.batch))}
        line["val_loss"], line["val_acc"] = validate(model, weights, batches(data, val, arguments.batch))
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

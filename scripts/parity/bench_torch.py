#!/usr/bin/env python3
"""Measures how fast PyTorch trains the study's network on the CPU (float32, eager): its fastest setting here,
channels_last with fused Adam, beside its default one. Prints one JSON object.

Runs rounds that take turns, so that a change of the machine's load meets all of them; with --against, so does any
command that prints a JSON object with images_per_second, such as `bauta bench train --json`.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import time

import torch
from torch.nn import functional

from study_model import StudyNet


def make_step(batch, memory_format, fused):
    """A function that does one training step: forward, loss, backward, Adam."""
    torch.manual_seed(0)
    model = StudyNet().to(memory_format=memory_format)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5, fused=fused)
    x = torch.rand(batch, 3, 100, 100).to(memory_format=memory_format)
    labels, weights = torch.randint(2, (batch,)), torch.tensor([0.5278, 9.5])

    def step():
        optimiser.zero_grad()
        functional.cross_entropy(model(x), labels, weight=weights).backward()
        optimiser.step()

    return step


def images_per_second(step, steps, batch):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (time.perf_counter() - start)


def run_other(command):
    output = subprocess.run(shlex.split(command), check=True, capture_output=True, text=True).stdout
    return json.loads(output)["images_per_second"]


def summary(rates, batch):
    median = statistics.median(rates)
    return {
        "images_per_second": round(median, 1),
        "ms_per_step": round(1000 * batch / median, 2),
        "best_images_per_second": round(max(rates), 1),
        "spread": round((max(rates) - min(rates)) / median, 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="steps of each setting in a round")
    parser.add_argument("--against", metavar="COMMAND", help="a command to run once in each round")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    batch = arguments.batch
    settings = {
        "torch_channels_last_fused": make_step(batch, torch.channels_last, True),
        "torch_default": make_step(batch, torch.contiguous_format, False),
    }
    rates = {name: [] for name in settings}
    if arguments.against:
        rates["against"] = []
    for step in settings.values():
        images_per_second(step, 3, batch)  # warm up
    for _ in range(arguments.rounds):
        for name, step in settings.items():
            rates[name].append(images_per_second(step, arguments.steps, batch))
        if arguments.against:
            rates["against"].append(run_other(arguments.against))

    result = {"torch": torch.__version__, "threads": arguments.threads, "batch": batch, "rounds": arguments.rounds}
    result |= {name: summary(values, batch) for name, values in rates.items()}
    if arguments.against:
        ratios = [a / b for a, b in zip(rates["against"], rates["torch_channels_last_fused"])]
        result["ratio"] = round(statistics.median(ratios), 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures how fast PyTorch trains the study's network on a GPU, with the data there: eager in float32, and its fastest
setting (channels_last, bf16 autocast, torch.compile(max-autotune), which captures CUDA graphs). Prints one JSON object."""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "parity"))
from study_model import StudyNet

ROUNDS, STEPS = 5, 50


def make_step(batch, device, compiled):
    """A function that does one training step on images that lie on the device."""
    torch.manual_seed(0)
    model = StudyNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)
    images = torch.rand(batch, 3, 100, 100, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(2, (batch,), device=device)
    weights = torch.tensor([0.5278, 9.5], device=device)

    def loss_of(x, y):
        with torch.autocast(device, torch.bfloat16, enabled=compiled):
            return functional.cross_entropy(model(x), y, weight=weights)

    if compiled:
        loss_of = torch.compile(loss_of, mode="max-autotune")

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss_of(images, labels).backward()
        optimiser.step()

    return step


def images_per_second(step, batch, device, steps):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return steps * batch / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    rates = {"eager fp32": {}, "compiled bf16": {}}
    for batch in arguments.batch:
        for name, compiled in zip(rates, (False, True)):
            step = make_step(batch, arguments.device, compiled)
            images_per_second(step, batch, arguments.device, 10)  # warm up, compile
            rounds = [images_per_second(step, batch, arguments.device, STEPS) for _ in range(ROUNDS)]
            rates[name][batch] = round(statistics.median(rounds), 1)
    print(json.dumps({"torch": torch.__version__, "images_per_second": rates}))


if __name__ == "__main__":
    main()

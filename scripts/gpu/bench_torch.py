#!/usr/bin/env python3
"""Measures how fast PyTorch trains the study's network on a GPU, with the data there. Prints an object of JSON for each
setting and batch, as soon as it is known:

    eager fp32     channels_last, fused Adam; convolutions in fp32
    eager tf32     the same with PyTorch's default, convolutions in TF32
    compiled bf16  autocast to bf16, torch.compile(max-autotune), which captures forward and backward as CUDA graphs
    captured bf16  the same without those graphs, the whole step with its Adam captured as one
"""

import argparse
import functools
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
WARM_UP = 10


def make_step(batch, device, precision, mode=None, capturable=False):
    """A function that does one training step on images that lie on the device."""
    torch.manual_seed(0)
    model = StudyNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True, capturable=capturable)
    images = torch.rand(batch, 3, 100, 100, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(2, (batch,), device=device)
    weights = torch.tensor([0.5278, 9.5], device=device)

    def loss_of(x, y):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            return functional.cross_entropy(model(x), y, weight=weights)

    if mode:
        torch._dynamo.reset()  # or it compiles for any batch from the second on, which is slower
        loss_of = torch.compile(loss_of, mode=mode, dynamic=False)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss_of(images, labels).backward()
        optimiser.step()

    return step


def eager_step(batch, device, tf32):
    torch.backends.cudnn.allow_tf32 = tf32
    return make_step(batch, device, "fp32")


def captured_step(batch, device):
    """As PyTorch's page on CUDA graphs has it: warm up on a side stream, capture, replay."""
    step = make_step(batch, device, "bf16", "max-autotune-no-cudagraphs", capturable=True)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay():
        graph.replay()

    replay.step = step  # the arrays that the graph reads and writes live as long as it
    return replay


SETTINGS = {
    "eager fp32": functools.partial(eager_step, tf32=False),
    "eager tf32": functools.partial(eager_step, tf32=True),
    "compiled bf16": functools.partial(make_step, precision="bf16", mode="max-autotune"),
    "captured bf16": captured_step,
}


def images_per_second(step, batch, device, steps):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return steps * batch / (time.perf_counter() - start)


def measure(setting, batch, device):
    step = SETTINGS[setting](batch, device)
    images_per_second(step, batch, device, WARM_UP)  # compiles, too
    rounds = [images_per_second(step, batch, device, STEPS) for _ in range(ROUNDS)]
    return round(statistics.median(rounds), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[32])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    for batch in arguments.batch:
        for setting in arguments.settings:
            entry = {"setting": setting, "batch": batch, "torch": torch.__version__}
            try:
                entry["images_per_second"] = measure(setting, batch, arguments.device)
            except Exception as error:  # of whatever kind: the other settings go on
                entry["failed"] = (str(error).strip().splitlines() or [type(error).__name__])[0]
            print(json.dumps(entry), flush=True)


if __name__ == "__main__":
    main()

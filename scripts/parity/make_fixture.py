#!/usr/bin/env python3
"""Writes the fixture that bauta's training is held against: PyTorch's own training of the study's network in float64.

The batch is made to have no close decision: each maximum of a pool that lets a gradient through, and each sign of a
ReLU, holds by a margin of at least 1e-4 of its layer's root mean square, so that float32 decides as float64 does.

Tensors of the file, for a batch of B images:
  images                       U8  [B,100,100,3]  the input is bytes/255
  labels                       I32 [B]
  class_weights                F32 [2]            of the loss, Σ w·ℓ / Σ w
  init.NAME                    F32 [<=256]        samples of the initial values, to check one's own against
  logits                       F64 [B,2]          at the initial values
  losses.lr1e-5                F64 [50]           of steps 1 to 50 of Adam on this batch, each before its update
  losses.lr1e-3                F64 [5]            the same, afresh from the initial values
  grad.NAME                    F32                of step 1, whole, but for linearLayers.0.weight
  grad.linearLayers.0.output   F32 [B,1024]       of step 1 by the layer's output, and
  linearLayers.0.input         F32 [B,2048]       its input: output^T · input is grad.linearLayers.0.weight
  update.NAME                  F32 [<=256]        samples of (value after 20 steps at lr 1e-5) - (initial value)
NAME runs over the ten parameters, in PyTorch's layout. F32 tensors are float64 results, rounded. Samples of a tensor
of n values are those at 100003·i mod n, i = 0..255 (a prime, so that they spread over rows and columns), or all n if
there are no more than 256. Metadata: `seed`; the initial values
are not in the file, both sides compute them from it (bauta_rng.initialise).
"""

import argparse

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch.nn import functional

from bauta_rng import Rng, initialise
from study_model import StudyNet, to_input

# N/(K·n_c) of 90,000 faces without and 5,000 with a mask.
CLASS_WEIGHTS = np.array([95000 / (2 * 90000), 95000 / (2 * 5000)], dtype=np.float32)
MARGIN = 1e-4
IMAGE_STREAM, REPAIR_STREAM = 100, 101  # beside engine/core/rng.h's streams


def make_images(count, seed):
    """Smooth colour fields with a little noise."""
    images = []
    for index in range(count):
        random = Rng(seed, IMAGE_STREAM, index).words(7 * 7 * 3 + 100 * 100 * 3).astype(np.uint8)
        field = Image.fromarray(random[: 7 * 7 * 3].reshape(7, 7, 3)).resize((100, 100), Image.Resampling.BILINEAR)
        images.append(np.asarray(field) ^ (random[7 * 7 * 3 :].reshape(100, 100, 3) & 15))
    return np.stack(images)


def close_pools(pre, demanded):
    """Where (image, row, column) of the pooled output [.., demanded, demanded] a decision is close."""
    windows = pre.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)[:, :, :demanded, :demanded]
    best, second = windows.topk(2).values.unbind(-1)
    margin = MARGIN * pre.square().mean().sqrt()
    close = (best.abs() < margin) | ((best > 0) & (best - second < margin))
    return close.any(1).nonzero()


@torch.no_grad()
def close_decisions(model, images):
    """Rows of (image, pixel row, pixel column, reach): a pixel in each close decision's field, and how far on it goes."""
    found, x = [], to_input(images, torch.float64)
    for layer, demanded, stride in [(model.convLayer1, 47, 2), (model.convLayer2, 23, 4), (model.convLayer3, 4, 24)]:
        for image, row, column in close_pools(layer[0](x), demanded).tolist():
            found.append((image, row * stride, column * stride, stride))
        x = layer(x)
    hidden = model.linearLayers[0](x.flatten(1))
    close = hidden.abs() < MARGIN * hidden.square().mean().sqrt()
    return found + [(image, 0, 0, 95) for image in close.any(1).nonzero().flatten().tolist()]


def repair(model, images, seed):
    """Changes single pixels a little until no decision is close."""
    for attempt in range(1000):
        close = close_decisions(model, images)
        if not close:
            return images
        random = Rng(seed, REPAIR_STREAM, attempt).words(3 * len(close)).reshape(-1, 3)
        for (image, row, column, reach), (r, c, change) in zip(close, random):
            images[image, row + r % reach, column + c % reach, change % 3] ^= 1 + change // 3 % 15
    raise SystemExit("no batch without a close decision was found: pass another --seed")


def weighted_loss(logits, labels):
    return functional.cross_entropy(
        logits, torch.from_numpy(labels).long(), weight=torch.from_numpy(CLASS_WEIGHTS).to(logits.dtype)
    )


def train(dtype, seed, images, labels, lr, steps):
    """Trains with Adam on one batch; yields the model and its loss before each step's update."""
    model = initialise(StudyNet(), seed).to(dtype)
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    x = to_input(images, dtype)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = weighted_loss(model(x), labels)
        loss.backward()
        yield model, loss.item()
        optimiser.step()


def samples(tensor):
    values = tensor.detach().double().numpy().reshape(-1)
    return values[np.arange(256) * 100003 % values.size] if values.size > 256 else values


def step_one(dtype, seed, images, labels):
    """Logits, and what the first step's backward pass gives."""
    seen = {}

    def keep(layer, inputs, output):
        output.retain_grad()
        seen["input"], seen["output"] = inputs[0], output

    model = initialise(StudyNet(), seed).to(dtype)
    model.linearLayers[0].register_forward_hook(keep)
    logits = model(to_input(images, dtype))
    weighted_loss(logits, labels).backward()
    results = {"grad." + name: p.grad for name, p in model.named_parameters()}
    results |= {"logits": logits, "grad.linearLayers.0.output": seen["output"].grad, "linearLayers.0.input": seen["input"]}
    return {name: value.detach().double().numpy() for name, value in results.items()}


def measure(dtype, seed, images, labels):
    """Every result of the fixture, in float64 arrays, as PyTorch computes them in `dtype`."""
    results = step_one(dtype, seed, images, labels)
    losses = []
    for step, (model, loss) in enumerate(train(dtype, seed, images, labels, 1e-5, 50)):
        losses.append(loss)
        if step == 0:
            initial = {name: p.detach().clone() for name, p in model.named_parameters()}
            results |= {"init." + name: samples(p) for name, p in initial.items()}
        if step == 20:
            results |= {"update." + name: samples(p.detach() - initial[name]) for name, p in model.named_parameters()}
    results["losses.lr1e-5"] = np.array(losses)
    results["losses.lr1e-3"] = np.array([loss for _, loss in train(dtype, seed, images, labels, 1e-3, 5)])
    return results


def report_float32(truth, seed, images, labels):
    """How far PyTorch's own float32 is from the truth: what a tolerance has to leave room for."""
    for name, value in measure(torch.float32, seed, images, labels).items():
        error = value - truth[name]
        if name.startswith("losses"):
            print(f"{name:32} largest relative error {np.max(np.abs(error / truth[name])):.1e}")
        else:
            print(f"{name:32} relative norm of error {np.linalg.norm(error) / np.linalg.norm(truth[name]):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="the .safetensors file to write")
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--seed", type=int, default=2020)
    arguments = parser.parse_args()

    model = initialise(StudyNet(), arguments.seed).double()
    images = repair(model, make_images(arguments.batch, arguments.seed), arguments.seed)
    labels = np.arange(arguments.batch, dtype=np.int32) % 3 % 2
    truth = measure(torch.float64, arguments.seed, images, labels)
    report_float32(truth, arguments.seed, images, labels)

    tensors = {"images": images, "labels": labels, "class_weights": CLASS_WEIGHTS}
    for name, value in truth.items():
        if name != "grad.linearLayers.0.weight":
            tensors[name] = value if name == "logits" or name.startswith("losses") else value.astype(np.float32)
    save_file(tensors, arguments.out, {"seed": str(arguments.seed)})


if __name__ == "__main__":
    main()

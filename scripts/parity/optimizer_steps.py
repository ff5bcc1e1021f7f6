#!/usr/bin/env python3
"""Writes tests/kernels/optimizer_parity.h: 20 steps of torch.optim.Adam and torch.optim.SGD on seven parameters.

Usage: ${BAUTA_PYTHON:-.venv/bin/python} scripts/parity/optimizer_steps.py > tests/kernels/optimizer_parity.h
"""

import torch

STEPS, SIZE = 20, 7


def gradients():
    """Random ones, and one parameter each with huge, tiny and no gradients."""
    g = torch.randn(STEPS, SIZE, generator=torch.Generator().manual_seed(1))
    return g * torch.tensor([1, 1, 1, 1, 1e6, 1e-9, 0])


def run(optimizer_class, **options):
    """The parameters after each step."""
    w = torch.nn.Parameter(torch.linspace(-1, 1, SIZE))
    optimizer = optimizer_class([w], **options)
    after = []
    for g in gradients():
        w.grad = g.clone()
        optimizer.step()
        after.append(w.detach().clone())
    return torch.stack(after)


def table(name, comment, values):
    rows = (", ".join(f"{x:.9e}F" for x in row) for row in values.tolist())
    body = "".join(f"    {{{row}}},\n" for row in rows)
    return f"// {comment}\ninline constexpr float {name}[kParitySteps][kParitySize] = {{\n{body}}};\n"


print("#pragma once\n")
print(f"// Written by scripts/parity/optimizer_steps.py with PyTorch {torch.__version__}.")
print("// clang-format off")
print("namespace bauta::testing {\n")
print(f"inline constexpr int kParitySteps = {STEPS};\ninline constexpr int kParitySize = {SIZE};\n")
print(table("kParityGradients", "The gradient of each step; the parameters begin evenly spaced from -1 to 1.", gradients()))
print(table("kParityAdam", "The parameters after each step of Adam(lr=1e-2).", run(torch.optim.Adam, lr=1e-2)))
print(table("kParitySgd", "The parameters after each step of SGD(lr=1e-2, momentum=0.9).",
            run(torch.optim.SGD, lr=1e-2, momentum=0.9)))
print("}  // namespace bauta::testing")

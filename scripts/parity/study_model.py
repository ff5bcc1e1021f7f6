"""The study's network in PyTorch, and initial weights that both sides can compute bit for bit."""

import math

import numpy as np
import torch
from torch import nn

CLASSES = ["without_mask", "with_mask"]


class StudyNet(nn.Module):
    """Takes [N,3,100,100] in [0,1], gives logits [N,2]."""

    def __init__(self):
        super().__init__()
        self.convLayer1 = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.convLayer2 = nn.Sequential(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.convLayer3 = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1, stride=3), nn.ReLU(), nn.MaxPool2d(2))
        self.linearLayers = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, 2))
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(layer.weight)

    def forward(self, x):
        x = self.convLayer3(self.convLayer2(self.convLayer1(x)))
        return self.linearLayers(x.flatten(1))


def to_input(images, dtype=torch.float32):
    """Bytes [N,100,100,3] as the network's input: bytes/255, channels first."""
    return torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2).to(dtype) / 255


def philox(key, counter):
    """Philox4x32-10 (Salmon et al.): counter [4,...] to four words of the same shape. engine/core/rng.h's philox."""
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def words(seed, stream, index, count):
    """The first `count` words of engine/core/rng.h's Rng(seed, stream, index)."""
    blocks = np.arange(-(-count // 4))
    fixed = [np.full_like(blocks, c) for c in (stream, index & 0xFFFFFFFF, index >> 32)]
    return philox(seed, [blocks, *fixed]).T.reshape(-1)[:count]


def uniform(seed, stream, index, bound, shape):
    """The first numbers of Rng(seed, stream, index).uniform(-bound, bound), float32, in row-major order."""
    low, high = np.float32(-bound), np.float32(bound)
    u = (words(seed, stream, index, math.prod(shape)) >> 8).astype(np.float32) * np.float32(2**-24)
    return (low + (high - low) * u).reshape(shape)


RNG_STREAM_INIT = 0


def initialise(model, seed):
    """Fills parameter p of the state dict with Rng(seed, RngStream::init, p).uniform(-bound, bound), where bound is
    Xavier's sqrt(6 / (fan_in + fan_out)) for weights and PyTorch's 1 / sqrt(fan_in) for biases, as a float32."""
    parameters = dict(model.named_parameters())
    for index, (name, parameter) in enumerate(parameters.items()):
        weight = parameters[name.replace("bias", "weight")]
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
        bound = math.sqrt(6 / (fan_in + fan_out)) if parameter is weight else 1 / math.sqrt(fan_in)
        values = uniform(seed, RNG_STREAM_INIT, index, bound, parameter.shape)
        parameter.data.copy_(torch.from_numpy(values))
    return model

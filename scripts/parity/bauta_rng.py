"""bauta's random numbers (engine/core/rng.h) and what is made of them, bit for bit: first weights, split and order."""

import math
from enum import IntEnum

import numpy as np
import torch
from torch import nn


class Stream(IntEnum):
    INIT = 0
    SPLIT = 1
    SHUFFLE = 2


def philox(key, counter):
    """Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"): four counters to four words."""
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


class Rng:
    """A sequence keyed by (seed, stream, index)."""

    def __init__(self, seed, stream, index=0):
        self.seed, self.stream, self.index = seed, int(stream), index
        self.block = 0
        self.left = np.empty(0, np.uint32)

    def words(self, count):
        blocks = max(0, -(-(count - len(self.left)) // 4))
        numbers = np.arange(self.block, self.block + blocks)
        fixed = [np.full_like(numbers, c) for c in (self.stream, self.index & 0xFFFFFFFF, self.index >> 32)]
        words = np.concatenate([self.left, philox(self.seed, [numbers, *fixed]).T.reshape(-1)])
        self.block += blocks
        self.left = words[count:]
        return words[:count]

    def uniform(self, low, high, shape):
        low, high = np.float32(low), np.float32(high)
        u = (self.words(math.prod(shape)) >> 8).astype(np.float32) * np.float32(2**-24)
        return (low + (high - low) * u).reshape(shape)

    def shuffle(self, values):
        """Fisher-Yates; each bounded number is Lemire's (2019)."""
        words = iter(self.words(len(values) + 64).tolist())  # a few more: a word may be refused
        for left in range(len(values), 1, -1):
            product = next(words) * left
            while product & 0xFFFFFFFF < 2**32 % left:
                product = next(words) * left
            other = product >> 32
            values[left - 1], values[other] = values[other], values[left - 1]


def initialise(model, seed):
    """Gives a model the values of layers/parameters.h's initialize: Xavier-uniform weights, PyTorch's default biases."""
    parameters = dict(model.named_parameters())
    for index, (name, parameter) in enumerate(parameters.items()):
        weight = parameters[name.replace("bias", "weight")]
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
        fans = (fan_in + fan_out) / 6 if parameter is weight else fan_in
        bound = 1 / math.sqrt(fans)
        values = Rng(seed, Stream.INIT, index).uniform(-bound, bound, parameter.shape)
        parameter.data.copy_(torch.from_numpy(values))
    return model


def split(labels, groups, val_fraction, seed):
    """engine/data/split.h's split_dataset: the indices that train and those that validate."""
    units = {}
    for i in range(len(labels)):
        alone = groups is None or groups[i] < 0
        units.setdefault(("alone", i) if alone else groups[i], []).append(i)
    units = [(unit, np.bincount(labels[unit], minlength=2)) for unit in units.values()]
    Rng(seed, Stream.SPLIT).shuffle(units)
    wanted = np.floor(np.bincount(labels, minlength=2) * val_fraction + 0.5).astype(int)
    validates = np.zeros(len(labels), bool)
    fits = lambda counts: (counts <= wanted).all()
    improves = lambda counts: (abs(wanted) - abs(wanted - counts)).sum() > 0
    for accepts in (fits, improves):
        for unit, counts in units:
            if not validates[unit[0]] and accepts(counts):
                wanted = wanted - counts
                validates[unit] = True
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def epoch_order(samples, seed, epoch):
    """engine/data/order.h's epoch_order; `epoch` counts from 0."""
    order = list(samples)
    Rng(seed, Stream.SHUFFLE, epoch).shuffle(order)
    return order

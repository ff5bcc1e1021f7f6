"""The study's network in PyTorch."""

import numpy as np
import torch
from torch import nn


class StudyNet(nn.Module):
    """Takes [N,3,100,100] in [0,1], gives logits [N,2]: without_mask, with_mask."""

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

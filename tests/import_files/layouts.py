"""Writes small networks under the names that widely used PyTorch repositories give their arrays, with random weights
and running statistics, and their logits for two images: `layout_NAME.pth` and `layout_NAME.json`.

The definitions here are this project's own; only the names of arrays follow the repositories."""

import json
import math
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
VGG16 = [2, 2, "pool", 4, 4, "pool", 8, 8, 8, "pool", 16, 16, 16, "pool", 16, 16, 16, "pool"]
CLASSES = 3


def images():
    count = 2 * 3 * 32 * 32
    return torch.tensor([math.sin(0.37 * index) for index in range(count)]).view(2, 3, 32, 32)


def vgg16(conv):
    layers, channels = [], 3
    for step in VGG16:
        if step == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += conv(channels, step, first=not layers)
            channels = step
    hidden = [nn.Linear(16, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU(), nn.Dropout()]
    names = [("features", nn.Sequential(*layers)), ("flatten", nn.Flatten())]
    names.append(("classifier", nn.Sequential(*hidden, nn.Linear(16, CLASSES))))
    return nn.Sequential(OrderedDict(names))


def separate(channels, kernels, first):
    return [nn.Conv2d(channels, kernels, 3, padding=1), nn.BatchNorm2d(kernels), nn.ReLU()]


class Masked(nn.Module):
    """A convolution with batch norm and mask generator in one module, as the MwT authors have it."""

    def __init__(self, channels, kernels):
        super().__init__()
        self.conv = nn.Conv2d(channels, kernels, 3, padding=1)
        self.bn = nn.BatchNorm2d(kernels)
        self.mask_generator = nn.Module()
        hidden = nn.Linear(channels, kernels, bias=False)
        self.mask_generator.mask_generator = nn.Sequential(hidden, nn.ReLU(), nn.Linear(kernels, kernels))

    def forward(self, x):
        mask = torch.relu(torch.tanh(self.mask_generator.mask_generator(x.mean((2, 3)))))
        return self.bn(self.conv(x)) * mask[:, :, None, None]


def masked(channels, kernels, first):
    return separate(channels, kernels, first) if first else [Masked(channels, kernels), nn.ReLU()]


class Block(nn.Module):
    """Two convolutions and a shortcut, in one of three ways of naming them."""

    def __init__(self, channels, kernels, stride, layout):
        super().__init__()
        self.layout = layout
        convs = [nn.Conv2d(channels, kernels, 3, stride, 1, bias=False), nn.BatchNorm2d(kernels)]
        more = [nn.Conv2d(kernels, kernels, 3, 1, 1, bias=False), nn.BatchNorm2d(kernels)]
        if layout == "residual_function":
            self.residual_function = nn.Sequential(*convs, nn.ReLU(), *more)
        else:
            (self.conv1, self.bn1), (self.conv2, self.bn2) = convs, more
        short = []
        if stride > 1:
            short = [nn.Conv2d(channels, kernels, 1, stride, bias=False), nn.BatchNorm2d(kernels)]
        setattr(self, "downsample" if layout == "downsample" else "shortcut", nn.Sequential(*short))

    def forward(self, x):
        if self.layout == "residual_function":
            y = self.residual_function(x)
        else:
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        short = self.downsample if self.layout == "downsample" else self.shortcut
        return torch.relu(y + short(x))


def resnet18(layout):
    first = [nn.Conv2d(3, 2, 3, 1, 1, bias=False), nn.BatchNorm2d(2)]
    if layout == "residual_function":
        names = [("conv1", nn.Sequential(*first, nn.ReLU()))]
    else:
        names = [("conv1", first[0]), ("bn1", first[1]), ("relu", nn.ReLU())]
    channels = 2
    for group, kernels in enumerate([2, 4, 8, 16]):
        blocks = []
        for block in range(2):
            stride = 2 if group and not block else 1
            blocks.append(Block(channels, kernels, stride, layout))
            channels = kernels
        name = f"conv{group + 2}_x" if layout == "residual_function" else f"layer{group + 1}"
        names.append((name, nn.Sequential(*blocks)))
    names += [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    names.append(("linear" if layout == "shortcut" else "fc", nn.Linear(16, CLASSES)))
    return nn.Sequential(OrderedDict(names))


def randomised(network):
    for name, array in network.state_dict().items():
        if name.endswith("running_mean"):
            array.uniform_(-0.3, 0.3)
        elif name.endswith("running_var") or (array.ndim == 1 and name.endswith("weight")):
            array.uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            array.uniform_(-0.3, 0.6)
    return network.eval()


torch.manual_seed(3)
for name, network, wrap in [
    ("vgg16", vgg16(separate), lambda state: state),
    ("vgg16_masked", vgg16(masked), lambda state: state),
    ("resnet18_downsample", resnet18("downsample"), lambda state: state),
    (
        "resnet18_shortcut",
        resnet18("shortcut"),
        lambda state: {"net": {f"module.{key}": value for key, value in state.items()}, "acc": 93.02, "epoch": 7},
    ),
    ("resnet18_residual_function", resnet18("residual_function"), lambda state: state),
]:
    with torch.no_grad():
        logits = randomised(network)(images())
    torch.save(wrap(network.state_dict()), HERE / f"layout_{name}.pth")
    (HERE / f"layout_{name}.json").write_text(json.dumps(logits.flatten().tolist()) + "\n")
    print(name, logits.shape, logits.flatten().tolist()[:3])

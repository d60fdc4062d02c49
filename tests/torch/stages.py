"""torchvision's backbones as stages, with the parts and names of the authors' networks.

Their code is https://github.com/Genie-Kim/PintheMemory, commit 0946a43: the parts are arranged in
network/deepv3plus.py, and the whole state_dict of a module here has the keys that it has there.
"""

import torch
import torchvision

NAMES = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "mobilenet_v2",
    "shufflenet_v2_x1_0",
]


class Stages(torch.nn.Module):
    """layer0 to layer4; the output is that of layer1 to layer4."""

    def __init__(self, layers):
        super().__init__()
        for number, layer in enumerate(layers):
            setattr(self, f"layer{number}", layer)

    def forward(self, x):
        x = self.layer0(x)
        outputs = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            outputs.append(x)
        return outputs


class Wrapped(torch.nn.Module):
    """A layer under the name `layer`, as the reference wraps two of ShuffleNetV2's."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


def build(name, output_stride):
    """A backbone with torchvision's random weights; output_stride is 8, 16 or 32."""
    network = getattr(torchvision.models, name)(weights=None)
    sequential = torch.nn.Sequential
    if name == "mobilenet_v2":
        features = network.features
        parts = [features[:2], features[2:7], features[7:11], features[11:18], features[18:19]]
        # A slice of a Sequential keeps its names, which are to start from 0.
        layers = [sequential(*part) for part in parts]
    elif name == "shufflenet_v2_x1_0":
        stem = sequential(network.conv1, network.maxpool)
        middle = [network.stage2, network.stage3, network.stage4]
        layers = [Wrapped(stem), *middle, Wrapped(network.conv5)]
    else:
        stem = sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        layers = [stem, network.layer1, network.layer2, network.layer3, network.layer4]
    residual = name.startswith("res")
    # The layers with the strides to 16 and 32.
    to_16, to_32 = (layers[3], layers[4]) if residual else (layers[2], layers[3])
    dilate = dilate_residual if residual else dilate_strided
    dilate_after(to_16, to_32, dilate, output_stride)
    return Stages(layers)


def build_narrow(divisor, output_stride):
    """ResNet-50 with one block per stage and all widths divided, from torchvision's blocks."""
    width = 64 // divisor
    conv, norm, sequential = torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Sequential
    pool = torch.nn.MaxPool2d(3, stride=2, padding=1)
    stem = conv(3, width, 7, stride=2, padding=3, bias=False)
    layers = [sequential(stem, norm(width), torch.nn.ReLU(), pool)]
    channels = width
    for stage in range(4):
        planes, stride = width << stage, 1 if stage == 0 else 2
        projection = conv(channels, 4 * planes, 1, stride=stride, bias=False)
        shortcut = sequential(projection, norm(4 * planes))
        block = torchvision.models.resnet.Bottleneck(channels, planes, stride, shortcut)
        layers.append(sequential(block))
        channels = 4 * planes
    dilate_after(layers[3], layers[4], dilate_residual, output_stride)
    return Stages(layers)


def dilate_after(to_16, to_32, dilate, output_stride):
    """Takes the strides of these layers away as far as the output stride says."""
    if output_stride == 16:
        dilate(to_32, 2)
    elif output_stride == 8:
        dilate(to_16, 2)
        dilate(to_32, 4)


def dilate_residual(layer, dilation):
    """Every 3x3 convolution of the layer is dilated, and nothing strides.

    The reference does so to the convolutions named conv2 and to the shortcuts, which fits
    bottlenecks alone: in a basic block conv1 has the stride. Here both of its convolutions are
    dilated.
    """
    for module in layer.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (dilation, dilation)


def dilate_strided(layer, dilation):
    """As the reference: the convolutions with stride 2 are dilated, and no others."""
    for module in layer.modules():
        if isinstance(module, torch.nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)
            module.dilation = module.padding = (dilation, dilation)

"""Writes golden data of the heads that the authors' training does not use.

    python tests/torch/heads.py PATH_TO_PIN_THE_MEMORY tests/goldens/heads.json

PATH_TO_PIN_THE_MEMORY is a checkout of https://github.com/Genie-Kim/PintheMemory (commit 0946a43).
Its DeepV3 (network/deepv3.py) gives the numbers of DeepLabV3 at full width, and must agree with the
one written here, which gives those of the narrow network. DeepLabV2 as published and FCN-8s it does
not have: they are written here from their papers, on torchvision's backbones (stages.py), without a
look at ours. All in f64 with weights by formula; tests/README.md says more.
"""

import argparse
import contextlib
import io
import json
import pathlib
import sys
import types

import torch
import torch.utils.model_zoo

import formula
import stages

CLASSES = 19
# Two images, since the pooled features are of each; odd, since that is where resizes show.
IMAGE = (2, 65, 97)
NARROW_DIVISOR = 16
# Backbone, model, output stride, dilations. The narrow network's dilations all reach into its last
# stage of 9 x 13 pixels; those of the full ones are the published.
CASES = [
    ("narrow", "deeplab_v3", 8, [2, 3, 5]),
    ("narrow", "deeplab_v2_original", 8, [1, 2, 4, 6]),
    ("narrow", "fcn8s", 32, []),
    ("narrow", "fcn8s", 8, []),
    ("resnet50", "deeplab_v3", 16, [6, 12, 18]),
    ("resnet50", "deeplab_v2_original", 8, [6, 12, 18, 24]),
    ("resnet50", "fcn8s", 32, []),
    ("mobilenet_v2", "deeplab_v3", 32, [3, 6, 9]),
    ("mobilenet_v2", "deeplab_v2_original", 8, [6, 12, 18, 24]),
    ("mobilenet_v2", "fcn8s", 32, []),
]
VALUES = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pin_the_memory", type=pathlib.Path)
    parser.add_argument("file", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    deepv3 = import_reference(arguments.pin_the_memory)
    image = formula.image("heads", *IMAGE).double()
    cases = []
    for backbone, model, output_stride, rates in CASES:
        divisor = NARROW_DIVISOR if backbone == "narrow" else 1
        network = Network(backbone, model, output_stride, rates, divisor)
        results = run(network, image)
        if model == "deeplab_v3" and backbone != "narrow":
            results = agreed(results, run_reference(deepv3, backbone, output_stride, image))
        content = {
            "backbone": "resnet50" if backbone == "narrow" else backbone,
            "model": model,
            "blocks": [1] * 4 if backbone == "narrow" else None,
            "width_divisor": divisor,
            "output_stride": output_stride,
            "aspp_rates": rates,
            "elements": sum(x.numel() for x in network.parameters()),
            **{name: record(x) for name, x in results.items()},
        }
        cases.append(json.dumps(content))
    lines = [f'"image": {json.dumps(IMAGE)}', f'"torch": "{torch.__version__}"']
    lines.append('"cases": [\n' + ",\n".join(cases) + "\n]")
    arguments.file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def record(x):
    """Shape, checksum and some values."""
    flat = x.flatten()
    places = torch.linspace(0, flat.numel() - 1, VALUES).round().long()
    return [list(x.shape), formula.checksum(x), places.tolist(), flat[places].tolist()]


def run(network, image):
    """Feature, logits and auxiliary logits in f64 with weights by formula."""
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    network.load_state_dict({key: formula.weight(key, shapes[key]) for key in shapes})
    return network.eval().double()(image)


def agreed(ours, theirs):
    """The authors' numbers, if those of the class written here are the same."""
    for name, expected in theirs.items():
        difference = (ours[name] - expected).abs().max() / expected.abs().max()
        if not difference <= 1e-13:
            sys.exit(f"{name}: differs from the authors' code by {difference:.1e}")
    return theirs


def conv_norm_relu(inputs, outputs, size, dilation=1):
    padding = dilation * (size // 2)
    conv = torch.nn.Conv2d(inputs, outputs, size, padding=padding, dilation=dilation, bias=False)
    return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())


def resize(x, size):
    """The reference's every resize aligns the corners."""
    return torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=True)


class Pyramid(torch.nn.Module):
    """Chen et al., 2017, section 3.3; the pooled features come first, as the authors have it."""

    def __init__(self, inputs, width, rates):
        super().__init__()
        self.img_conv = conv_norm_relu(inputs, width, 1)
        dilated = [conv_norm_relu(inputs, width, 3, rate) for rate in rates]
        self.features = torch.nn.ModuleList([conv_norm_relu(inputs, width, 1), *dilated])

    def forward(self, x):
        pooled = self.img_conv(x.mean((2, 3), keepdim=True))
        pooled = pooled.expand(-1, -1, *x.shape[2:])
        return torch.cat([pooled, *(branch(x) for branch in self.features)], 1)


class DeepLabV3(torch.nn.Module):
    """The pyramid, and a convolution before the classifier."""

    def __init__(self, channels, rates, divisor, _):
        super().__init__()
        width = 256 // divisor
        self.aspp = Pyramid(channels[3], width, rates)
        self.bot_aspp = conv_norm_relu(5 * width, width, 1)
        self.final1 = conv_norm_relu(width, width, 3)
        self.final2 = torch.nn.Sequential(torch.nn.Conv2d(width, CLASSES, 1))

    def forward(self, outputs):
        feature = self.bot_aspp(self.aspp(outputs[3]))
        return feature, self.final2(self.final1(feature))


class DeepLabV2(torch.nn.Module):
    """Chen et al., PAMI 2018, section 3.2 and figure 7: dilated classifiers, summed.

    The names are those of the common PyTorch versions.
    """

    def __init__(self, channels, rates, *_):
        super().__init__()
        self.layer5 = torch.nn.Module()
        self.layer5.conv2d_list = torch.nn.ModuleList(
            torch.nn.Conv2d(channels[3], CLASSES, 3, padding=rate, dilation=rate) for rate in rates
        )

    def forward(self, outputs):
        branches = [classifier(outputs[3]) for classifier in self.layer5.conv2d_list]
        return outputs[3], torch.stack(branches).sum(0)


class Fcn8s(torch.nn.Module):
    """Long et al., CVPR 2015, section 4.2: classifiers at three depths, fused from the deepest.

    As ours says of itself: one 3x3 convolution stands for VGG's fully connected layers, and resizes
    are bilinear with aligned corners.
    """

    def __init__(self, channels, _, divisor, backbone):
        super().__init__()
        width = 256 // divisor
        # The stages that end at strides 16 and 8; MobileNetV2's fourth only widens its third.
        self.skips = [2, 1] if backbone == "mobilenet_v2" else [3, 2]
        self.fcn = conv_norm_relu(channels[3], width, 3)
        self.score = torch.nn.ModuleDict({"feature": torch.nn.Conv2d(width, CLASSES, 1)})
        for stage in self.skips:
            self.score[f"stage{stage}"] = torch.nn.Conv2d(channels[stage - 1], CLASSES, 1)

    def forward(self, outputs):
        feature = self.fcn(outputs[3])
        logits = self.score["feature"](feature)
        for stage in self.skips:
            skip = self.score[f"stage{stage}"](outputs[stage - 1])
            logits = resize(logits, skip.shape[2:]) + skip
        return feature, logits


HEADS = {"deeplab_v3": DeepLabV3, "deeplab_v2_original": DeepLabV2, "fcn8s": Fcn8s}


class Network(stages.Stages):
    """A backbone with a head and the auxiliary head of Zhao et al., CVPR 2017, on its third stage."""

    def __init__(self, backbone, model, output_stride, rates, divisor):
        if backbone == "narrow":
            trunk = stages.build_narrow(divisor, output_stride)
        else:
            trunk = stages.build(backbone, output_stride)
        super().__init__(getattr(trunk, f"layer{number}") for number in range(5))
        channels = [x.shape[1] for x in trunk.eval()(torch.zeros(1, 3, 33, 33))]
        self.head = HEADS[model](channels, rates, divisor, backbone)
        middle = 512 // divisor
        self.dsn = torch.nn.Sequential(
            torch.nn.Conv2d(channels[2], middle, 3, padding=1),
            torch.nn.BatchNorm2d(middle),
            torch.nn.ReLU(),
            torch.nn.Dropout2d(0.1),
            torch.nn.Conv2d(middle, CLASSES, 1),
        )
        # The head's parts have names of their own, without the head's.
        for name, part in self.head.named_children():
            setattr(self, name, part)
        self.forward_head = self.head.forward
        del self.head

    def forward(self, x):
        outputs = super().forward(x)
        feature, logits = self.forward_head(outputs)
        return {"feature": feature, "logits": logits, "auxiliary": self.dsn(outputs[2])}


def import_reference(path):
    """network/deepv3.py of the checkout, on the CPU, without pretrained weights."""
    sys.path.insert(0, str(path))
    # What its modules import and the network has no use for.
    for name in ["datasets", "kmeans1d", "transforms", "transforms.transforms"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["transforms.transforms"].HideAndSeek = None
    torch.Tensor.cuda = lambda self, *_: self
    torch.utils.model_zoo.load_url = lambda url: {}
    from config import cfg
    from network import Mobilenet, deepv3

    cfg.MODEL.BNFUNC = torch.nn.BatchNorm2d
    Mobilenet.load_state_dict_from_url = lambda *_, **__: {}
    return deepv3


def run_reference(deepv3, backbone, output_stride, image):
    """What the authors' DeepV3 gives on its way; its own results are at the image's size."""
    trunk = {"resnet50": "resnet-50", "mobilenet_v2": "mobilenetv2"}[backbone]
    variant = {8: "D", 16: "D16", 32: "D32"}[output_stride]
    settings = types.SimpleNamespace(wt_layer=[0] * 7, memory=False)
    with contextlib.redirect_stdout(io.StringIO()):
        network = deepv3.DeepV3(CLASSES, trunk, variant=variant, args=settings)
    seen = {}

    def watch(part, name):
        part.register_forward_hook(lambda module, inputs, output: seen.update({name: output}))

    watch(network.layer3, "stage3")
    watch(network.bot_aspp, "feature")
    watch(network.final2, "logits")
    run(network, image)
    stage3 = seen.pop("stage3")[0]
    return seen | {"auxiliary": network.dsn(stage3)}


if __name__ == "__main__":
    main()

"""Compares our backbones with RobustNet's norms to RobustNet's own, or writes golden data.

    python tests/torch/norms.py PATH_TO_ROBUSTNET

PATH_TO_ROBUSTNET is a checkout of https://github.com/shachoi/RobustNet, whose networks run here as
they are, but for two corrections (`corrected`): ResNet-18, ResNet-50, MobileNetV2 and ShuffleNetV2 of
network/deepv3.py with the norms that --wt_layer names. The table is that of compare_backbones.py.
tests/README.md says more.
"""

import argparse
import contextlib
import io
import json
import os
import pathlib
import sys
import types

import torch
import torch.utils.model_zoo

import compare_backbones
import formula

# The reference's names and ours.
TRUNKS = {
    "resnet18": "resnet-18",
    "resnet50": "resnet-50",
    "mobilenet_v2": "mobilenetv2",
    "shufflenet_v2_x1_0": "shufflenetv2",
}
VARIANTS = {8: "D", 16: "D16", 32: "D32"}
# --wt_layer: 1 and 2 instance whitening, 3 instance norm, 4 with gain and offset, 5 switchable
# whitening; as the scripts have it, and all places in turn. MobileNetV2 has no seventh place, and
# the widths of ShuffleNetV2 do not fit switchable whitening.
PLACES = {
    "resnet18": ["0044400", "0011100", "0055500"],
    "resnet50": ["0044400", "0011100", "0022200", "0055500", "0035142"],
    "mobilenet_v2": ["0044400", "0022200", "0034140", "0043410"],
    "shufflenet_v2_x1_0": ["0044400", "0022200", "0034144", "0013431"],
}
# Its dilation fits bottlenecks alone: see dilate_residual in stages.py.
OUTPUT_STRIDES = dict.fromkeys(TRUNKS, 16) | {"resnet18": 32}
# Two images, since instances differ from the batch there; odd, since that is where paddings show.
GOLDEN_IMAGE = (2, 49, 65)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("robustnet", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--write-goldens",
        type=pathlib.Path,
        metavar="FILE",
        help="write names and checksums of RobustNet's stages in f64, with weights by formula",
    )
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    # Switchable whitening asks the other processes for their statistics.
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29534")
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    reference = import_reference(arguments.robustnet)
    if arguments.write_goldens:
        write_goldens(arguments.write_goldens, reference)
        return 0
    return compare_all(reference, arguments.seed)


def import_reference(path):
    """The modules of the checkout, on the CPU, without pretrained weights."""
    sys.path.insert(0, str(path))
    # What the statistics of ISW use, which nothing here takes.
    sys.modules["kmeans1d"] = types.ModuleType("kmeans1d")
    torch.Tensor.cuda = lambda self, *_: self
    torch.utils.model_zoo.load_url = lambda url: {}
    from config import cfg
    from network import Mobilenet, Shufflenet, deepv3

    cfg.MODEL.BNFUNC = torch.nn.BatchNorm2d
    for module in (Mobilenet, Shufflenet):
        module.load_state_dict_from_url = lambda *_, **__: {}
    return deepv3


class ThreeResults(torch.nn.Module):
    """Instance whitening with as many results as the reference's ShuffleNetV2 block takes."""

    def __init__(self, whitening):
        super().__init__()
        self.whitening = whitening

    def forward(self, x):
        return *self.whitening(x), None


class Stages(torch.nn.Module):
    """layer0 to layer4 of the reference; the output is that of layer1 to layer4."""

    def __init__(self, network):
        super().__init__()
        for number in range(5):
            setattr(self, f"layer{number}", getattr(network, f"layer{number}"))
        self.is_resnet = network.trunk.startswith("resnet")
        self.whitened = []

    def forward(self, x):
        state = self.stem(x) if self.is_resnet else self.layer0([x, []])
        outputs = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            state = layer(state)
            outputs.append(state[0])
        self.whitened = state[1]
        return outputs

    def stem(self, x):
        """The stem of a ResNet, which the reference runs layer by layer."""
        convolution, norm, relu, pool = self.layer0
        x = norm(convolution(x))
        x, whitened = (x[0], [x[1]]) if isinstance(x, tuple) else (x, [])
        return [pool(relu(x)), whitened]


def build(reference, name, places):
    arguments = types.SimpleNamespace(
        wt_layer=[int(place) for place in places], relax_denom=0.0, clusters=3
    )
    with contextlib.redirect_stdout(io.StringIO()):
        variant = VARIANTS[OUTPUT_STRIDES[name]]
        network = reference.DeepV3Plus(19, TRUNKS[name], variant=variant, args=arguments)
    return Stages(corrected(network, reference)).eval()


def corrected(network, reference):
    """The network with a ShuffleNetV2 whose whitening maps can be had.

    Its blocks take three of the two results of instance whitening, and so fail. Its stem and layer4
    overwrite their maps by a ReLU in place, as its ResNets take care not to do.
    """
    for block in network.modules():
        if isinstance(block, reference.Shufflenet.InvertedResidual) and block.iw in (1, 2):
            block.instance_norm_layer = ThreeResults(block.instance_norm_layer)
    if network.trunk == "shufflenetv2":
        network.layer0.layer[0][2].inplace = False
        network.layer4.layer[2].inplace = False
    return network


def compare_all(reference, seed):
    height, width = compare_backbones.IMAGE
    print(f"torch {torch.__version__.split('+')[0]}, image {width}x{height}, seed {seed}\n")
    print("| backbone | norms | stage 1 | stage 2 | stage 3 | stage 4 | PyTorch f32 to f64 |")
    print("|---|---|---|---|---|---|---|")
    failed = False
    for name, places in ((name, places) for name in PLACES for places in PLACES[name]):
        torch.manual_seed(seed)
        network = build(reference, name, places)
        differences, own = compare_backbones.differences(
            network, name, OUTPUT_STRIDES[name], places
        )
        # NaN is not below the tolerance.
        failed |= not all(x <= compare_backbones.TOLERANCE for x in differences)
        cells = [name, " ".join(places), *(f"{x:.1e}" for x in differences), f"{own:.1e}"]
        print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{'failed: more than' if failed else 'all at most'} {compare_backbones.TOLERANCE:.0e}")
    return 1 if failed else 0


def write_goldens(path, reference):
    image = formula.image("backbone", *GOLDEN_IMAGE).double()
    lines = [f'"image": {json.dumps(GOLDEN_IMAGE)}', f'"torch": "{torch.__version__}"']
    cases = []
    for name, places in ((name, places) for name in PLACES for places in PLACES[name]):
        network = build(reference, name, places)
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        network.load_state_dict({key: formula.weight(key, shapes[key]) for key in shapes})
        outputs = network.double()(image)
        content = {
            "backbone": name,
            "output_stride": OUTPUT_STRIDES[name],
            "places": [int(place) for place in places],
            "parameters": [[key, shapes[key]] for key, _ in network.named_parameters()],
            "statistics": [key for key, _ in network.named_buffers() if "running" in key],
            "stages": [[list(x.shape), formula.checksum(x)] for x in outputs],
            "whitened": [[list(x.shape), formula.checksum(x)] for x in network.whitened],
        }
        cases.append(json.dumps(content))
    lines.append('"cases": [\n' + ",\n".join(cases) + "\n]")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Compares our backbones with torchvision's, or writes golden data from torchvision's.

The table goes to standard output: for each backbone and output stride, how far each stage is from
PyTorch's at most, relative to the stage's largest value. Exit code 1 if anything exceeds TOLERANCE.
tests/README.md says how to run it.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

import formula
import stages

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4
COMPARED_STRIDES = [32, 16]
IMAGE = (97, 129)
# Small, since ours computes them in the tests; odd, since that is where paddings show.
GOLDEN_IMAGE = (1, 49, 65)
GOLDEN_STRIDES = [32, 16, 8]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", choices=stages.NAMES, default=stages.NAMES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--write-goldens",
        type=pathlib.Path,
        metavar="FILE",
        help="write checksums of PyTorch's stages in f64, with weights by formula, and stop",
    )
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    if arguments.write_goldens:
        write_goldens(arguments.write_goldens)
        return 0
    return compare_all(arguments.backbones, arguments.seed)


def compare_all(names, seed):
    print(f"torch {torch.__version__.split('+')[0]}, image {IMAGE[1]}x{IMAGE[0]}, seed {seed}\n")
    columns = ["backbone", "output stride", *(f"stage {number}" for number in range(1, 5))]
    columns.append("PyTorch f32 to f64")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    failed = False
    for name in names:
        for output_stride in COMPARED_STRIDES:
            differences, own = compare(name, output_stride, seed)
            # NaN is not below the tolerance.
            failed |= not all(x <= TOLERANCE for x in differences)
            cells = [name, str(output_stride), *(f"{x:.1e}" for x in differences), f"{own:.1e}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\n{'failed: more than' if failed else 'all at most'} {TOLERANCE:.0e}")
    return 1 if failed else 0


def compare(name, output_stride, seed):
    torch.manual_seed(seed)
    return differences(stages.build(name, output_stride), name, output_stride)


def differences(network, name, output_stride, places="0000000"):
    """Differences of ours from PyTorch in f32 for each stage, and PyTorch's own from f64.

    `places` is RobustNet's --wt_layer.
    """
    randomise_norms(network)
    image = torch.randn(1, 3, *IMAGE)
    expected = network(image)
    ours = run_ours(name, output_stride, places, network, image)
    exact = network.double()(image.double())
    found = [relative(a, b) for a, b in zip(ours, expected, strict=True)]
    own = max(relative(a, b) for a, b in zip(expected, exact, strict=True))
    return found, own


def randomise_norms(network):
    """Random gains and offsets, and running statistics of random images.

    With torchvision's initial statistics the values of a deep network would grow without bound.
    As in trained networks a residual block adds little to its input: with gains around 1, random
    networks amplify rounding so much that PyTorch's own f32 is 8e-4 away from f64 on ResNet-152.
    """
    ends = []
    for module in network.modules():
        # torchvision's classes and RobustNet's have the same names.
        kind = type(module).__name__
        if isinstance(module, torch.nn.InstanceNorm2d) and module.affine:
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.5, 0.5)
        elif isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.5, 0.5)
            module.momentum = 1.0
        elif kind == "SyncSwitchWhiten2d":
            for parameter in module.parameters():
                parameter.uniform_(0.5, 1.5)
            # The share of the old statistics.
            module.momentum = 0.0
        elif kind in ("BasicBlock", "Bottleneck"):
            ends.append(module.bn3 if hasattr(module, "bn3") else module.bn2)
    for norm in ends:
        norm.weight.uniform_(0.2, 0.4)
    network.train()
    network(torch.randn(2, 3, *IMAGE))
    network.eval()


def run_ours(name, output_stride, places, network, image):
    with tempfile.TemporaryDirectory() as folder:
        weights, picture, out = (
            f"{folder}/{part}.safetensors" for part in ("weights", "image", "out")
        )
        state = {
            key: value.contiguous()
            for key, value in network.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        save_file(state, weights)
        save_file({"image": image}, picture)
        command = ["cargo", "run", "--release", "--quiet", "--example", "backbone_stages", "--"]
        command += [weights, picture, out, "--backbone", name]
        command += ["--output-stride", str(output_stride), "--norms", places]
        subprocess.run(command, cwd=ROOT, check=True)
        stored = load_file(out)
        return [stored[f"stage{number}"] for number in range(1, 5)]


def relative(found, expected):
    """The largest difference, relative to the largest expected value; NaN if anything is."""
    if found.shape != expected.shape:
        return math.inf
    return ((found - expected).abs().max() / expected.abs().max()).item()


def write_goldens(path):
    image = formula.image("backbone", *GOLDEN_IMAGE).double()
    lines = [f'"image": {json.dumps(GOLDEN_IMAGE)}', f'"torch": "{torch.__version__}"']
    for name in stages.NAMES:
        for output_stride in GOLDEN_STRIDES:
            print(name, output_stride, file=sys.stderr)
            network = stages.build(name, output_stride).eval()
            state = network.state_dict()
            shapes = {key: tuple(value.shape) for key, value in state.items()}
            network.load_state_dict({key: formula.weight(key, shapes[key]) for key in shapes})
            outputs = network.double()(image)
            content = {
                "elements": sum(x.numel() for x in network.parameters()),
                "stages": [[list(x.shape), formula.checksum(x)] for x in outputs],
            }
            lines.append(f'"{name}/{output_stride}": {json.dumps(content)}')
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Writes names and shapes of other programs' networks, which the tests of crates/torch_weights match.

    python tests/torch/list_names.py torchvision
    python tests/torch/list_names.py robustnet PATH_TO_ROBUSTNET
    python tests/torch/list_names.py pin_the_memory PATH_TO_PIN_THE_MEMORY

The paths are checkouts of https://github.com/shachoi/RobustNet (commit 1ff5c04) and
https://github.com/Genie-Kim/PintheMemory (0946a43), whose own classes are built, on a CPU and without
a download. Needs torch and torchvision, and numpy for the latter two.
"""

import argparse
import contextlib
import json
import sys
import types
from pathlib import Path

import torch
import torch.utils.model_zoo
import torchvision

import stages

OUT = Path(__file__).resolve().parents[2] / "crates" / "torch_weights" / "tests" / "data"
CLASSES = 19
# `--wt_layer` of scripts/train_r50os16_gtav_*.sh.
NORMS = {"base": [0] * 7, "ibn": [0, 0, 4, 4, 4, 0, 0], "isw": [0, 0, 2, 2, 2, 0, 0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", choices=["torchvision", "robustnet", "pin_the_memory"])
    parser.add_argument("checkout", nargs="?", type=Path)
    arguments = parser.parse_args()
    if arguments.program == "torchvision":
        networks = {name: getattr(torchvision.models, name)(weights=None) for name in stages.NAMES}
    elif arguments.checkout is None:
        parser.error("a checkout is needed")
    elif arguments.program == "robustnet":
        build = authors(arguments.checkout, "network.deepv3")
        networks = {name: build(wt_layer=NORMS[name]) for name in ["ibn", "isw"]}
    else:
        build = authors(arguments.checkout, "network.deepv3plus")
        networks = {"deeplab_v3_plus": build(wt_layer=NORMS["base"])}
    write(OUT / f"names_{arguments.program}.json", networks)


def authors(checkout, module):
    """The function that builds their DeepLabV3+ on ResNet-50 with output stride 16."""
    sys.path.insert(0, str(checkout))
    # What their modules import and the network has no use for.
    for name in ["datasets", "kmeans1d", "transforms", "transforms.transforms"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules["transforms.transforms"].HideAndSeek = None
    torch.Tensor.cuda = lambda self, *_: self
    # The published weights of ResNet-50 would be loaded and are not needed for names.
    torch.utils.model_zoo.load_url = lambda url: {}

    def build(wt_layer):
        settings = types.SimpleNamespace(
            wt_layer=wt_layer,
            relax_denom=0.0,
            clusters=3,
            memory=True,
            mem_slot=CLASSES,
            mem_dim=256,
            mem_momentum=0.8,
            mem_temp=1.0,
            gumbel_off=True,
        )
        # Their modules tell of every tensor that was not loaded.
        with contextlib.redirect_stdout(None):
            network = __import__(module, fromlist=["DeepR50V3PlusD"])
            return network.DeepR50V3PlusD(settings, CLASSES, None, None)

    return build


def write(path, networks):
    """A tensor per line."""
    parts = []
    for name, network in networks.items():
        tensors = [
            f"{json.dumps(key)}: {json.dumps(list(value.shape), separators=(',', ':'))}"
            for key, value in network.state_dict().items()
        ]
        parts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(tensors) + "\n}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()

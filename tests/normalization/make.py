"""Makes normalization_f64.safetensors: what PyTorch gives for each kind of norm, in f64.

Usage: python make.py PATH_TO_ROBUSTNET
(a checkout of https://github.com/shachoi/RobustNet; needs torch and safetensors)

Switchable whitening is RobustNet's own module, run as one process. Everything else is PyTorch's.
"""

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, sys.argv[1])
from network.sync_switchwhiten import SyncSwitchWhiten2d  # noqa: E402

torch.set_default_dtype(torch.float64)
torch.manual_seed(20221)
tensors = {}


def keep(name, value):
    tensors[name] = value.detach().clone().contiguous()


def run(name, module, shape):
    """Output and gradients of sum(output * c) in training, then the output in evaluation."""
    x = (torch.randn(shape) * 2 + torch.arange(shape[1]).view(1, -1, 1, 1) / 8).requires_grad_()
    c = torch.randn(shape)
    keep(f"{name}.x", x)
    keep(f"{name}.c", c)
    for key, value in module.state_dict().items():
        keep(f"{name}.before.{key}", value)
    module.train()
    y = module(x)
    (y * c).sum().backward()
    keep(f"{name}.train", y)
    keep(f"{name}.grad.x", x.grad)
    for key, value in module.named_parameters():
        keep(f"{name}.grad.{key}", value.grad)
    for key, value in module.named_buffers():
        keep(f"{name}.after.{key}", value)
    module.eval()
    keep(f"{name}.eval", module(x))


def randomise(module):
    for parameter in module.parameters():
        parameter.data.uniform_(-1.0, 1.0)
    return module


class HalfInstance(torch.nn.Module):
    """IBN-a with its published names."""

    def __init__(self, channels):
        super().__init__()
        self.half = channels // 2
        self.IN = torch.nn.InstanceNorm2d(self.half, affine=True)
        self.BN = torch.nn.BatchNorm2d(channels - self.half)

    def forward(self, x):
        first, rest = x[:, : self.half], x[:, self.half :]
        return torch.cat([self.IN(first), self.BN(rest)], dim=1)


os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29533")
torch.distributed.init_process_group("gloo", rank=0, world_size=1)
run("instance", torch.nn.InstanceNorm2d(3), (2, 3, 4, 5))
run("instance-affine", randomise(torch.nn.InstanceNorm2d(3, affine=True)), (2, 3, 4, 5))
run("ibn-a", randomise(HalfInstance(5)), (3, 5, 2, 3))
switchable = randomise(SyncSwitchWhiten2d(32, num_pergroup=16, sw_type=2, T=5))
# A state as after some steps: at first mean and covariance are 0.
factor = torch.randn(2, 16, 16) / 4
switchable.running_mean.uniform_(-0.5, 0.5)
switchable.running_cov.copy_(factor @ factor.transpose(1, 2))
run("switchable", switchable, (3, 32, 2, 4))
torch.distributed.destroy_process_group()

# Counters of torch's batch norm, which no result depends on.
tensors = {key: value for key, value in tensors.items() if not key.endswith("num_batches_tracked")}
save_file(tensors, Path(__file__).with_name("normalization_f64.safetensors"))

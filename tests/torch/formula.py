"""Weights, images and checksums by formula: each value is a function of its tensor's name.

The same formula is in tests/all/formula.rs: FNV-1a of the name, then splitmix64.
"""

import math

import numpy
import torch


def unit_numbers(name, count):
    """`count` numbers in [0, 1), as f64."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with numpy.errstate(over="ignore"):
        index = numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = numpy.uint64(state) + index * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53


def uniform(name, shape, low, high):
    """Numbers in [low, high), rounded once to f32."""
    values = low + (high - low) * unit_numbers(name, math.prod(shape))
    return torch.from_numpy(values.astype(numpy.float32)).reshape(shape)


def weight(name, shape):
    """The tensor of a state_dict by its key."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if name.endswith("running_cov"):
        return covariance(name, shape)
    if name.endswith("running_var"):
        low, high = 0.5, 1.5
    elif len(shape) == 4:
        high = math.sqrt(6 / math.prod(shape[1:]))
        low = -high
    elif name.endswith("bn3.weight"):
        low, high = 0.2, 0.4
    elif name.endswith(".weight"):
        low, high = 0.8, 1.2
    else:
        low, high = -0.1, 0.1
    return uniform(name, shape, low, high)


def covariance(name, shape):
    """The identity and a little more: symmetric, and positive as its diagonal dominates."""
    part = uniform(name, shape, -0.05, 0.05).double()
    return (torch.eye(shape[-1]).double() + part + part.transpose(-1, -2)).float()


def image(tag, batch, height, width):
    """Coarse blocks of 8 pixels and fine noise, summed in f32."""
    rows, columns = -(-height // 8), -(-width // 8)
    coarse = uniform(f"input.{tag}.coarse", (batch, 3, rows, columns), -1.5, 1.5)
    fine = uniform(f"input.{tag}.fine", (batch, 3, height, width), -0.3, 0.3)
    coarse = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return coarse[:, :, :height, :width] + fine


def checksum(tensor):
    """Sum, L2 norm, and the sum with weights between -1 and 1."""
    values = tensor.double().flatten()
    weights = torch.from_numpy(2 * unit_numbers("checksum", values.numel()) - 1)
    return [values.sum().item(), values.norm().item(), (values * weights).sum().item()]
